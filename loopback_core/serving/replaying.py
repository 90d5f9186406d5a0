"""Logged answers made once more by the path of the evaluation: is what the service shows what is measured?

(Training/serving skew, check Monitor 3 of Breck et al. 2017.) The service reads one history at a time, keeps what it read, and answers
most requests from lists that were made earlier; the evaluation and the gate read many histories at once and rank them anew.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import NOTHING, Ids, Ragged
from loopback_core.listens.listen_store import ListenStore
from loopback_core.listens.received import KeptListen, microseconds
from loopback_core.reranking.reranker import LONGEST
from loopback_core.served_quality.answer_log import LONGEST_KEPT, AnswerLog
from loopback_core.served_quality.measure_served import measure_served
from loopback_core.served_quality.served_quality_json import AnswerCounts, ReplayJson
from loopback_core.serving.blocked_tracks import BlockedTracks
from loopback_core.serving.listener import ListenerHistory, Received, histories_of, listener_of
from loopback_core.serving.question import HeardTrack, Question
from loopback_core.settings import Settings
from loopback_core.store.block_list import BlockList

REPLAYED = 200
"""Answers, at most: some seconds."""


def measure_answers(
    log: AnswerLog | None,
    bundles: Mapping[str, Path],
    interactions: Path,
    store: ListenStore | None,
    blocks: BlockList,
    settings: Settings,
    folder: Path,
) -> AnswerCounts:
    """As :func:`loopback_core.served_quality.measure_served.measure_served`, with a replay. blocks: what is never recommended."""
    replayed = None
    if log is not None:
        replayed = replay(log, bundles, interactions, store, blocks, settings.evaluation.seed)
    return measure_served(log, bundles, interactions, store, settings, folder, replayed)


def replay(
    log: AnswerLog,
    bundles: Mapping[str, Path],
    interactions: Path,
    store: ListenStore | None,
    blocks: BlockList,
    seed: int,
) -> ReplayJson:
    """Compare a sample of the logged answers with what the evaluation would have measured for the same histories.

    Replayed are answers to questions without a wish, by bundles that can be read, to users whose listens are still known. Histories
    hold what the service had received by then. Left out are lists of somebody of whom nothing was known.

    Args:
        log: of the answers.
        bundles: version -> folder of those that can be read.
        interactions: the file of clean listens, by which numbers of users are told.
        store: of received listens, None where there is none.
        blocks: all that was ever blocked, since when and until when.
        seed: of the sample.

    Raises:
        ListensError: the log, or the store, cannot be read.
    """
    names = _names_of_users(log, interactions, store)
    can_be = pl.col("plain") & pl.col("bundle").is_in(list(bundles)) & pl.col("user").is_in(list(names))
    answers = log.frame().filter(can_be)
    sample = answers.sample(min(REPLAYED, len(answers)), seed=seed)
    replayed = same = 0
    shares: list[float] = []
    for (version, task), of_bundle in sample.group_by("bundle", "task", maintain_order=True):
        served = ServedBundle.load(bundles[str(version)])
        rows = of_bundle.rows(named=True)
        listeners = [_listener(served, names[row["user"]], row["time"], store) for row in rows]
        blocked = [_blocked(served, blocks, row["time"]) for row in rows]
        known = [place for place, one in enumerate(listeners) if one.is_known]
        lists = _lists(served, str(task), [listeners[place] for place in known])
        for place, tracks in zip(known, lists, strict=True):
            shown = np.array(rows[place]["tracks"], np.int64)
            expected = tracks[blocked[place].allows(tracks)][: len(shown)]
            replayed += 1
            same += np.array_equal(shown, expected)
            shares.append(float(np.isin(expected, shown).mean()) if len(expected) else float(not len(shown)))
    return ReplayJson(answers=replayed, same=same, overlap=float(np.mean(shares)) if shares else None)


def _names_of_users(log: AnswerLog, interactions: Path, store: ListenStore | None) -> dict[int, str]:
    """The number of a user in the log -> the user."""
    users = pl.scan_parquet(interactions, glob=False).select("user_id").unique().collect()["user_id"].to_list()
    if store is not None:
        users += [user for block in store.rows(store.version()) for user in {row[1] for row in block}]
    return {log.key_of(user): user for user in users}


def _listener(served: ServedBundle, user: str, at: int, store: ListenStore | None) -> ListenerHistory:
    """What was known of a user at a moment, in microseconds."""
    received = Received()
    if store is not None:
        heard = tuple(_heard(one) for one in store.of_user(user) if microseconds(one.received_at) <= at)
        erased = store.erased_at(user)
        is_erased = erased is not None and microseconds(erased) <= at
        received = Received(heard, int(erased.timestamp()) if erased is not None and is_erased else None)
    return listener_of(served, Question(user), received)


def _heard(one: KeptListen) -> HeardTrack:
    seconds = int(one.time.timestamp())
    return HeardTrack(one.artist, one.track, one.artist_mbid or "", one.track_mbid or "", seconds)


def _blocked(served: ServedBundle, blocks: BlockList, at: int) -> BlockedTracks:
    moment = np.datetime_as_string(np.datetime64(at, "us").astype("datetime64[s]")) + "Z"
    then = (one for one in blocks if one.since <= moment and (one.until is None or moment < one.until))
    return BlockedTracks.of(served, tuple(then))


def _lists(served: ServedBundle, task: str, listeners: list[ListenerHistory]) -> list[Ids]:
    """The list of each, best first, as long as any that is logged, made for all of them together."""
    if not listeners:
        return []
    bundle, histories = served.bundle, histories_of(served, listeners)
    exclude = None
    if task == "discovery":
        played = [one.tracks for one in listeners]
        offsets = np.cumsum([0, *map(len, played)])
        exclude = Ragged(offsets, np.concatenate(played))
    k = min(LONGEST if bundle.rerank else LONGEST_KEPT, len(bundle.vectors))
    best = bundle.recommender(task).recommend(histories, k, exclude)
    shown = bundle.shown(task, best, histories).tracks
    return [row[row != NOTHING] for row in shown]
