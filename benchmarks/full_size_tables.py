"""The tables of `full_size.py` as Markdown, and the growth curve as a picture."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from indexes import table as index_table

BEGIN, END = "[//]: # (full-size)", "[//]: # (/full-size)"

Results = dict[str, Any]


def fill(page: Path, runs: list[Path]) -> None:
    """Write the results of the runs between the two marks of a page; the picture of the last run lies next to it."""
    text = page.read_text("utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise SystemExit(
            f"{page} needs one line {BEGIN} and after it one line {END}: add them where the tables belong."
        )
    found = [json.loads(path.read_text("utf-8")) for path in runs]
    before, rest = text.split(BEGIN)
    picture = page.parent / "full_size.png"
    content = "\n".join([BEGIN, *_page(found, picture.relative_to(page.parent)), END])
    page.write_text(before + content + rest.split(END)[1], "utf-8")
    if len(found[-1]["sizes"]) > 1:
        plot_growth(found[-1], picture)


def _page(runs: list[Results], picture: Path) -> Iterator[str]:
    last = runs[-1]
    size = max(last["sizes"], key=int)
    machine = last["machine"]
    yield (
        f"{int(size):,} events, {last['users']} users; {machine['cores']} cores, "
        f"{machine['flops'] / 1e9:.0f} GFLOP/s fp32, {machine['memory'] / 1e9:.0f} GB/s of memory, "
        f"{machine['disk_write'] / 1e9:.1f} GB/s to the disk. Floor: what the bytes and operations would take at these rates."
    )
    yield ""
    yield from _chain(runs, size)
    for number, run in enumerate(runs, 1):
        yield ""
        yield from _comparisons(run["sizes"][size], f"run {number}" if len(runs) > 1 else "")
    if "index" in last["sizes"][size]:
        yield ""
        yield from index_table(last["sizes"][size]["index"])
    if len(last["sizes"]) > 1:
        yield ""
        yield f"![Seconds and peak memory of every step by size of the log]({picture.as_posix()})"


def _chain(runs: list[Results], size: str) -> Iterator[str]:
    several = [f"seconds, run {number}" for number in range(1, len(runs) + 1)] if len(runs) > 1 else ["seconds"]
    yield f"| step | {' | '.join(several)} | events/s | peak, GB | written, MB | floor, s | × floor | CPU of other processes, cores |"
    yield "| --- |" + " --- |" * (len(several) + 6)
    totals, peak = [0.0] * len(runs), 0.0
    for asset in runs[-1]["sizes"][size]["chain"]:
        each = [run["sizes"][size]["chain"][asset] for run in runs]
        seconds = [one["seconds"] for one in each]
        totals = [total + one for total, one in zip(totals, seconds, strict=True)]
        highest = max(one["peak_mb"] for one in each)
        peak = max(peak, highest)
        floor = runs[-1]["sizes"][size]["floors"].get(asset)
        of_floor = f"{floor:.1f} | {seconds[-1] / floor:.1f}" if floor else "— | —"
        yield (
            f"| {asset} | {' | '.join(f'{one:.0f}' for one in seconds)} | {int(size) / max(seconds[-1], 1e-9):,.0f} | "
            f"{highest / 1000:.1f} | {each[-1]['bytes'] / 1e6:,.0f} | {of_floor} | "
            f"{max(one['foreign_cores'] for one in each):.1f} |"
        )
    commands = [sum(one["command_seconds"] for one in run["sizes"][size]["chain"].values()) for run in runs]
    yield f"| all | {' | '.join(f'{total:.0f}' for total in totals)} | | {peak / 1000:.1f} | | | | |"
    yield f"| the commands, with start and checks | {' | '.join(f'{total:.0f}' for total in commands)} | | | | | | |"


def _comparisons(of_size: Results, what: str) -> Iterator[str]:
    chain = of_size["chain"]
    parts = [what] if what else []
    if "python" in of_size:
        seconds = chain["interactions"]["seconds"] + chain["temporal_splits"]["seconds"]
        plain = of_size["python"]["rows_per_second"]
        ours = of_size["events"] / seconds
        parts.append(f"log to splits {ours:,.0f} rows/s, plain Python {plain:,.0f}: {ours / plain:.1f} ×")
    if "steps" in of_size:
        rates = {preset: np.array(of_rounds) for preset, of_rounds in of_size["steps"].items()}
        for preset in rates:
            if preset != "reference":
                ratio = float(np.median(rates[preset] / rates["reference"]))
                parts.append(
                    f"training step of {preset} {np.median(rates[preset]):,.0f} distinct listens/s, of reference "
                    f"{np.median(rates['reference']):,.0f}: {ratio:.1f} ×"
                )
    if "curve" in of_size:
        best = max(value for _, value in of_size["curve"])
        reached = ", ".join(
            f"{share:.0%} of it after {next(s for s, value in of_size['curve'] if value >= share * best):.0f} s"
            for share in (0.9, 0.95, 0.99, 1)
        )
        parts.append(f"training ends with a validation nDCG@10 of {best:.3f}, {reached} of steps")
    if "profile" in of_size:
        phases, torch = of_size["profile"]["milliseconds"], of_size["profile"]["torch"]
        parts.append("a step of default, ms: " + ", ".join(f"{phase} {ms:.0f}" for phase, ms in phases.items()))
        parts.append("of what torch does in it: " + ", ".join(f"{what} {share:.0%}" for what, share in torch.items()))
    yield "; ".join(parts) + "."


def plot_growth(run: Results, path: Path) -> None:
    """Seconds and peak memory of every step by size of the log, both axes logarithmic."""
    from loopback_core.reporting.plots.figure import figure

    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = sorted(run["sizes"], key=int)
    events = [int(size) for size in sizes]
    with figure(path, 6.4, 6.4, rows=2) as (seconds, memory):
        for asset in run["sizes"][sizes[-1]]["chain"]:
            steps = [run["sizes"][size]["chain"][asset] for size in sizes]
            seconds.loglog(events, [step["seconds"] for step in steps], marker="o", markersize=3)
            memory.semilogx(events, [step["peak_mb"] / 1000 for step in steps], marker="o", markersize=3, label=asset)
        seconds.set_title("Seconds by events of the log")
        memory.set_title("Peak memory, GB")
        memory.set_xlabel("events")
        memory.legend(fontsize=7, ncols=2, frameon=False)
        for axes in (seconds, memory):
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
