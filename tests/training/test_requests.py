from itertools import pairwise

import numpy as np
import pytest

from loopback_core.data import Events, FitData, Histories
from loopback_core.settings import SampledSettings, TrainingSettings
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.towers.user import ANYTHING, ONLY_NEW
from loopback_core.training.requests import RequestPlan, Targets


def settings(batch_size=40, seed=0, **sampled):
    sampled = SampledSettings(**{"request_stride": 4, "target_window": 9, **sampled})
    return TrainingSettings(objective="sampled", batch_size=batch_size, seed=seed, sampled=sampled)


def pairs(batches):
    """(user, heard, intent, track) of every target."""
    return [
        (int(b.moments.row[r]), int(b.moments.place[r]), int(b.intent[r]), int(t))
        for b in batches
        for r, t in zip(b.request, b.target, strict=True)
    ]


def test_every_listen_that_follows_another_is_a_target_once_and_every_first_play_once_more(random_log):
    history = Histories.of(random_log.events, np.arange(12), random_log.now)
    found = pairs(RequestPlan(random_log, settings()).epoch(1))
    anything, new = [], []
    for user in range(12):
        tracks = history.tracks[user].tolist()
        anything += [(user, track) for track in tracks[1:]]
        first = dict.fromkeys(tracks)
        new += [(user, track) for track in first if track != tracks[0]]
    assert sorted((u, t) for u, _, intent, t in found if intent == ANYTHING) == sorted(anything)
    assert sorted((u, t) for u, _, intent, t in found if intent == ONLY_NEW) == sorted(new)


def test_where_nothing_is_repeated_a_listen_answers_one_intent():
    rng = np.random.default_rng(0)
    track = np.stack([rng.permutation(30) for _ in range(12)]).T.ravel()
    user = np.tile(np.arange(12), 30).astype(np.int32)
    events = Events(user, track.astype(np.int32), np.arange(len(user), dtype=np.int64))
    log = FitData(events, count_catalog(events, (np.arange(30) // 5).astype(np.int32)), len(user))
    found = pairs(RequestPlan(log, settings()).epoch(1))
    assert len(found) == 12 * 29
    assert len({(user, track) for user, _, _, track in found}) == 12 * 29
    assert 0.4 < np.mean([intent == ONLY_NEW for _, _, intent, _ in found]) < 0.6


def test_a_target_comes_after_its_request_and_within_the_window(random_log):
    history = Histories.of(random_log.events, np.arange(12), random_log.now)
    chosen = settings(request_stride=1)
    for user, place, intent, track in pairs(RequestPlan(random_log, chosen).epoch(3)):
        low, high = history.tracks.offsets[user : user + 2]
        assert low < place < high
        ahead = history.tracks.values[place : min(place + chosen.sampled.target_window, high)]
        assert track in ahead
        if intent == ONLY_NEW:
            assert track not in history.tracks.values[low:place]


def test_with_a_window_of_one_every_target_is_the_very_next_listen(random_log):
    history = Histories.of(random_log.events, np.arange(12), random_log.now)
    found = pairs(RequestPlan(random_log, settings(target_window=1, request_stride=1)).epoch(1))
    assert all(history.tracks.values[place] == track for _, place, _, track in found)


def test_requests_lie_a_stride_apart_and_share_their_targets(random_log):
    batches = list(RequestPlan(random_log, settings()).epoch(1))
    targets, requests = sum(len(b.target) for b in batches), sum(len(b.moments) for b in batches)
    assert targets > 2 * requests
    assert all(np.array_equal(b.request, np.sort(b.request)) for b in batches)
    assert all(set(b.request) == set(range(len(b.moments))) for b in batches)


def test_a_request_is_made_when_the_listen_after_it_begins(random_log):
    history = Histories.of(random_log.events, np.arange(12), random_log.now)
    for batch in RequestPlan(random_log, settings()).epoch(1):
        assert np.array_equal(batch.moments.now, history.timestamps[batch.moments.place])


def test_the_batches_depend_on_seed_and_epoch_alone(random_log):
    def epoch(number, **chosen):
        return pairs(RequestPlan(random_log, settings(**chosen)).epoch(number))

    assert epoch(1) == epoch(1)
    assert epoch(1) != epoch(2)
    assert epoch(1) != epoch(1, seed=1)


def test_the_epochs_of_a_long_log_are_the_parts_of_a_pass(random_log):
    whole = [pairs([step]) for step in RequestPlan(random_log, settings()).epoch(1)]
    plan = RequestPlan(random_log, settings(epoch_targets=len(RequestPlan(random_log, settings())) // 3))
    assert plan.parts == 3
    parts = [[pairs([step]) for step in plan.epoch(epoch)] for epoch in range(1, 8)]
    assert parts[0] + parts[1] + parts[2] == whole
    assert parts[3] + parts[4] + parts[5] != whole
    resumed = RequestPlan(random_log, settings(epoch_targets=len(plan)))
    assert [pairs([step]) for step in resumed.epoch(5)] == parts[4]


def test_a_step_of_a_group_sees_its_users_only_and_their_exact_shares(random_log):
    batches = list(RequestPlan(random_log, settings(users_per_group=3)).epoch(1))
    users = [frozenset(b.moments.row.tolist()) for b in batches]
    groups = {}
    for batch, of_batch in zip(batches, users, strict=True):
        groups.setdefault(id(batch.group), []).append((of_batch, batch))
    assert len(groups) == 4
    for members in groups.values():
        assert len(frozenset().union(*(of_batch for of_batch, _ in members))) == 3
        targets = np.concatenate([batch.target for _, batch in members])
        group = members[0][1].group
        assert sorted(group.all) == sorted(targets)
        assert group.share(np.arange(31)) == pytest.approx(np.bincount(targets, minlength=31) / len(targets))


def test_a_track_that_is_no_target_has_no_share():
    targets = Targets.of(np.array([4, 2, 4, 9]))
    assert targets.share(np.array([0, 2, 4, 9, 10])).tolist() == [0, 0.25, 0.5, 0.25, 0]


def test_requests_near_each_other_in_a_history_come_in_one_step_one_after_the_other(random_log):
    history = Histories.of(random_log.events, np.arange(12), random_log.now)
    span, whole, apart = 12, 0, 0
    batches = list(RequestPlan(random_log, settings(request_span=span, batch_size=200)).epoch(1))
    for batch in batches:
        heard = batch.moments.place - history.tracks.offsets[batch.moments.row]
        stretch = list(zip(batch.moments.row.tolist(), ((heard - 1) // span).tolist(), strict=True))
        runs = 1 + sum(one != other for one, other in pairwise(stretch))
        whole += runs == len(set(stretch))
        apart += runs < len(stretch)
    assert whole == apart == len(batches)


def test_a_repeat_is_a_listen_of_a_track_that_its_user_had_played_before(hand_log):
    chosen = settings(request_stride=1, target_window=1)
    found = [
        (int(b.intent[r]), int(b.moments.row[r]), int(track), bool(repeat))
        for b in RequestPlan(hand_log, chosen).epoch(1)
        for r, track, repeat in zip(b.request, b.target, b.is_repeat, strict=True)
    ]
    # User 0 plays 0, 1, 1 and user 1 plays 1, 2; what is heard first answers nothing.
    assert sorted(found) == [
        (ANYTHING, 0, 1, False),
        (ANYTHING, 0, 1, True),
        (ANYTHING, 1, 2, False),
        (ONLY_NEW, 0, 1, False),
        (ONLY_NEW, 1, 2, False),
    ]
