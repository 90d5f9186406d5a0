"""Fill the tables of the paper from `evaluation.json` files, so that no measured number in it is typed by hand.

A block of the paper stands between the lines `<!-- KIND RUN [TASK] -->` and `<!-- end -->`. RUN is the name given with
`--run`, and the only name of a source that is ever printed: that in the file may be a path of somebody's machine.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopback_core.errors import LoopbackError
from loopback_core.evaluation.metrics import MAIN_METRIC
from loopback_core.evaluation.report import metric_rows
from loopback_core.evaluation.tasks import TASKS

Evaluation = Mapping[str, Any]
"""The content of an `evaluation.json`, perhaps an older one: any key may be missing."""

NOT_MEASURED, DASH = "*not measured in this run*", "–"
ACCURACY = ("ndcg@10", "hit_rate@10", "recall@100", "recall@1000")
BEYOND = ("coverage", "gini", "novelty", "artist_diversity", "popularity", "popularity_amplification")
SEGMENTS = {"recall@100": ("head", "mid", "tail"), "ndcg@10": ("light", "medium", "heavy", "repeaters", "explorers")}


@dataclass(frozen=True)
class Block:
    """The lines `start` to `stop` of the paper, which a run fills. `marker` is what the comment above them says."""

    marker: str
    start: int
    stop: int

    @property
    def run(self) -> str:
        """Name of the run."""
        return self.marker.split()[1]

    def content(self, run: Evaluation) -> list[str]:
        """What has to stand there."""
        kind, name, *task = self.marker.split()
        return KINDS[kind](run, *(task or [name])).splitlines()


def find_blocks(lines: Sequence[str]) -> list[Block]:
    """The blocks of a paper, in order.

    Raises:
        LoopbackError: a marker or its task is unknown, or a block has no end.
    """
    blocks, marker, start = [], "", 0
    for number, line in enumerate(lines, 1):
        if (comment := re.fullmatch(r"<!--\s*(.*?)\s*-->\s*", line)) is None:
            continue
        if (comment[1] == "end") != bool(marker):
            raise LoopbackError(f"Line {number}: {line.strip()} is out of place; a block ends before the next begins.")
        if marker:
            blocks.append(Block(marker, start, number - 1))
            marker = ""
        else:
            marker, start = " ".join(comment[1].split()), number
            _refuse_unknown(marker, number)
    if marker:
        raise LoopbackError(f"Line {start}: the block '{marker}' has no <!-- end -->.")
    return blocks


def fill(paper: str, runs: Mapping[str, Evaluation]) -> str:
    """The paper with the blocks of the given runs filled; those of other runs stay as they are."""
    lines = paper.splitlines()
    for block in reversed(find_blocks(lines)):
        if block.run in runs:
            lines[block.start : block.stop] = block.content(runs[block.run])
    return "\n".join(lines) + "\n"


def read_run(argument: str) -> tuple[str, Evaluation]:
    """Name and content of `NAME=PATH`.

    Raises:
        LoopbackError: it is not of that form, or the file is no evaluation.
    """
    name, _, path = argument.partition("=")
    if not (re.fullmatch(r"[\w-]+", name) and path):
        raise LoopbackError(f"--run {argument} is not of the form NAME=PATH, as in slice=evaluation.json.")
    try:
        content: dict[str, Any] = dict(json.loads(Path(path).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise LoopbackError(f"The evaluation of the run {name} cannot be read ({error}).") from None
    version = Path(path).resolve().parent.name
    if re.fullmatch(r"[0-9a-f]{8,64}", version):  # an artifact's; the name of another folder is nobody's business
        content["versions"] = {"evaluation": version, **content.get("versions", {})}
    return name, content


def _refuse_unknown(marker: str, line: int) -> None:
    kind, *rest = marker.split() or [""]
    if kind not in KINDS:
        raise LoopbackError(f"Line {line}: '{marker}' is no marker; known are {', '.join(KINDS)}.")
    needed = "RUN" if kind in OF_RUN else "RUN TASK"
    if len(rest) != len(needed.split()):
        raise LoopbackError(f"Line {line}: '{marker}' must have the form '{kind} {needed}'.")
    if kind not in OF_RUN and rest[1] not in TASKS:
        raise LoopbackError(f"Line {line}: '{rest[1]}' is no task; known are {', '.join(TASKS)}.")


def _facts(run: Evaluation, name: str) -> str:
    source, split, index, versions = (run.get(key, {}) for key in ("source", "split", "index", "versions"))
    seconds, peaks = run.get("seconds", {}), run.get("peak_rss_mb", {})
    digests = ", ".join(
        f"{step} `{versions.get(step, DASH)}`" for step in ("trained_towers", "baselines", "evaluation")
    )
    steps = ", ".join(f"{step} {_whole(seconds, step)} s / {_whole(peaks, step)} MB" for step in {**seconds, **peaks})
    return (
        f"**{name}**: {_whole(source, 'events')} listens, {_whole(source, 'users')} users, {_whole(source, 'tracks')} "
        f"tracks, {_whole(source, 'artists')} artists; split `{split.get('strategy', DASH)}` into "
        f"{_whole(split, 'train')} / {_whole(split, 'validation')} / {_whole(split, 'test')} listens; preset "
        f"`{_without_path(str(run.get('preset', DASH)))}`, seed {run.get('seed', DASH)}; index {index.get('kind', DASH)}, "
        f"recall@100 {_number(index.get('recall@100'))}; versions {digests}; "
        f"{sum(value or 0 for value in seconds.values()):,.0f} s in all, and the peak memory of each step: {steps}."
    )


def _verdict(run: Evaluation, name: str) -> str:
    rows = []
    for task, rival in run.get("rival", {}).items():
        paired = run.get("paired", {}).get(task, {}).get(rival) or {}
        main, deep = paired.get(MAIN_METRIC, {}), paired.get("recall@100", {})
        low, high = main.get("low"), main.get("high")
        word = "beat it" if (low or 0) > 0 else "lose to it" if (high or 0) < 0 else "cannot be told apart from it"
        verdict = "too few users for a verdict" if low is None else word
        p = f"{_number(main.get('p'))} / {_number(main.get('p_holm'))}"
        won = " / ".join(_whole(main, key) for key in ("won", "lost", "tied"))
        rows.append([task, rival or DASH, verdict, _interval(main, "+.4f"), p, _interval(deep, "+.4f"), won])
    columns = ["task", "rival", "the towers", MAIN_METRIC, "p / Holm's p", "recall@100", "won / lost / tied"]
    return _markdown(columns, rows, words=3)


def _tuning(run: Evaluation, name: str) -> str:
    rows = []
    for task, baselines in run.get("tuning", {}).items():
        for baseline, tuned in sorted(baselines.items(), key=lambda item: -(item[1].get(MAIN_METRIC) or -1)):
            chosen = ", ".join(f"{key} {value}" for key, value in (tuned.get("settings") or {}).items())
            tried = str(len(tuned.get("trials") or []))
            rows.append([task, baseline, chosen or DASH, _number(tuned.get(MAIN_METRIC)), tried])
    table = _markdown(["task", "baseline", "chosen", f"{MAIN_METRIC} on validation", "points tried"], rows, words=3)
    obstacles = [f"Not fitted: {baseline}. {why}." for baseline, why in run.get("obstacles", {}).items()]
    return "\n\n".join([table, *obstacles])


def _table(run: Evaluation, task: str) -> str:
    measured, lost = run.get("tasks", {}).get(task), run.get("unreachable_positives", {}).get(task)
    if not measured:
        return NOT_MEASURED
    leak = task == "reference_protocol"
    fate = "is unknown to train" if leak else "lies outside the catalog and is not scored"
    outside = f"; {100 * lost:.1f} % of what they play there {fate}" if lost else ""
    counts = f"{_whole(measured, 'users')} users, {_whole(measured, 'positives')} positives{outside}."
    table = _recommenders(measured["recommenders"], measured, ACCURACY, rival=run.get("rival", {}).get(task))
    return f"{counts}\n\n{table}"


def _segments(run: Evaluation, task: str) -> str:
    segments, measured = run.get("segments", {}).get(task), run.get("tasks", {}).get(task)
    if not (segments and measured):
        return NOT_MEASURED
    parts = []
    for metric, names in SEGMENTS.items():
        cells = {
            who: {name: ((segments.get(name) or {}).get(who) or {}).get(metric) for name in names}
            for who in measured["recommenders"]
        }
        parts.append(f"{metric} by segment:\n\n{_recommenders(cells, measured, names)}")
    return "\n\n".join(parts)


def _beyond(run: Evaluation, task: str) -> str:
    measured, columns = run.get("tasks", {}).get(task) or {}, [f"{metric}@10" for metric in BEYOND]
    shown = {who: of or {} for who, of in measured.get("recommenders", {}).items() if set(columns) & set(of or {})}
    return _recommenders(shown, measured, columns) if shown else NOT_MEASURED


def _recommenders(
    cells: Mapping[str, Any], task: Mapping[str, Any], columns: Sequence[str], rival: str | None = None
) -> str:
    """Recommenders in rows: the best nDCG@10 of the task first, those that cannot answer it last."""
    rows = []
    for row in metric_rows(task, [MAIN_METRIC]):
        if (who := row["recommender"]) in cells:
            label = f"**{_without_path(who)}**" if who.startswith("two_tower") else who
            values = [_interval((cells[who] or {}).get(column) or {}) for column in columns]
            rows.append([label + " (rival)" * (who == rival), *values])
    return _markdown(["recommender", *columns], rows, words=1)


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """A table whose first columns hold words and whose other columns hold numbers."""
    rule = ["---"] * words + ["---:"] * (len(columns) - words)
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, rule, *rows)) if rows else NOT_MEASURED


def _interval(mean: Mapping[str, float | None], sign: str = "") -> str:
    value, low, high = (mean.get(key) for key in ("value" if not sign else "difference", "low", "high"))
    return _number(value, sign) + ("" if low is None else f" [{_number(low, sign)}, {_number(high, sign)}]")


def _number(value: float | None, form: str = "") -> str:
    return DASH if value is None else format(value, form or (".4f" if abs(value) < 10 else ",.1f"))


def _whole(numbers: Mapping[str, Any], key: str) -> str:
    return DASH if numbers.get(key) is None else f"{numbers[key]:,.0f}"


def _without_path(name: str) -> str:
    """A user's own preset is called by its path, also in `two_tower:<preset>`: 'custom' stands for it."""
    kind, colon, preset = name.partition(":") if name.startswith("two_tower") else ("", "", name)
    return kind + colon + ("custom" if re.search(r"[/\\]|\.toml$", preset) else preset)


