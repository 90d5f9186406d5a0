"""Logged answers beside what the evaluation makes of the same histories."""

import time
from contextlib import closing
from datetime import UTC, datetime

import polars as pl
import pytest
from planted_home import over, wait_until, wait_until_ready

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.listens.listen_store import ListenStore
from loopback_core.served_quality.answer_log import AnswerLog, LoggedAnswer
from loopback_core.serving import answer_writer
from loopback_core.serving.replaying import replay
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.block_list import add_block, ever_blocked, remove_block
from loopback_core.store.served_pointer import served_bundle

USERS = [f"user_{number:02d}" for number in range(12)]


@pytest.fixture
def logged(home, monkeypatch):
    """A client of a service that logs what it answers."""
    monkeypatch.setattr(answer_writer, "SECONDS_BETWEEN_WRITES", 0.01)
    with over(home, keep_answers_days=90.0) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture
def interactions(tmp_path):
    path = tmp_path / "interactions.parquet"
    pl.DataFrame({"user_id": USERS}).write_parquet(path)
    return path


def ask(client, user, **more):
    answered = client.post("/v1/recommendations", json={"user_id": user, "k": 10, **more})
    assert answered.status_code == 200
    return answered.json()["items"]


def replayed(home, interactions):
    bundle = served_bundle(ArtifactStore(home))
    with closing(AnswerLog.open(home)) as log, closing(ListenStore.open(home)) as store:
        return replay(log, {bundle.version: bundle.folder}, interactions, store, ever_blocked(ArtifactStore(home)), 0)


def wait_for(home, count):
    with closing(AnswerLog.open(home)) as log:
        wait_until(lambda: len(log.frame()) == count)


def test_every_answer_without_a_wish_is_that_of_the_evaluation(home, interactions, logged):
    for user in USERS:
        ask(logged, user)
        ask(logged, user, task="next_listen", k=7)
    heard = ask(logged, USERS[0])[0]
    listen = {"user_id": USERS[0], "artist": heard["artist_name"], "track": heard["track_name"]}
    posted = logged.post("/v1/listens", json={"listens": [{**listen, "time": "2026-11-01T08:00:00Z"}]})
    assert posted.json()["stored"] == 1
    assert heard["track"] not in [item["track"] for item in ask(logged, USERS[0])]  # what was played since counts
    for wish in (
        {"diversity": 0.9},
        {"exclude": {"tracks": [heard["track"]]}},
        {"at": "2027-01-01T00:00:00Z"},
        {"rank": False},
    ):
        ask(logged, USERS[1], **wish)
    ask(logged, "somebody new")
    wait_for(home, 31)
    assert replayed(home, interactions) == {"answers": 26, "same": 26, "overlap": 1.0}


def test_what_is_blocked_since_is_not_missed_and_what_was_blocked_before_is_not_expected(home, interactions, logged):
    first = ask(logged, USERS[3])
    wait_for(home, 1)
    time.sleep(1.1)  # blocks are dated by the second
    add_block(ArtifactStore(home), first[0]["artist_name"], first[0]["track_name"], "asked to")
    time.sleep(2.5)  # until the service has read it
    shown = [item["track"] for item in ask(logged, USERS[3])]
    assert shown[:9] == [item["track"] for item in first[1:]]
    wait_for(home, 2)
    time.sleep(1.1)
    remove_block(ArtifactStore(home), first[0]["artist_name"], first[0]["track_name"])
    assert replayed(home, interactions) == {"answers": 2, "same": 2, "overlap": 1.0}


def test_an_answer_that_the_evaluation_would_not_give_is_noticed(home, interactions, logged):
    shown = [item["track"] for item in ask(logged, USERS[2])]
    wait_for(home, 1)
    bundle = served_bundle(ArtifactStore(home))
    now = int(datetime.now(UTC).timestamp() * 1e6)
    with closing(AnswerLog.open(home)) as log:
        log.add([LoggedAnswer(now, "discovery", bundle.version, USERS[2], 10, shown[::-1], is_plain=True)])
        others = [track for track in range(200) if track not in shown][:10]
        log.add([LoggedAnswer(now, "discovery", bundle.version, USERS[2], 10, others, is_plain=True)])
        log.add([LoggedAnswer(now, "discovery", "gone", USERS[2], 10, others, is_plain=True)])
    assert replayed(home, interactions) == {"answers": 3, "same": 1, "overlap": pytest.approx(2 / 3)}
    assert len(ServedBundle.load(bundle.folder).names) == 200


def test_with_nothing_to_replay_there_is_no_share(home, interactions):
    assert replayed(home, interactions) == {"answers": 0, "same": 0, "overlap": None}
