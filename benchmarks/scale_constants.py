"""What was measured of each listen, track and user: the constants of `scale_costs.py`, each with where it comes from."""

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from full_size_tables import BEGIN

FULL_SIZE = Path(__file__).parents[1] / "docs" / "results" / "full-size.md"

MEASURED_LISTENS, MEASURED_USERS, WIDTH = 19_100_000, 992, 128
"""Of docs/results/full-size.md; its vectors have 128 dimensions of 4 bytes."""

Rows = dict[str, list[str]]


def table_of(page: Path, first_column: str) -> Rows:
    """The first table that `full_size.py --fill` wrote whose first column has this head: first cell -> the other cells.

    Raises `ValueError` when there is none.
    """
    lines = page.read_text("utf-8").partition(BEGIN)[2].splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(f"| {first_column} |")), None)
    if start is None:
        raise ValueError(f"{page} has no table of {first_column!r} below {BEGIN!r}: fill it with full_size.py --fill.")
    rows: Rows = {}
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows[name] = cells
    return rows


def _number(text: str) -> float:
    return float(text.replace(",", ""))


STEPS = table_of(FULL_SIZE, "step")
INDEXES = table_of(FULL_SIZE, "index")
RUNS = next(number for number, cell in enumerate(STEPS["raw_listens"]) if "," in cell)
"""Columns of seconds: one for each run, before that of events per second."""

MEASURED_TRACKS = _number(INDEXES["flat"][2]) * 1e6 / (4 * WIDTH)


def seconds_of(step: str) -> float:
    """Mean seconds of a step over the runs at full size."""
    return sum(_number(cell) for cell in STEPS[step][:RUNS]) / RUNS


def megabytes_of(step: str) -> float:
    """What a step wrote."""
    return _number(STEPS[step][RUNS + 2])


def rate_of_default() -> float:
    """Distinct listens per second of a training step of the recipe, the last run."""
    return _number(re.findall(r"training step of default ([\d,]+) distinct", FULL_SIZE.read_text("utf-8"))[-1])


def _measured(value: float, unit: str, source: str) -> Any:
    return field(default=value, metadata={"unit": unit, "source": source})


OF_STEPS = "full-size.md, table of steps"


@dataclass(frozen=True)
class Constants:
    """`scale_costs.py --set NAME=VALUE` replaces one."""

    # Reading and cutting the log.
    ingest_seconds_per_million: float = _measured(
        seconds_of("interactions") / 19.1, "s / 1M listens", f"{OF_STEPS}, interactions"
    )
    ingest_memory: float = _measured(0.6e9, "bytes", "what the next line leaves of both peaks")
    ingest_memory_per_track: float = _measured(
        690, "bytes / track", "docs/large-logs.md: 1,409 MB with 1.2 million tracks, 2,647 with 3.0"
    )
    text_bytes_per_listen: float = _measured(
        megabytes_of("raw_listens") / 19.1, "bytes / listen", f"{OF_STEPS}, raw_listens"
    )
    clean_bytes_per_listen: float = _measured(
        (megabytes_of("interactions") + megabytes_of("temporal_splits")) / 19.1,
        "bytes / listen",
        f"{OF_STEPS}, interactions and temporal_splits",
    )
    split_seconds_per_million: float = _measured(
        seconds_of("temporal_splits") / 19.1, "s / 1M listens", f"{OF_STEPS}, temporal_splits"
    )
    split_memory_per_track: float = _measured(
        850, "bytes / track", "docs/large-logs.md: 939 MB with 1.2 million tracks, 2,556 with 3.0"
    )
    # Training.
    training_seconds: float = _measured(
        seconds_of("trained_towers"),
        "s",
        f"{OF_STEPS}, trained_towers: at most 16M listens are trained on (training.listens)",
    )
    training_memory_per_listen: float = _measured(160, "bytes / listen", "training/train.py, MEMORY_PER_LISTEN")
    training_table_copies: float = _measured(3, "copies", "training/train.py, optimizer sparse")
    trained_listens_per_second: float = _measured(
        rate_of_default(), "listens / s", "full-size.md, training step of default"
    )
    trained_listens_per_second_gpu: float = _measured(
        132_329, "listens / s", "docs/full-size.md, one H200, row default"
    )
    trainings: float = _measured(2, "passes", "on train, and again with validation (training.refit)")
    # Tracks.
    artists_per_track: float = _measured(174 / 1500, "", "benchmarks/full_size.py: 1.5M tracks of 174k artists")
    embed_seconds_per_million: float = _measured(
        seconds_of("track_embeddings") / MEASURED_TRACKS * 1e6, "s / 1M tracks", f"{OF_STEPS}, track_embeddings"
    )
    ivf_build_seconds: float = _measured(
        _number(INDEXES["ivf fp32"][0]),
        "s",
        "full-size.md, table of indexes; grows as tracks ** 1.5: 4 * sqrt(tracks) lists",
    )
    ivf_search_milliseconds: float = _measured(
        _number(INDEXES["ivf fp32"][4]), "ms", "full-size.md, table of indexes; grows as the root of the tracks"
    )
    exact_search_milliseconds: float = _measured(_number(INDEXES["flat"][4]), "ms", "full-size.md, table of indexes")
    index_tracks: float = _measured(MEASURED_TRACKS, "tracks", "of these three measurements: 706 MB of vectors")
    # Judging.
    baselines_seconds_per_million: float = _measured(
        seconds_of("baselines") / 19.1, "s / 1M listens", f"{OF_STEPS}, baselines: the ten cheap ones"
    )
    evaluation_seconds: float = _measured(
        seconds_of("evaluation"), "s", f"{OF_STEPS}, evaluation: 992 users, every track scored for each"
    )
    drift_seconds_per_million: float = _measured(
        48 / 19, "s / 1M listens", "docs/drift.md: 48 s for 19 million listens"
    )
    drift_memory_per_listen: float = _measured(130, "bytes / listen", "drift/week_reading.py, BYTES_PER_LISTEN")
    # Serving.
    service_memory: float = _measured(0.6e9, "bytes", "docs/serving.md: after a start, without mapped files")
    service_bytes_per_track: float = _measured(
        (4.7e9 - 0.6e9 - 8 * MEASURED_LISTENS) / MEASURED_TRACKS,
        "bytes / track",
        "docs/serving.md: 4.7 GB resident under requests, less the line above and the histories",
    )
    history_bytes_per_listen: float = _measured(
        8, "bytes / listen", "data/listens_by_user.py: 32 bits each of track and time"
    )
    lists_bytes_per_user: float = _measured(16_000, "bytes / user", "bundle/rank_known.py: 32 MB for 2,000 users")
    kept_list_milliseconds: float = _measured(1.3, "ms of CPU", "docs/serving.md, all users in turn")
    new_list_milliseconds: float = _measured(26.1, "ms of CPU", "docs/serving.md, all users in turn, at a new moment")
    # Not measured here: assumptions.
    listens_per_user: float = _measured(
        10_000, "listens", "assumed; 19,254 in the generated log, 159 in docs/results/xiami.md"
    )
    cores: float = _measured(2, "cores", "of the machine that all seconds were measured on")
    workers: float = _measured(1, "machines", "assumed: how many share the reading, cutting and training of the log")
    worker_gain: float = _measured(1.0, "", "assumed: share of the time that each further machine is worth")

    def described(self) -> list[tuple[str, float, str, str]]:
        """Name, value, unit and source of each."""
        return [(f.name, getattr(self, f.name), f.metadata["unit"], f.metadata["source"]) for f in fields(self)]
