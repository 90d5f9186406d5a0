"""The splits: sizes, no look into the future, ids inside their catalogs."""

import numpy as np
from numpy.typing import NDArray

from loopback_core.checks.check import Verdict
from loopback_core.data import Catalog, Events
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.splits.cut import PART_NAMES
from loopback_core.store.artifacts import Artifact, ArtifactStore

FRACTIONAL = ("global", "per_user")


def split_counts(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Train, validation and test reach their minimum sizes, are near their fractions, and together are the whole log.

    What held-out users played before test belongs to none of the three and is counted separately.
    """
    splits = Splits(artifact.folder)
    counts = {"train": len(splits.train), "validation": len(splits.validation), "test": len(splits.test)}
    listens = store.upstream(artifact, "interactions").summary["kept"]
    split, checks = artifact.manifest["settings"], settings.checks
    floors = {
        "train": checks.min_train_events,
        "validation": checks.min_validation_events,
        "test": checks.min_test_events,
    }
    wrong = [
        f"{part} has {counts[part]:,} events, fewer than {floor:,}"
        for part, floor in floors.items()
        if counts[part] < floor
    ]
    held_out = splits.held_out["part"].to_numpy()
    total = sum(counts.values()) + len(held_out)
    if total != listens:
        wrong.append(f"the parts hold {total:,} events together, the log {listens:,}")
    if split["strategy"] in FRACTIONAL:
        fractions = {"validation": split["validation_fraction"], "test": split["test_fraction"]}
        fractions["train"] = 1 - sum(fractions.values())
        for part, fraction in fractions.items():
            share = (counts[part] + int(np.sum(held_out == PART_NAMES.index(part)))) / max(total, 1)
            if abs(share - fraction) > checks.split_tolerance:
                wrong.append(f"{part} is {share:.3f} of the log instead of {fraction:.3f} ± {checks.split_tolerance}")
    facts = {**counts, "held_out": len(held_out), "log": listens}
    return Verdict(not wrong, "; ".join(wrong) or "every part has the size it should have", facts)


def no_time_leakage(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """No event of a part is earlier than one of the part before: in the whole log, or within each user."""
    splits = Splits(artifact.folder)
    strategy = artifact.manifest["settings"]["strategy"]
    per_user = strategy in ("per_user", "leave_last")
    pairs = (
        ("train", splits.train, "validation", splits.validation),
        ("validation", splits.validation, "test", splits.test),
    )
    leaks = {}
    for early_name, early, late_name, late in (*pairs, ("train", splits.train, "test", splits.test)):
        n = _early_events(early, late, per_user=per_user)
        if n:
            leaks[f"{late_name} before the end of {early_name}"] = n
    sentence = "; ".join(f"{n:,} events of {what}" for what, n in leaks.items())
    facts = {"strategy": strategy, "leaked_events": sum(leaks.values()), "leaks": leaks}
    return Verdict(not leaks, sentence or "no event lies before the end of an earlier part", facts)


def _early_events(early: Events, late: Events, *, per_user: bool) -> int:
    """Events of `late` that are older than the newest of `early`, over all or by the same user."""
    if not len(early) or not len(late):
        return 0
    if not per_user:
        return int(np.sum(late.timestamp < early.timestamp.max()))
    n_users = int(max(early.user.max(), late.user.max())) + 1
    newest = np.full(n_users, np.iinfo(np.int64).min)
    np.maximum.at(newest, early.user, early.timestamp)
    return int(np.sum(late.timestamp < newest[late.user]))


def ids_in_catalog(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Every id of the fit data is in its catalog, every id of the log has a name, and the counts add up."""
    splits = Splits(artifact.folder)
    n_log = len(splits.track_names)
    wrong = []
    for phase, fit in (("tuning", splits.tuning), ("testing", splits.testing)):
        events, catalog = fit.events, fit.catalog
        if outside := _outside(events.track, catalog.n_tracks):
            wrong.append(f"{outside:,} {phase} events have a track outside the catalog")
        elif not _counted(events, catalog):
            wrong.append(f"the {phase} catalog's play counts are not those of its events")
        elif not np.array_equal(np.bincount(events.user, minlength=len(events.by_user.starts)), events.by_user.lengths):
            wrong.append(f"the lengths of the {phase} histories are not those of its events")
    unnamed_tracks = _outside(splits.test.track, n_log)
    unnamed_users = sum(
        _outside(part.user, len(splits.users)) for part in (splits.train, splits.validation, splits.test)
    )
    if unnamed_tracks or unnamed_users:
        wrong.append(f"{unnamed_tracks:,} test events have a track and {unnamed_users:,} events a user without a name")
    facts = {
        "tracks_tuning": splits.tuning.catalog.n_tracks,
        "tracks_testing": splits.testing.catalog.n_tracks,
        "tracks_log": n_log,
    }
    return Verdict(not wrong, "; ".join(wrong) or "every id is in its catalog", facts)


def _counted(events: Events, catalog: Catalog) -> bool:
    return np.array_equal(np.bincount(events.track, minlength=catalog.n_tracks), catalog.plays)


def _outside(ids: NDArray[np.int32], count: int) -> int:
    return int(np.sum((ids < 0) | (ids >= count)))
