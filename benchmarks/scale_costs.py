"""Hours, memory and machines for logs that were not run: arithmetic on what was measured, nothing is timed here.

    uv run python benchmarks/scale_costs.py [--set NAME=VALUE ...] [--fill docs/scale.md]

The constants and where each comes from: `scale_constants.py`; those of docs/results/full-size.md are read from its tables. --set
replaces one, for a newer measurement or another assumption: `--set workers=4 --set ingest_seconds_per_million=0.9`. --fill
writes the tables between the two marks `[//]: # (scale)` of a Markdown file.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scale_constants import INDEXES, MEASURED_TRACKS, Constants
from scale_model import LISTENS_PER_TRACK, Scale, limits

BEGIN, END = "[//]: # (scale)", "[//]: # (/scale)"

SIZES = ((19.1e6, MEASURED_TRACKS), (1e8, 1e7), (1e9, 1e7), (1e9, 1e8), (1e10, 1e8))
"""Listens and tracks; the first is the size that was measured."""

REQUESTS = 1_000
"""A second, that the service is sized for."""

MACHINES = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
"""Memory of machines, GB. Of a machine a fifth is left for the system and mapped files."""


def machine_for(memory: float) -> str:
    """The smallest machine, by its memory."""
    fitting = [size for size in MACHINES if size * 1e9 * 0.8 >= memory]
    return f"{fitting[0]:,} GB" if fitting else f"more than {MACHINES[-1]:,} GB"


def _hours(value: float) -> str:
    return f"{value * 60:.0f} min" if value < 1 else f"{value:,.1f} h" if value < 100 else f"{value:,.0f} h"


def _gigabytes(value: float) -> str:
    return f"{value / 1e9:,.1f}" if value < 1e10 else f"{value / 1e9:,.0f}"


def tables(constants: Constants) -> Iterator[str]:
    """All tables, as Markdown."""
    scales = [Scale(listens, tracks, constants) for listens, tracks in SIZES]
    names = [f"{s.listens / 1e6:,.5g}M listens, {s.tracks / 1e6:,.2g}M tracks" for s in scales]
    names[1:] = [f"{s.listens / 1e6:,.0f}M, {s.tracks / 1e6:,.0f}M" for s in scales[1:]]
    yield f"Computed. Hours of {constants.cores:g} cores, {constants.workers:g} machine, {constants.listens_per_user:,.0f} listens per user."
    yield ""
    yield from _table("hours", names, _hour_rows(scales))
    yield ""
    yield from _table("memory, GB", names, _memory_rows(scales))
    yield ""
    yield from _table("the service", names, _service_rows(scales))
    yield ""
    yield f"| from so many million listens, {LISTENS_PER_TRACK} for each track | does not work as it is |"
    yield "| ---: | --- |"
    yield from (f"| {listens / 1e6:,.0f} | {what} |" for listens, what in limits(constants))
    yield ""
    yield "| index | bytes per track | GB for 10M tracks | GB for 100M tracks |"
    yield "| --- | ---: | ---: | ---: |"
    for kind, cells in INDEXES.items():
        per_track = float(cells[2].replace(",", "")) * 1e6 / MEASURED_TRACKS
        yield f"| {kind} | {per_track:,.0f} | {_gigabytes(per_track * 1e7)} | {_gigabytes(per_track * 1e8)} |"
    yield ""
    yield "| constant | value | unit | from |"
    yield "| --- | ---: | --- | --- |"
    yield from (f"| {name} | {value:,.4g} | {unit} | {source} |" for name, value, unit, source in constants.described())


def _hour_rows(scales: list[Scale]) -> Iterator[list[str]]:
    for step in scales[0].hours():
        yield [step, *(_hours(scale.hours()[step]) for scale in scales)]
    yield ["all of these", *(_hours(sum(scale.hours().values())) for scale in scales)]
    yield ["every listen trained on, twice: CPU", *(_hours(scale.hours_of_a_pass()) for scale in scales)]
    yield ["the same on one GPU", *(_hours(scale.hours_of_a_pass(gpu=True)) for scale in scales)]


def _memory_rows(scales: list[Scale]) -> Iterator[list[str]]:
    for step in scales[0].memory():
        yield [step, *(_gigabytes(scale.memory()[step]) for scale in scales)]
    yield ["the machine of a retrain", *(machine_for(max(scale.memory().values())) for scale in scales)]
    yield ["disk: the log as text, one version of all", *(_gigabytes(scale.disk()) for scale in scales)]


def _service_rows(scales: list[Scale]) -> Iterator[list[str]]:
    c = scales[0].constants
    yield ["mapped files, GB", *(_gigabytes(scale.bundle()) for scale in scales)]
    yield ["machine with all of them in memory", *(machine_for(scale.service_memory()) for scale in scales)]
    yield ["exact search, ms", *(f"{c.exact_search_milliseconds * s.tracks / c.index_tracks:,.0f}" for s in scales)]
    growth = [(scale.tracks / c.index_tracks) ** 0.5 for scale in scales]
    yield ["ivf, ms", *(f"{c.ivf_search_milliseconds * by:.1f}" for by in growth)]
    kept, made = (REQUESTS * ms / 1e3 for ms in (c.kept_list_milliseconds, c.new_list_milliseconds))
    yield [f"cores for {REQUESTS:,} requests/s, lists that are kept", *(f"{kept:.1f}" for _ in scales)]
    extra = [REQUESTS * c.ivf_search_milliseconds * (by - 1) / 1e3 for by in growth]
    yield [f"cores for {REQUESTS:,} requests/s, lists made anew", *(f"{made + more:.0f}" for more in extra)]


def _table(head: str, names: list[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield f"| {head} | {' | '.join(names)} |"
    yield "| --- |" + " ---: |" * len(names)
    yield from (f"| {' | '.join(cells)} |" for cells in rows)


def fill(page: Path, lines: Iterator[str]) -> None:
    """Write the tables between the marks of a page."""
    text = page.read_text("utf-8")
    before, rest = text.split(BEGIN)
    page.write_text(before + "\n".join([BEGIN, *lines, END]) + rest.split(END)[1], "utf-8")


def main() -> None:
    """Compute, print, or fill."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="replace constants")
    parser.add_argument("--fill", type=Path, metavar="FILE", help="a Markdown file with the two marks")
    options = parser.parse_args()
    given = dict(one.split("=", 1) for one in options.set)
    unknown = given.keys() - {name for name, *_ in Constants().described()}
    if unknown:
        raise SystemExit(f"There is no constant {', '.join(sorted(unknown))}: take names of the last table.")
    constants = replace(Constants(), **{name: float(value) for name, value in given.items()})
    if options.fill:
        fill(options.fill, tables(constants))
    else:
        print("\n".join(tables(constants)))


if __name__ == "__main__":
    main()
