"""A run whose home all processes of the tests share: it is made by the first that asks."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import dagster as dg
from filelock import FileLock


@dataclass(frozen=True)
class Run:
    """What is asked of a run of another process, named as :class:`dagster.ExecuteInProcessResult` names it."""

    success: bool
    all_events: Sequence[dg.DagsterEvent]

    def get_asset_materialization_events(self) -> list[dg.DagsterEvent]:
        return [event for event in self.all_events if event.is_step_materialization]

    def get_asset_check_evaluations(self) -> list[dg.AssetCheckEvaluation]:
        data = (event.event_specific_data for event in self.all_events)
        return [cast(dg.AssetCheckEvaluation, one) for one in data if isinstance(one, dg.AssetCheckEvaluation)]


def made_once(folder: Path, make: Callable[[Path], dg.ExecuteInProcessResult]) -> tuple[Path, Run]:
    """The home in `folder` and the run that made it: `make(home)`, unless another process has called it."""
    home, told = folder / "home", folder / "run.json"
    with FileLock(f"{folder}.lock"):
        if not told.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one that failed
            folder.mkdir()
            result = make(home)
            told.write_text(dg.serialize_value([result.success, list(result.all_events)]), "utf-8")
    success, events = cast(tuple[bool, list[dg.DagsterEvent]], dg.deserialize_value(told.read_text("utf-8")))
    return home, Run(success, events)
