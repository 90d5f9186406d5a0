"""What was heard of what was shown, against rates that are counted by hand."""

from datetime import timedelta

import pytest
from planted_answers import NOON, TRACKS, answer, write_interactions, write_names

from loopback_core.listens.listen_store import ListenStore
from loopback_core.listens.received import ReceivedListen
from loopback_core.served_quality.answer_log import AnswerLog
from loopback_core.served_quality.measure_served import HITS_PICTURE, measure_served, served_quality_of
from loopback_core.served_quality.served_quality_json import read_served_quality
from loopback_core.settings import Settings
from loopback_core.store.challenger_pointer import Challenge

SETTINGS = Settings(served={"horizon_days": 1.0}, evaluation={"min_users": 2, "resamples": 200})

DAY = 24 * 60


@pytest.fixture
def home(tmp_path):
    """The log of answers, the store, two bundles and the interactions of a home."""
    log, store = AnswerLog.open(tmp_path), ListenStore.open(tmp_path)
    bundles = {"b1": write_names(tmp_path / "b1"), "b2": write_names(tmp_path / "b2", (3, 2, 1, 0))}
    rows = [("ann", -60, 1), ("ann", 30, 1), ("bob", -60, 3), ("bob", 20, 3), ("bob", 2 * DAY, 2), ("eve", 4 * DAY, 0)]
    yield log, bundles, write_interactions(tmp_path / "interactions.parquet", rows), store
    log.close()
    store.close()


def receive(store, user, minutes, track):
    artist, title = TRACKS[track]
    time = NOON + timedelta(minutes=minutes)
    store.add([ReceivedListen(user, artist, f" {title} ", time)], at=time)


def value(quality, task, k, bundle=None, day=None):
    (one,) = [
        rate
        for rate in quality["rates"]
        if (rate["task"], rate["k"], rate["bundle"], rate["day"]) == (task, k, bundle, day)
    ]
    return one["value"], one["answers"]


def test_rates_by_task_depth_bundle_place_and_day_are_those_counted_by_hand(home, tmp_path):
    log, _, _, store = home
    log.add(
        [
            answer("ann", 0, [0, 1, 2]),  # y was heard before: it does not count; z is heard
            answer("ann", 5, [3]),  # a repeat
            answer("ann", 10, [3]),  # still one, of the first
            answer("ann", 11, [3]),  # a new exposure; w is never heard
            answer("ann", 1, [1, 0], "next_listen"),  # another task; y was heard before and is heard again
            answer("bob", 2, [1, 0], "next_listen", "b2"),  # in b2: z, w; w is heard, z after the horizon
            answer("bob", DAY, [1], "next_listen", "b2"),  # z is heard exactly a day later
            answer("bob", DAY - 1, [2], "discovery", "b2"),
            answer("ann", 0, [0], "next_listen", "gone"),  # begins the exposure of minute 1, by a bundle that is gone
            answer("ann", 3 * DAY + 1, [0]),  # its day has not ended when the last listen comes
            answer(None, 0, [0]),
        ]
    )
    receive(store, "ann", 40, 2)
    quality = served_quality_of(*home, SETTINGS)
    assert quality["answers"] == {
        **{"logged": 10, "anonymous": 1, "repeats": 3, "unreadable": 1, "waiting": 1, "counted": 5}
    }
    assert value(quality, "discovery", 1) == (0, 3)
    assert value(quality, "discovery", 5) == value(quality, "discovery", 10) == (1 / 3, 3)
    assert value(quality, "discovery", 10, bundle="b1") == (0.5, 2)
    assert value(quality, "discovery", 10, bundle="b2") == (0, 1)
    assert value(quality, "next_listen", 1) == (0.5, 2)
    assert value(quality, "next_listen", 5) == (1, 2)
    assert value(quality, "discovery", 10, day="2026-03-02") == (0.5, 2)
    assert value(quality, "discovery", 10, day="2026-03-03") == (0, 1)
    places = {(one["task"], one["position"]): (one["value"], one["shown"]) for one in quality["positions"]}
    assert places == {
        ("discovery", 1): (0, 3),
        ("discovery", 3): (1, 1),
        ("next_listen", 1): (0.5, 2),
        ("next_listen", 2): (1, 1),
    }
    (whole,) = [
        one
        for one in quality["rates"]
        if (one["task"], one["k"], one["bundle"], one["day"]) == ("discovery", 10, None, None)
    ]
    assert whole["low"] == 0 and whole["high"] == 0.5 and whole["users"] == 2
    assert "discovery: of 33.3% [0.0%, 50.0%] of 3 answers to 2 users" in " ".join(quality["sentences"])
    assert measure_served(*home, SETTINGS, tmp_path) == quality["answers"]
    assert read_served_quality(tmp_path) == quality and (tmp_path / HITS_PICTURE).stat().st_size > 1000


def test_with_nothing_logged_it_says_so(home):
    log, bundles, interactions, store = home
    for nothing in (None, log):
        quality = served_quality_of(nothing, bundles, interactions, store, SETTINGS)
        assert quality["sentences"] == [
            "No answer is in the log: start the service with `loopback serve --log-answers`."
        ]
        assert quality["rates"] == quality["positions"] == []


def test_what_an_erased_user_played_before_the_erasure_is_forgotten(home):
    log, _, _, store = home
    log.add([answer("ann", 0, [1])])
    store.erase("ann", NOON - timedelta(minutes=30))  # and with it that y was played an hour before
    assert value(served_quality_of(*home, SETTINGS), "discovery", 1) == (1, 1)
    log.erase("ann")
    assert served_quality_of(*home, SETTINGS)["answers"]["logged"] == 0


def test_two_bundles_are_compared_over_the_time_in_which_both_were_served(home):
    log, _, _, store = home
    test = Challenge("b2", 0.5, "salt")
    more = {"task": "next_listen", "challenge": test}
    log.add(
        [
            answer("ann", -30, [3], **more),  # before the first answer of the challenger
            answer("ann", 0, [0], **more),
            answer("cem", 0, [0], **more),
            answer("cem", 60, [1], **more),
            answer("cem", 200, [1], **more),  # after its last
            answer("bob", 0, [3], bundle="b2", **more),  # 3 of b2 is x, as 0 of b1
            answer("dan", 0, [3], bundle="b2", **more),
            answer("dan", 60, [3], bundle="b2", **more),
            answer("fay", 30, [3], "next_listen", "b2"),  # of no test
        ]
    )
    for user, minutes, track in (("bob", 10, 0), ("dan", 20, 0), ("cem", 10, 0), ("eve", 5 * DAY, 0)):
        receive(store, user, minutes, track)
    quality = served_quality_of(*home, SETTINGS)
    (split,) = quality["splits"]
    assert (split["champion"], split["challenger"], split["task"], split["k"]) == ("b1", "b2", "next_listen", 10)
    assert (split["champion_answers"], split["champion_users"], split["champion_rate"]) == (3, 2, 1 / 3)
    assert (split["challenger_answers"], split["challenger_users"], split["challenger_rate"]) == (3, 2, 2 / 3)
    # users resampled on each side: of the champion 0 (ann), 1/3, 1/2 (cem); of the challenger 1/2 (dan), 2/3, 1 (bob)
    assert split["difference"] == pytest.approx(1 / 3) and (split["low"], split["high"]) == (0, 1)
    assert "bundle b2 (2 users) against b1 (2 users), at 10: +33.3 [+0.0, +100.0] points: it cannot be told yet." in (
        " ".join(quality["sentences"])
    )
