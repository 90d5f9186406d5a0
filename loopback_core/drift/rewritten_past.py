"""Whether the past of a log is still what it was: the listens of the log of the bundle in service, looked for in today's."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.drift.drift_json import PastJson
from loopback_core.runtime.capacity import need_memory

BYTES_PER_LISTEN_OF_BOTH = 60
"""Peak memory, by benchmarks/drift.py."""

ASKED_WHERE_THEY_ARE = 10_000
"""Missing listens that are looked for under another time, user or name."""

Hashes = NDArray[np.uint64]

COLUMNS_OF_LISTEN = ("user", "second", "artist", "track")

NOT_COMPARED: PastJson = {
    "compared": False,
    "sentence": "",
    "champion_listens": 0,
    "today_listens": 0,
    "kept": None,
    "known": None,
    "users_gone": 0,
    "artists_gone": 0,
    "moved_hours": None,
    "moved": None,
    "other_users": None,
    "other_names": None,
    "alarm": False,
}


def not_compared(sentence: str) -> PastJson:
    """What is said where there is nothing to compare with."""
    return {**NOT_COMPARED, "sentence": sentence}


def rewritten_past(today: Path, champion: Path, since: int, least_same: float, erased: pl.Series) -> PastJson:
    """Compare two folders with `interactions.parquet` from the moment from which there are both logs to the second `since`.

    A listen is who, when, artist and title. least_same: the smallest share of either log that the other must have. erased:
    ids of users who were erased on purpose; nothing of them counts, on either side.

    Raises:
        RoomError: the logs are too long for the memory.
    """
    logs = [_log(folder, erased) for folder in (today, champion)]
    begins = [log.select(pl.col("second").min()).collect(engine="streaming").item() for log in logs]
    if None in begins:
        return not_compared("A log has no listens of users who were not erased, so that no past can be compared.")
    new, old = (log.filter(pl.col("second").is_between(max(begins), since)) for log in logs)
    rows = sum(log.select(pl.len()).collect(engine="streaming").item() for log in (new, old))
    if not rows:
        return not_compared("The log and that of the bundle in service have no time in common.")
    need_memory(
        BYTES_PER_LISTEN_OF_BOTH * rows, f"Comparing the past of two logs, {rows:,} listens", "bring a shorter log"
    )
    of_new, of_old = (_keys(log) for log in (new, old))
    is_kept, is_known = _among(of_old, of_new), _among(of_new, of_old)
    kept, known = (float(same.mean()) if len(same) else 1.0 for same in (is_kept, is_known))
    missing = of_old[~is_kept]
    compared: PastJson = {
        **NOT_COMPARED,
        "compared": True,
        "champion_listens": len(of_old),
        "today_listens": len(of_new),
        "kept": kept,
        "known": known,
        **(_where_they_are(new, old, missing) if len(missing) else {}),  # type: ignore[typeddict-item]
        "alarm": min(kept, known) < least_same,
    }
    return {**compared, "sentence": _sentence(compared)}


def _log(folder: Path, erased: pl.Series) -> pl.LazyFrame:
    """COLUMNS_OF_LISTEN of every listen, names as hashes."""
    listens = pl.scan_parquet(folder / "interactions.parquet", glob=False)
    if len(erased):
        listens = listens.filter(~pl.col("user_id").is_in(erased.implode()))
    return listens.select(
        user=pl.col("user_id").hash(3),
        second=pl.col("timestamp").dt.epoch("s"),
        artist=pl.col("artist_name").hash(1),
        track=pl.col("track_name").hash(2),
    )


def _key() -> pl.Expr:
    return pl.col("user") ^ pl.col("second").hash(4) ^ pl.col("artist") ^ pl.col("track")


def _keys(log: pl.LazyFrame) -> Hashes:
    """The distinct listens of a log as ascending numbers."""
    return log.select(key=_key()).collect(engine="streaming")["key"].unique().sort().to_numpy()


def _among(these: Hashes, those: Hashes) -> NDArray[np.bool_]:
    """(len(these),) which of these are among those, both ascending and distinct."""
    if not len(those):
        return np.zeros(len(these), np.bool_)
    place = np.minimum(np.searchsorted(those, these), len(those) - 1)
    return np.asarray(those[place] == these)


def _gone(new: pl.LazyFrame, old: pl.LazyFrame) -> dict[str, int]:
    """How many users and artists of the old log the new one does not know at all in this time."""
    return {
        f"{who}s_gone": int(
            old.select(who)
            .unique()
            .join(new.select(who).unique(), on=who, how="anti")
            .select(pl.len())
            .collect()
            .item()
        )
        for who in ("user", "artist")
    }


def _where_they_are(new: pl.LazyFrame, old: pl.LazyFrame, missing: Hashes) -> dict[str, float]:
    """Who is gone, and under what else some missing listens are found: another time, another user, other names."""
    asked = pl.Series(missing[:: -(-len(missing) // ASKED_WHERE_THEY_ARE)])
    lost = old.filter(_key().is_in(asked.implode())).unique().collect(engine="streaming")

    def found(*by: str) -> pl.DataFrame:
        return lost.lazy().join(new, on=by, suffix="_now").collect(engine="streaming")

    same_play = found("user", "artist", "track")
    shifts = (
        same_play.select(*COLUMNS_OF_LISTEN, shift=pl.col("second_now") - pl.col("second"))
        .unique()["shift"]
        .value_counts()
    )
    shifts = shifts.sort("count", "shift", descending=[True, False])
    shares = {
        name: found(*by).select(COLUMNS_OF_LISTEN).unique().height / lost.height
        for name, by in (("other_users", ("second", "artist", "track")), ("other_names", ("user", "second")))
    }
    shift, count = shifts.row(0) if len(shifts) else (0, 0)
    return {**_gone(new, old), "moved_hours": shift / 3600, "moved": count / lost.height, **shares}


def _sentence(past: PastJson) -> str:
    said = (
        f"Today's log still has {past['kept']:.1%} of the {past['champion_listens']:,} listens of the log of the bundle in service, "
        f"and {past['known']:.1%} of its own {past['today_listens']:,} from that time were there already"
    )
    if past["moved"] is None:
        return f"{said}."
    causes = {
        f"{past['moved']:.0%} of the missing ones are found {past['moved_hours']:+g} hours away: look at the time zone": past[
            "moved"
        ],
        f"at the time of {past['other_users']:.0%} of the missing ones another user has the same: look at the ids of users": past[
            "other_users"
        ],
        f"at the time of {past['other_names']:.0%} of the missing ones their user has another artist or title: look at names": past[
            "other_names"
        ],
    }
    cause, share = max(causes.items(), key=lambda one: one[1] or 0)
    gone = ", ".join(
        f"{past[key]:,} {key.removesuffix('_gone')} are gone entirely"
        for key in ("users_gone", "artists_gone")
        if past[key]
    )
    return f"{said}{'; ' * bool(gone)}{gone}{f'; {cause}' if (share or 0) > 0.5 else ''}."
