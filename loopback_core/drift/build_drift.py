"""The step that compares a new bundle and its log with what is in service."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import polars as pl

from loopback_core.bundle.bundle_files import KNOWN, KnownJson, read_json
from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.drift.data_drift import NOBODY, data_drift
from loopback_core.drift.drift_json import ComparisonJson, DriftJson, drift_alarms, model_alarms, write_drift
from loopback_core.drift.drift_plot import plot_drift
from loopback_core.drift.model_drift import model_drift
from loopback_core.drift.model_limits import MOST_COMPARISONS
from loopback_core.drift.week_reading import WEEK
from loopback_core.settings import DriftSettings


@dataclass(frozen=True)
class Side:
    """A bundle and the log that it was made from."""

    version: str
    bundle: Path
    interactions: Path | None  # None: it is gone


class DriftSummary(TypedDict):
    """The summary of the artifact."""

    champion: str | None
    data_alarms: int
    model_alarms: int


def build_drift(
    challenger: Side,
    champion: Side | None,
    settings: DriftSettings,
    folder: Path,
    erased: pl.Series = NOBODY,
    past: Sequence[ComparisonJson] = (),
) -> DriftSummary:
    """Write drift.json, and the pictures where weeks could be compared, into `folder`.

    champion: what is in service; None: nothing, or the challenger itself. erased: ids of users who were erased on purpose.
    past: earlier comparisons, the oldest first; what is kept of them is written too, since their artifacts may be deleted.
    """
    assert challenger.interactions is not None
    known: KnownJson = read_json(challenger.bundle / KNOWN)
    since = read_json(champion.bundle / KNOWN)["last_listen"] if champion else known["last_listen"] - WEEK
    log = champion.interactions if champion else None
    data = data_drift(challenger.interactions, log, since, settings, erased, known["own_moments"])
    models = None
    if champion:
        served, new = ServedBundle.load(champion.bundle), ServedBundle.load(challenger.bundle)
        models = model_drift(served, new, settings, [one["figures"] for one in past])
    drift: DriftJson = {
        "schema": 1,
        "champion": champion.version if champion else None,
        "challenger": challenger.version,
        "since": since,
        "data": data,
        "models": models,
        "past": list(past[-MOST_COMPARISONS:]),
    }
    write_drift(drift, folder)
    if data["weeks"]["series"]:
        plot_drift(data["weeks"], folder)
    return {
        "champion": drift["champion"],
        "data_alarms": len(drift_alarms(drift)),
        "model_alarms": len(model_alarms(drift)),
    }
