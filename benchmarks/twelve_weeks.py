"""Twelve weekly retrains of the generated log, every second one on poisoned data: what the gate lets through.

    uv run python benchmarks/twelve_weeks.py [--folder PATH] [--events N] [--users N] [--picture PNG] [--table MD]

Each week the log is a week longer, and the job `retrain` runs as a user runs it, with a warm start. In the even weeks what is delivered is poisoned,
in the last week alone or from the beginning of the log: users shuffled, half of the artists dropped, times shifted by eight
hours. A week later it is sound again. Printed is the verdict of every week, beside what it should be; the picture shows the
quality of champion and challenger as they were judged.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

WEEKS = 12

WEEKS_OF_LOG = 90
"""At the end, of the generated log: its weeks are dense enough for the drift of one to be seen, and trainings stay short."""

COLUMNS = ("user", "time", "artist_mbid", "artist", "track_mbid", "track")

SETTINGS = """
[training]
recipe = "given"
warm_start = true
[ranking]
ranker = "none"
[reranking]
method = "mmr"
[evaluation]
baselines = ["personal_decayed", "recent_artist"]
tuning_users = 100
moments = 5
[checks]
min_evaluation_users = 5
"""


def shuffled_users(listens: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Each listen is given to the user of another one, as by a join that went wrong."""
    order = np.random.default_rng(seed).permutation(len(listens))
    return listens.with_columns(user=listens["user"].gather(order))


