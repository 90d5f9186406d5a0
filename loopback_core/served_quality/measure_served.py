"""The step that joins what was shown with what was heard afterwards."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.bundle.bundle_files import read_keys, read_names
from loopback_core.listens.listen_store import ListenStore
from loopback_core.served_quality.answer_log import MICROSECONDS_PER_DAY, AnswerLog
from loopback_core.served_quality.exposures import REPEAT_MINUTES, exposures_of, shown_tracks
from loopback_core.served_quality.hit_rates import DEPTHS, positions_of, rates_of, with_depths, with_hits
from loopback_core.served_quality.listens_after import Wanted, read_listens
from loopback_core.served_quality.served_quality_json import (
    AnswerCounts,
    RateJson,
    ReplayJson,
    ServedQualityJson,
    SideBySideJson,
    write_served_quality,
)
from loopback_core.served_quality.served_quality_plot import plot_served_quality
from loopback_core.served_quality.split_users import compare_splits
from loopback_core.settings import Settings

HITS_PICTURE = "served_quality.png"

NOTHING_LOGGED = "No answer is in the log: start the service with `loopback serve --log-answers`."


def measure_served(
    log: AnswerLog | None,
    bundles: Mapping[str, Path],
    interactions: Path,
    store: ListenStore | None,
    settings: Settings,
    folder: Path,
    replayed: ReplayJson | None = None,
) -> AnswerCounts:
    """Write `served_quality.json`, and a picture where something was measured, into `folder`; returns the counts.

    log: None: nothing was ever logged. bundles: version -> folder of those that can be read. interactions: the file of
    clean listens. store: of received listens, None where there is none. replayed: a sample of the answers beside those of the
    evaluation.

    Raises:
        ListensError: the log, or the store, cannot be read.
    """
    quality = served_quality_of(log, bundles, interactions, store, settings, replayed)
    write_served_quality(quality, folder)
    if quality["rates"]:
        plot_served_quality(quality, folder / HITS_PICTURE)
    return quality["answers"]


def served_quality_of(
    log: AnswerLog | None,
    bundles: Mapping[str, Path],
    interactions: Path,
    store: ListenStore | None,
    settings: Settings,
    replayed: ReplayJson | None = None,
) -> ServedQualityJson:
    """The same as a document."""
    quality = ServedQualityJson(
        schema=1,
        sentences=[],
        horizon_days=settings.served.horizon_days,
        repeat_minutes=REPEAT_MINUTES,
        answers=AnswerCounts(logged=0, anonymous=0, repeats=0, unreadable=0, waiting=0, counted=0),
        rates=[],
        positions=[],
        splits=[],
        replayed=replayed,
    )
    if log is None:
        quality["sentences"] = [NOTHING_LOGGED]
        return quality
    answers = log.frame()
    first, repeats = exposures_of(answers)
    readable = first.filter(pl.col("bundle").is_in(list(bundles)))
    names = {version: _names(bundles[version]) for version in readable["bundle"].unique().to_list()}
    shown = shown_tracks(readable, names)
    wanted = Wanted(frozenset(shown["user"].to_list()), frozenset(shown["name"].to_list()) - {0}, log.key_of)
    listens = read_listens(interactions, store, wanted)
    horizon = int(settings.served.horizon_days * MICROSECONDS_PER_DAY)
    counted = readable.filter(pl.col("time") + horizon <= listens.until)
    quality["answers"] = AnswerCounts(
        logged=len(answers),
        anonymous=log.anonymous(),
        repeats=repeats,
        unreadable=len(first) - len(readable),
        waiting=len(readable) - len(counted),
        counted=len(counted),
    )
    hits = with_hits(shown_tracks(counted, names), listens.listens, horizon)
    depths = with_depths(counted, hits)
    quality["rates"] = rates_of(depths, settings.evaluation)
    quality["positions"] = positions_of(hits, settings.evaluation)
    quality["splits"] = compare_splits(depths, settings.evaluation)
    quality["sentences"] = _sentences(quality)
    return quality


def _names(folder: Path) -> NDArray[np.uint64]:
    """The hash of the name of each track of a bundle, (n_tracks,)."""
    return read_keys(folder)[0].tracks.hash_of_ids(len(read_names(folder)))


def _sentences(quality: ServedQualityJson) -> list[str]:
    counts = quality["answers"]
    if not counts["logged"] + counts["anonymous"]:
        return [NOTHING_LOGGED]
    parts = [
        f"{counts['logged']:,} answers to known users are in the log: {counts['counted']:,} count, {counts['repeats']:,} repeat one "
        f"of the {quality['repeat_minutes']:g} minutes before, {counts['waiting']:,} are not older than the horizon of "
        f"{quality['horizon_days']:g} days; {counts['anonymous']:,} more went to callers without a name."
    ]
    if counts["unreadable"]:
        parts.append(
            f"{counts['unreadable']:,} are by bundles that are gone or damaged, and cannot be joined with listens."
        )
    if (replayed := quality["replayed"]) is not None and replayed["overlap"] is not None:
        parts.append(
            f"{replayed['answers']:,} answers to questions without a wish were made once more as the evaluation makes them: {replayed['same']:,} are the "
            f"same, track for track, and {replayed['overlap']:.1%} of the tracks are in both."
        )
    whole = [one for one in quality["rates"] if one["k"] == DEPTHS[-1] and one["bundle"] is None and one["day"] is None]
    return [*parts, *(_in_words(one) for one in whole), *(_split_in_words(one) for one in quality["splits"])]


def _in_words(rate: RateJson) -> str:
    interval = ""
    if rate["low"] is not None and rate["high"] is not None:
        interval = f" [{rate['low']:.1%}, {rate['high']:.1%}]"
    return (
        f"{rate['task']}: of {rate['value']:.1%}{interval} of {rate['answers']:,} answers to {rate['users']:,} users, one of the "
        f"first {rate['k']} tracks was heard."
    )


def _split_in_words(split: SideBySideJson) -> str:
    low, high = split["low"], split["high"]
    interval, says = "", "too few users to tell"
    if low is not None and high is not None:
        interval = f" [{100 * low:+.1f}, {100 * high:+.1f}]"
        says = (
            "the challenger is better"
            if low > 0
            else "the challenger is worse"
            if high < 0
            else "it cannot be told yet"
        )
    return (
        f"{split['task']}: bundle {split['challenger']} ({split['challenger_users']:,} users) against {split['champion']} "
        f"({split['champion_users']:,} users), at {split['k']}: {100 * split['difference']:+.1f}{interval} points: {says}."
    )