OF_RUN = {"facts": _facts, "verdict": _verdict, "tuning": _tuning}
KINDS = {**OF_RUN, "table": _table, "segments": _segments, "beyond": _beyond}
"""Kind of block -> what fills it, given the run and its name or, for those not in OF_RUN, the task."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Fill the paper, or with --check name the blocks that differ: 0, 1 when some do, 2 for what cannot be done."""
    parser = argparse.ArgumentParser(description="Fill the tables of the paper from evaluation.json files.")
    parser.add_argument("paper", type=Path, help="a Markdown file with blocks to fill")
    parser.add_argument("--run", action="append", required=True, metavar="NAME=PATH", help="an evaluation.json")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a block differs")
    chosen = parser.parse_args(arguments)
    try:
        return _run(chosen.paper, dict(map(read_run, chosen.run)), check=chosen.check)
    except LoopbackError as error:
        print(error, file=sys.stderr)
        return 2


def _run(path: Path, runs: Mapping[str, Evaluation], *, check: bool) -> int:
    try:
        paper = path.read_text("utf-8")
    except OSError as error:
        raise LoopbackError(f"The paper {path} cannot be read ({error.strerror}).") from None
    lines = paper.splitlines()
    blocks = find_blocks(lines)
    if unused := sorted(set(runs) - {block.run for block in blocks}):
        raise LoopbackError(f"No block of {path} is of the run {', '.join(unused)}; correct --run or add a block.")
    given = [block for block in blocks if block.run in runs]
    differing = [block for block in given if lines[block.start : block.stop] != block.content(runs[block.run])]
    for block in differing:
        print(f"{block.marker}: {'differs from its run' if check else 'filled'}")
    for name in dict.fromkeys(block.run for block in blocks if block.run not in runs):
        print(f"{name}: not given, its blocks are left as they are")
    if differing and not check:
        path.write_text(fill(paper, runs), "utf-8")
    return 1 if check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