def dropped_artists(listens: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Half of the artists are missing, as when one of two providers was not read."""
    kept = listens["artist"].unique().sort().sample(fraction=0.5, seed=seed)
    return listens.filter(pl.col("artist").is_in(kept.implode()))


def shifted_times(listens: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Local time is taken for UTC."""
    return listens.with_columns(pl.col("time") - timedelta(hours=8))


POISONS: dict[str, Callable[[pl.DataFrame, int], pl.DataFrame]] = {
    "users shuffled": shuffled_users,
    "artists dropped": dropped_artists,
    "times shifted": shifted_times,
}


def poison_of(week: int) -> tuple[str, bool] | None:
    """What is wrong in a week, and whether in the whole log; None: it is sound."""
    if week % 2:
        return None
    number = week // 2 - 1
    return list(POISONS)[number % len(POISONS)], number >= len(POISONS)


def whole_log(folder: Path, events: int, users: int) -> pl.DataFrame:
    """The last weeks of the generated log, by time."""
    from loopback_core.listens.sample.sample_writing import EVENTS_FILE, write_sample

    folder.mkdir(parents=True, exist_ok=True)
    write_sample(folder, events=events, users=users, seed=0)
    frame = pl.read_csv(
        folder / EVENTS_FILE, separator="\t", quote_char=None, has_header=False, new_columns=list(COLUMNS)
    )
    frame = frame.with_columns(pl.col("time").str.to_datetime(time_zone="UTC")).sort("time")
    return frame.filter(pl.col("time") > pl.col("time").max() - timedelta(weeks=WEEKS_OF_LOG))


def deliver(log: pl.DataFrame, end: datetime, week: int, path: Path) -> None:
    """Write what a week's run reads."""
    listens = log.filter(pl.col("time") <= end)
    poison = poison_of(week)
    if poison:
        name, everywhere = poison
        new = pl.lit(everywhere) | (pl.col("time") > end - timedelta(days=7))
        poisoned = POISONS[name](listens.filter(new), week)
        listens = pl.concat([listens.filter(~new), poisoned])
    text = listens.sort("user", "time").with_columns(pl.col("time").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    text.write_csv(path, separator="\t", include_header=False, quote_style="never")


def retrain(home: Path, source: Path) -> tuple[bool, float]:
    """Run the job; whether it ran to its end, and its seconds."""
    environment = os.environ | {
        "LOOPBACK_HOME": str(home),
        "LOOPBACK_SOURCE": str(source),
        "LOOPBACK_CONFIG": str(home / "settings.toml"),
    }
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "loopback_assets.definitions", "-j", "retrain"]
    started = time.monotonic()
    with (home / "runs.log").open("ab") as log:
        done = subprocess.run(command, env=environment, stdout=log, stderr=log, check=False)
    return done.returncode == 0, time.monotonic() - started


def verdict_of(home: Path, week: int, finished: bool, seconds: float) -> dict[str, Any]:
    """A row of the table. finished: whether the run reached the gate; else it failed before, and `runs.log` of the home says where."""
    poison = poison_of(week)
    row: dict[str, Any] = {
        "week": week,
        "poison": f"{poison[0]}, {'whole log' if poison[1] else 'new week'}" if poison else "",
        "decision": "stopped",
        "sentence": "",
        "served": False,
        "seconds": round(seconds, 1),
    }
    return row | _of_the_gate(home) if finished else row


def _of_the_gate(home: Path) -> dict[str, Any]:
    from loopback_core.promotion.promotion_json import read_promotion
    from loopback_core.store.artifacts import ArtifactStore
    from loopback_core.store.served_pointer import served_version

    store = ArtifactStore(home)
    newest = store.latest("bundle").version
    promotion = read_promotion(store.latest("promotion").folder)
    row: dict[str, Any] = {
        "decision": promotion["decision"],
        "sentence": promotion["sentence"],
        "served": served_version(store) == newest,
    }
    for one in promotion["differences"]:
        if one["segment"] == "all":
            row[one["task"]] = [one["champion"], one["challenger"], one["low"], one["high"]]
    return row


def as_table(rows: list[dict[str, Any]]) -> str:
    """The weeks in Markdown."""
    lines = ["| week | data | verdict | discovery | next listen |", "| ---: | --- | --- | ---: | ---: |"]
    for row in rows:
        cells = [_values(row.get(task)) for task in ("discovery", "next_listen")]
        right = row["served"] != bool(row["poison"])
        verdict = f"{row['decision']}{'' if right else ' (wrong)'}"
        lines.append(f"| {row['week']} | {row['poison'] or 'sound'} | {verdict} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _values(measured: list[float] | None) -> str:
    return "" if measured is None else f"{measured[0]:.4f} -> {measured[1]:.4f}"


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Quality as judged over the weeks; bad weeks shaded; the verdict above."""
    from loopback_core.reporting.plots.colours import INK
    from loopback_core.reporting.plots.figure import figure

    colours = {"promote": "#2b8a3e", "keep": "#e8590c", "quarantine": "#c92a2a", "stopped": "#862e9c"}
    tasks = ("discovery", "next_listen")
    with figure(path, width=6.4, height=4.4, rows=2) as panels:
        for panel, task in zip(panels, tasks, strict=True):
            weeks = [row["week"] for row in rows if task in row]
            for place, (name, mark, ink) in enumerate((("champion", "o", INK), ("challenger", "D", "#2f86d6"))):
                values = [row[task][place] for row in rows if task in row]
                panel.plot(weeks, values, mark, color=ink, ms=5, label=name)
            panel.margins(y=0.35)  # room for the verdicts
            for row in rows:
                if row["poison"]:
                    panel.axvspan(row["week"] - 0.5, row["week"] + 0.5, color="#c92a2a", alpha=0.08, lw=0)
                panel.axvline(row["week"], 0.94, 1, color=colours[row["decision"]], lw=7)
            panel.set(title=f"{task}: ndcg@10 on what neither was trained on", xlim=(0.4, WEEKS + 0.6))
            panel.set_xticks(range(1, WEEKS + 1))
        panels[-1].set_xlabel("week; shaded: poisoned")
        for decision in colours:
            panels[-1].plot([], [], "s", color=colours[decision], label=decision)
        panels[0].figure.legend(
            *panels[-1].get_legend_handles_labels(), fontsize=8, frameon=False, loc="outside lower center", ncols=3
        )


def main() -> None:
    """Run the weeks, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".loopback/benchmarks/twelve_weeks"))
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    home = given.folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    (home / "settings.toml").write_text(SETTINGS, "utf-8")
    log = whole_log(given.folder / "log", given.events, given.users)
    last: datetime = log["time"][-1]
    rows = []
    for week in range(1, WEEKS + 1):
        source = given.folder / "plays.tsv"
        deliver(log, last - timedelta(days=7 * (WEEKS - week)), week, source)
        rows.append(verdict_of(home, week, *retrain(home, source)))
        print(json.dumps(rows[-1]), flush=True)
    print(as_table(rows))
    if given.table:
        given.table.write_text(as_table(rows) + "\n", "utf-8")
    if given.picture:
        draw(rows, given.picture)


if __name__ == "__main__":
    main()
