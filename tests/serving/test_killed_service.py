"""`loopback serve` as a process of its own: killed at any moment, over a full disk."""

import http.client
import random
import resource
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from served_process import serving_processes

from loopback_core.listens.listen_store import ListenStore

NIGHT = datetime(2009, 5, 4, tzinfo=UTC)
KILLS, AT_ONCE = 10, 3


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    with serving_processes(tmp_path_factory.mktemp("logs")) as start:
        yield start


def batch(user, number, size=AT_ONCE):
    times = [NIGHT + timedelta(seconds=size * number + place) for place in range(size)]
    return {"listens": [{"user_id": user, "artist": "a", "track": "t", "time": time.isoformat()} for time in times]}


def test_no_acknowledged_listen_is_lost_by_many_kills(start, home):
    """Two clients post without pause; what the dead process had stored and not acknowledged is known when sent again."""
    rng = random.Random(3)
    acknowledged, unanswered = {"ann": 0, "bob": 0}, []
    process = start(home)

    def post_until_it_dies(user, served):
        try:
            while True:
                status, added = served.request("POST", "/v1/listens", batch(user, acknowledged[user]))
                assert (status, added["stored"] + added["known_already"]) == (200, AT_ONCE)
                acknowledged[user] += 1
        except (OSError, http.client.HTTPException):
            unanswered.append(user)

    for _ in range(KILLS):
        process.wait_until("/health/live")
        before = sum(acknowledged.values())
        clients = [threading.Thread(target=post_until_it_dies, args=(user, process)) for user in acknowledged]
        for client in clients:
            client.start()
        while sum(acknowledged.values()) < before + 4:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.2))
        process.kill()
        for client in clients:
            client.join()
        process = start(home)
    assert len(unanswered) == 2 * KILLS and sum(acknowledged.values()) >= 4 * KILLS
    process.wait_until("/health/ready")
    assert process.request("POST", "/v1/recommendations", {"user_id": "ann"})[0] == 200
    process.kill()
    with ListenStore.open(home) as store:
        store.refuse_damaged()
        for user, batches in acknowledged.items():
            found = [listen.time for listen in store.of_user(user)]
            assert len(found) - AT_ONCE * batches in (0, AT_ONCE)  # a batch is stored whole or not at all
            assert found == [NIGHT + timedelta(seconds=number) for number in range(len(found))]


def test_over_a_full_disk_nothing_is_acknowledged_and_answers_go_on(start, home):
    process = start(home).wait_until("/health/ready")
    assert process.request("POST", "/v1/listens", batch("ann", 0))[0] == 200
    _, most = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (200_000, most))
    stored, refused = 1, []
    while len(refused) < 3:
        status, body = process.request("POST", "/v1/listens", batch("ann", stored))
        assert (status, body.get("status", 200)) in ((200, 200), (507, 507)), body
        stored += status == 200
        refused += [body["detail"]] if status == 507 else []
        assert stored < 5000
    assert all("nothing of this was stored" in sentence for sentence in refused)
    assert process.request("POST", "/v1/recommendations", {"user_id": "ann"})[0] == 200
    assert process.request("POST", "/v1/recommendations", {"user_id": "user_01"})[1]["fallback"] is None
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most, most))
    assert process.request("POST", "/v1/listens", batch("ann", stored))[1]["stored"] == AT_ONCE
    process.kill()
    with ListenStore.open(home) as store:
        assert len(store.of_user("ann")) == AT_ONCE * (stored + 1)
