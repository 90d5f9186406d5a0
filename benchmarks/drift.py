"""How often the last week of a log raises an alarm: as it is, which would be a false one, and with a fault planted in it.

    uv run python benchmarks/drift.py [--events N] [--users N] [--seeds N ...] [--log FOLDER] [--cuts N] [--again]

The logs are generated ones, a seed each, or the listens of a folder (`interactions.parquet`, as the asset of that name writes it). A
log is cut after each of its past weeks, the last year of it, and the last week of what remains is judged. Every fault of
tests/planted_shifts.py is planted after `--cuts` of these cuts, evenly spread; with --again also six weeks earlier, so that the past holds one that nobody mended. Prints
a table, and how long a log takes.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from loopback_core.drift.week_limits import Calibration, limits_of_weeks
from loopback_core.drift.week_reading import WEEK, read_weeks
from loopback_core.drift.weekly_statistics import weekly_statistics
from loopback_core.listens.ingest import ingest
from loopback_core.listens.sample import write_sample
from loopback_core.settings import DriftSettings, SourceSettings

sys.path.append(str(Path(__file__).parent.parent / "tests"))

from planted_shifts import SHIFTS, sorted_listens

SETTINGS = DriftSettings()
LEAST_WEEKS = 30  # before the first cut
CUT_WEEKS = 100
EARLIER_WEEKS = 6


def alarms_of(calibration: Calibration) -> list[str]:
    """The statistics that raise an alarm in the last week."""
    assert calibration.threshold is not None
    return [name for name, scores in calibration.scores.items() if scores[-1] > calibration.threshold]


def calibrated(table: pl.DataFrame) -> Calibration:
    """The last week of a table against its past."""
    return limits_of_weeks(table.tail(SETTINGS.past_weeks + 20), 1, SETTINGS.past_weeks, SETTINGS.false_alarms)


def table_of(folder: Path) -> pl.DataFrame:
    """The weeks of a log."""
    return weekly_statistics(read_weeks(folder, 10_000), folder / "profiles.parquet")


def planted(folder: Path, ends: list[int], shift: str, seed: int, into: Path) -> pl.DataFrame:
    """The weeks of the log cut at the last of some seconds, with a fault in the week before each."""
    listens, second = pl.read_parquet(folder / "interactions.parquet"), pl.col("timestamp").dt.epoch("s")
    shifted, since = listens.clear(), 0
    for number, end in enumerate(ends):
        between = listens.filter(second >= since, second < end)
        shifted = SHIFTS[shift](
            pl.concat([shifted, between.select(shifted.columns)]), np.random.default_rng(seed + number)
        )
        since = end
    shifted = sorted_listens(shifted)
    shifted.write_parquet(into / "interactions.parquet")
    return weekly_statistics(read_weeks(into, SETTINGS.past_weeks + 20), folder / "profiles.parquet")


def sample_logs(events: int, users: int, seeds: list[int], folder: Path) -> Iterator[tuple[str, Path]]:
    """Generated logs."""
    for seed in seeds:
        log = write_sample(folder / "raw", events=events, users=users, seed=seed)
        (folder / f"{seed}").mkdir()
        ingest(log, folder / f"{seed}", SourceSettings())
        yield f"{events:,} listens, {users:,} users, seed {seed}", folder / f"{seed}"


def measure(name: str, log: Path, cuts: int, again: bool, into: Path) -> None:
    """Print what one log gives."""
    started = time.monotonic()
    table = table_of(log)
    seconds = time.monotonic() - started
    places = range(max(LEAST_WEEKS, len(table) - CUT_WEEKS), len(table))
    false = {place: alarms_of(calibrated(table.head(place + 1))) for place in places}
    share = sum(map(bool, false.values())) / len(places)
    print(f"{name}: {len(table)} weeks in {seconds:.1f} s; {share:.1%} of {len(places)} cuts with an alarm", flush=True)
    print("   ", {place: names for place, names in false.items() if names})
    quiet = [place for place in places if not false[place]]
    chosen = [quiet[i] for i in np.linspace(0, len(quiet) - 1, cuts).astype(int)] if cuts else []
    for shift in SHIFTS if cuts else ():
        found = []
        for place in chosen:
            weeks = [place - EARLIER_WEEKS, place] if again else [place]
            ends = [int(table["start"][week]) + WEEK for week in weeks]
            alarms = alarms_of(calibrated(planted(log, ends, shift, place, into)))
            found.append(alarms)
        print(
            f"    {shift}: found in {sum(map(bool, found))} of {len(found)}",
            sorted({n for names in found for n in names}),
            flush=True,
        )


def main() -> None:
    """Read the arguments, measure every log."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--log", type=Path)
    parser.add_argument("--cuts", type=int, default=5)
    parser.add_argument("--again", action="store_true", help="the fault was in an earlier week too, and stayed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "planted").mkdir()
        logs = [("the log", given.log)] if given.log else sample_logs(given.events, given.users, given.seeds, folder)
        for name, log in logs:
            measure(name, log, given.cuts, given.again, folder / "planted")


if __name__ == "__main__":
    main()
