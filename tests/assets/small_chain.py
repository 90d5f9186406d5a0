"""The chain in one process, on a log so small that it takes seconds."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any
from unittest.mock import patch

import dagster as dg
from matplotlib.figure import Figure

from loopback_assets.definitions import defs
from loopback_assets.resources import Loopback

Section = Mapping[str, Any]

ASSETS = [asset for asset in defs.assets or () if isinstance(asset, dg.AssetsDefinition)]

SMALL: dict[str, dict[str, Any]] = {
    "source": {"sample_events": 10_000, "sample_users": 60},
    "towers": {"output_dim": 16},
    "training": {"recipe": "given", "epochs": 3, "batch_size": 256, "embedding_learning_rate": 0.1, "device": "cpu"},
    "ranking": {"places": 30, "requests": 400},
    "reranking": {"method": "mmr"},
    "evaluation": {
        "resamples": 100,
        "min_users": 5,
        "baselines": ["popularity_decayed", "personal_decayed", "recent_artist", "same_artist", "ease_artists"],
    },
    "checks": {"min_evaluation_users": 5},
    "promotion": {"max_p99_ms": 60_000.0},  # a machine that is busy answers late, which is no fact about the gate
}
"""A chain that takes seconds, on a sample log from which the towers still learn more than popularity."""


def materialize_small(
    home: Path,
    select: str = "*evaluation",
    instance: dg.DagsterInstance | None = None,
    pictures: bool = False,
    **sections: Section,
) -> dg.ExecuteInProcessResult:
    """Make what is selected in this process; a run that failed is returned too.

    instance: one that outlives the run, for what was logged; it is the caller's to close. pictures: whether the plots
    are drawn; otherwise they are blank, since drawing them takes most of the time of a small evaluation.
    """
    merged = {name: {**SMALL.get(name, {}), **sections.get(name, {})} for name in {**SMALL, **sections}}
    blank = {"savefig": _save_blank, "draw_without_rendering": _no_layout}
    with (
        nullcontext() if pictures else patch.multiple(Figure, **blank),
        nullcontext(instance) if instance else dg.DagsterInstance.ephemeral() as of_run,
    ):
        return dg.materialize(
            [*ASSETS, *(defs.asset_checks or ())],
            resources={"loopback": Loopback(home=str(home), **merged)},
            selection=select,
            instance=of_run,
            raise_on_error=False,
        )


def _save_blank(_: Figure, file: Path | IO[str], **__: object) -> None:
    if isinstance(file, Path):
        file.write_bytes(b"\x89PNG")
    else:
        file.write('<svg id="figure"/>')


def _no_layout(_: Figure) -> None:
    pass
