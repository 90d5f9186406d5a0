"""Listens that the service is sent, and users who go."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import numpy as np
import pytest
from planted_home import over, wait_until_ready

from loopback_core.listens import listen_database
from loopback_core.listens.listen_store import ListenStore
from loopback_core.serving.listener import Received, histories_of, listener_of
from loopback_core.serving.question import HeardTrack, Question


def listen(user="ann", group=0, track=5, time="2009-01-01T00:00:00Z", **more):
    names = {"artist": f"group {group} artist {track // 5}", "track": f"track {track}"}
    return {"user_id": user, **names, "time": time, **more}


def send(client, *listens):
    answer = client.post("/v1/listens", json={"listens": listens})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask(client, user, **more):
    answer = client.post("/v1/recommendations", json={"user_id": user, "k": 200, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(answer):
    return [(item["artist_name"], item["track_name"]) for item in answer["items"]]


def test_listens_are_heard_at_once_by_the_next_request_of_their_user(writing):
    assert ask(writing, "ann")["fallback"] == "popular"
    assert send(writing, listen()) == {"stored": 1, "known_already": 0, "before_erasure": 0, "unknown": []}
    first = ask(writing, "ann")
    assert first["fallback"] is None and first["items"][0]["artist_name"] == "group 0 artist 1"
    assert ("group 0 artist 1", "track 5") not in names(first)
    send(writing, listen(group=3, track=40, time="2009-01-02T00:00:00Z"))
    assert ("group 3 artist 8", "track 40") not in names(ask(writing, "ann"))
    assert ask(writing, "bob")["fallback"] == "popular"


def test_listens_of_a_user_of_the_log_are_added_to_their_history(writing):
    before = names(ask(writing, "user_05"))
    assert ("group 2 artist 0", "track 0") in before
    send(writing, listen("user_05", 2, 0))
    assert set(before) - set(names(ask(writing, "user_05"))) == {("group 2 artist 0", "track 0")}


def test_a_listen_that_is_sent_again_in_any_spelling_is_known_already(writing):
    sent = [listen("ann lee"), listen("ann lee", track=6)]
    assert send(writing, *sent)["stored"] == 2
    again = {**listen(user=" ann lee\t"), "artist": " group 0 artist 1 ", "time": "2009-01-01T01:00:00+01:00"}
    assert send(writing, *sent, again) == {"stored": 0, "known_already": 3, "before_erasure": 0, "unknown": []}


def test_listens_to_tracks_that_the_bundle_does_not_know_are_stored_and_named(writing):
    new = listen("cleo") | {"track": "A song of next year"}
    stranger = listen("cleo") | {"artist": "Nobody yet", "track": "A song of next year"}
    assert send(writing, listen("cleo"), new, stranger) == {
        "stored": 3,
        "known_already": 0,
        "before_erasure": 0,
        "unknown": [
            {"artist": "group 0 artist 1", "track": "A song of next year", "counted_by_artist": True},
            {"artist": "Nobody yet", "track": "A song of next year", "counted_by_artist": False},
        ],
    }


def test_a_user_has_one_history_in_every_spelling_of_their_id(writing):
    send(writing, listen("Bjo\u0308rk"))
    assert ask(writing, " Bj\u00f6rk")["fallback"] is None
    assert writing.delete("/v1/users/Bj%C3%B6rk%20").json() == {"listens": 1, "in_bundle": False}


def test_all_or_none_of_the_listens_are_stored(client, home):
    answer = client.post("/v1/listens", json={"listens": [listen(), listen(time="soon")]})
    assert (answer.status_code, answer.json()["field"]) == (422, "listens.1.time")
    with ListenStore.open(home) as store:
        assert store.version() == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"user_id": " "}, "user_id"),
        ({"artist": ""}, "artist"),
        ({"artist": " \t"}, "artist"),
        ({"track": "\u2003"}, "track"),
        ({"track": "a\0b"}, "track"),
        ({"track": "x" * 1001}, "track"),
        ({"time": "2200-01-01"}, "time"),
        ({"time": (datetime.now(UTC) + timedelta(days=3)).isoformat()}, "time"),
        ({"track_mbid": "x" * 101}, "track_mbid"),
        ({"album": "x"}, "album"),
    ],
)
def test_a_listen_that_cannot_be_kept_is_named(reading, change, field):
    answer = reading.post("/v1/listens", json={"listens": [listen(), {**listen(), **change}]})
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["field"]) == (422, f"listens.1.{field}")


def test_the_number_of_listens_of_a_request_is_bounded(reading):
    for listens in ([], [listen()] * 1001):
        answer = reading.post("/v1/listens", json={"listens": listens})
        assert (answer.status_code, answer.json()["field"]) == (422, "listens")


def test_a_user_who_goes_is_not_answered_from_the_bundle_any_more(writing):
    send(writing, listen("user_09", 2, 0))
    assert ask(writing, "user_09")["fallback"] is None
    assert writing.delete("/v1/users/user_09").json() == {"listens": 1, "in_bundle": True}
    assert ask(writing, "user_09") | {"milliseconds": 0} == ask(writing, "nobody") | {"milliseconds": 0}
    assert writing.delete("/v1/users/user_09").json() == {"listens": 0, "in_bundle": True}
    assert writing.delete("/v1/users/never%20seen").json() == {"listens": 0, "in_bundle": False}


def test_after_an_erasure_earlier_listens_stay_away_and_later_ones_count(writing):
    writing.delete("/v1/users/user_13")
    assert send(writing, listen("user_13")) == {"stored": 0, "known_already": 0, "before_erasure": 1, "unknown": []}
    assert ask(writing, "user_13")["fallback"] == "popular"
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert send(writing, listen("user_13", 2, 0, later))["stored"] == 1
    answer = ask(writing, "user_13")
    assert answer["fallback"] is None
    assert sum(artist.startswith("group 1 ") for artist, _ in names(answer)) == 50  # nothing of the log is known


@pytest.mark.parametrize("user", ["a/b", "../../users", "/", "a?b#c", "100%", "an\u202en", "user_01/", "a\nb\r\n"])
def test_a_user_of_any_id_can_go(writing, user):
    assert send(writing, listen(user))["stored"] == 1
    assert writing.delete("/v1/users/" + quote(user, safe="")).json()["listens"] == 1


@pytest.mark.parametrize("user", ["%00", "%20", "a" * 201])
def test_an_id_that_no_user_can_have_is_refused(reading, user):
    assert reading.delete(f"/v1/users/{user}").status_code == 422


def test_a_listen_that_one_process_stores_is_heard_by_another(client, home):
    with over(home) as other:
        wait_until_ready(other)
        assert ask(other, "ann")["fallback"] == "popular"
        send(client, listen())
        assert ask(other, "ann")["fallback"] is None
        other.delete("/v1/users/ann")
        assert ask(client, "ann")["fallback"] == "popular"


def test_another_program_that_locks_the_listens_holds_up_no_answer(home, monkeypatch):
    monkeypatch.setattr(listen_database, "WAIT_SECONDS", 0.3)
    path = home / "listens" / "listens.sqlite"
    with over(home) as client, ThreadPoolExecutor() as pool:
        wait_until_ready(client)
        with sqlite3.connect(path, isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            refused = [
                pool.submit(client.post, "/v1/listens", json={"listens": [listen(f"user {n}")]}) for n in range(3)
            ]
            assert [ask(client, f"user_{n:02d}")["fallback"] for n in range(5)] == [None] * 5
            assert not refused[-1].done()
            assert [one.result().status_code for one in refused] == [507] * 3
            assert "locked by another program" in refused[0].result().json()["detail"]
            other.execute("ROLLBACK")
        assert send(client, listen())["stored"] == 1


def test_listens_that_are_damaged_are_a_problem_and_other_requests_are_answered(client, home):
    send(client, *(listen(f"user {n}" * 20) for n in range(200)))
    path = home / "listens" / "listens.sqlite"
    sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    answer = client.post("/v1/listens", json={"listens": [listen()]})
    assert answer.status_code == 507 and "put a backup in its place" in answer.json()["detail"]
    assert client.post("/v1/recommendations", json={"history": [{"artist": "group 0 artist 1"}]}).status_code == 200


# The listener, without the protocol


def seconds(year):
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp())


def test_a_listen_that_two_sources_hold_counts_once(reading_bundle):
    heard = HeardTrack("group 0 artist 1", "track 5", time=seconds(2009))
    listener = listener_of(reading_bundle, Question(history=(heard, heard)), Received((heard,)))
    assert listener.times.tolist() == [seconds(2009)]
    other = replace(heard, track="track 6")
    assert len(listener_of(reading_bundle, Question(history=(heard, other)), Received()).ids) == 2


def test_a_known_user_has_the_profile_of_the_log_and_an_erased_or_unknown_one_has_none(reading_bundle):
    profiles = np.arange(180, dtype=np.int16).reshape(60, 3)
    served = replace(reading_bundle, demographics=profiles)
    users = [
        (Question("user_07"), Received()),
        (Question("user_07"), Received((), seconds(2009))),
        (Question("nobody"), Received()),
        (Question(history=(HeardTrack("group 0 artist 1"),)), Received()),
    ]
    histories = histories_of(served, [listener_of(served, *one) for one in users])
    known = int(served.users.find(["user_07"])[0])
    assert histories.demographics.tolist() == [profiles[known].tolist(), [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert histories.demographics.dtype == np.int16
