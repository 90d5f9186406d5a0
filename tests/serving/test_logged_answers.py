"""The service logs what it answered, where it is told to, and no request waits for the log."""

import sqlite3
import time
from contextlib import closing
from threading import Event

import pytest
from planted_home import over, wait_until, wait_until_ready

from loopback_core.errors import ListensError
from loopback_core.served_quality.answer_log import AnswerLog, LoggedAnswer
from loopback_core.serving import answer_writer
from loopback_core.serving.answer_writer import AnswerWriter, LogCounts
from loopback_core.serving.api.app import from_environment


@pytest.fixture(autouse=True)
def writes_often(monkeypatch):
    monkeypatch.setattr(answer_writer, "SECONDS_BETWEEN_WRITES", 0.01)


@pytest.fixture
def logging_client(home):
    with over(home, keep_answers_days=90.0) as client:
        wait_until_ready(client)
        yield client


def metric(client, name):
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[-1])


def ask(client, **question):
    answer = client.post("/v1/recommendations", json=question)
    assert answer.status_code == 200
    return answer.json()


def test_what_was_shown_is_in_the_log_and_a_user_who_goes_is_not(home, logging_client):
    began = time.time()
    first = ask(logging_client, user_id=" user_01 ", k=5)
    both = logging_client.post(
        "/v1/recommendations:batch", json={"requests": [{"user_id": "user_02", "task": "next_listen"}, {"k": 3}]}
    ).json()["answers"]
    wait_until(lambda: metric(logging_client, "loopback_answers_logged_total") == 3)
    with closing(AnswerLog.open(home)) as log:
        one, two = log.frame().rows(named=True)
        assert one["tracks"] == [item["track"] for item in first["items"]] and len(one["tracks"]) == 5
        assert (one["user"], one["task"], one["bundle"]) == (log.key_of("user_01"), "discovery", first["bundle"])
        assert began <= one["time"] / 1e6 <= time.time()
        assert two["tracks"] == [item["track"] for item in both[0]["items"]] and two["task"] == "next_listen"
        assert log.anonymous() == 1
        assert logging_client.delete("/v1/users/user_01").status_code == 200
        assert log.frame()["user"].to_list() == [log.key_of("user_02")]


def test_without_the_switch_nothing_is_logged_and_an_earlier_log_still_forgets_users(home, client):
    ask(client, user_id="user_01")
    assert AnswerLog.existing(home) is None
    with closing(AnswerLog.open(home)) as log:
        log.add([LoggedAnswer(time.time_ns() // 1000 - 10**6, "discovery", "b", "user_01", 1, (1,))])
        assert client.delete("/v1/users/user_01").status_code == 200
        assert log.frame().is_empty()


def test_over_a_full_disk_requests_go_on_and_what_is_lost_is_counted_and_said_once(
    home, logging_client, monkeypatch, caplog
):
    def full(*_):
        raise ListensError("The disk of listens is full.")

    monkeypatch.setattr(AnswerLog, "add", full)
    for number in range(20):
        ask(logging_client, user_id=f"user_{number:02d}", k=1)
        time.sleep(0.02)
    wait_until(lambda: metric(logging_client, "loopback_answers_not_logged_total") == 20)
    assert sum("answers are not logged" in record.getMessage() for record in caplog.records) == 1
    monkeypatch.undo()
    ask(logging_client, user_id="user_01")
    wait_until(lambda: metric(logging_client, "loopback_answers_logged_total") == 1)


def test_a_file_without_room_is_a_full_disk_and_what_it_held_stays(tmp_path):
    log = AnswerLog.open(tmp_path)
    log.add([LoggedAnswer(1, "discovery", "b", "ann", 1, (1,))])
    with log._file.reading() as connection:
        connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(ListensError, match="is full: nothing of this was stored"):
        log.add([LoggedAnswer(2, "discovery", "b", f"user {number}", 100, range(100)) for number in range(500)])
    assert log.frame()["time"].to_list() == [1]
    log.close()


def test_a_full_queue_loses_answers_and_holds_up_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(answer_writer, "MOST_WAITING", 5)
    monkeypatch.setattr(answer_writer, "SECONDS_BETWEEN_WRITES", 60)
    writer = AnswerWriter(AnswerLog.open(tmp_path), 90)
    writer.put(LoggedAnswer(time.time_ns() // 1000, "discovery", "b", "ann", 1, (number,)) for number in range(12))
    assert writer.counts == LogCounts(0, 7)
    writer.close()  # what waits is written
    assert writer.counts == LogCounts(5, 7)
    with closing(AnswerLog.open(tmp_path)) as log:
        assert log.frame()["tracks"].to_list() == [[0], [1], [2], [3], [4]]


def test_a_slow_disk_holds_up_no_request(home, logging_client, monkeypatch):
    go_on = Event()
    monkeypatch.setattr(AnswerLog, "add", lambda *_: go_on.wait(20))
    ask(logging_client, user_id="user_01")
    time.sleep(0.1)  # the writer waits now
    for _ in range(5):
        ask(logging_client, user_id="user_01")
    assert metric(logging_client, "loopback_answers_logged_total") == 0
    go_on.set()
    wait_until(lambda: metric(logging_client, "loopback_answers_logged_total") == 6)


def test_old_answers_are_deleted_by_the_service(home):
    with closing(AnswerLog.open(home)) as log:
        now = time.time_ns() // 1000
        log.add([LoggedAnswer(now - 3 * 86_400 * 10**6, "discovery", "b", "ann", 1, (1,))])
        log.add([LoggedAnswer(now - 86_400 * 10**6, "discovery", "b", "ann", 1, (2,))])
        with over(home, keep_answers_days=2.0):
            wait_until(lambda: log.frame()["tracks"].to_list() == [[2]])


def test_a_worker_reads_from_its_environment_whether_and_how_long(home, monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr("loopback_core.serving.api.app.create_app", lambda options: made.append(options))
    monkeypatch.setenv("LOOPBACK_HOME", str(home))
    (tmp_path / "settings.toml").write_text("[served]\nkeep_days = 7.0\n")
    monkeypatch.setenv("LOOPBACK_CONFIG", str(tmp_path / "settings.toml"))
    from_environment()
    monkeypatch.setenv("LOOPBACK_LOG_ANSWERS", "1")
    from_environment()
    assert [options.keep_answers_days for options in made] == [None, 7.0]


def test_the_log_is_read_by_any_sqlite(home, logging_client):
    ask(logging_client, user_id="user_01")
    wait_until(lambda: metric(logging_client, "loopback_answers_logged_total") == 1)
    with closing(sqlite3.connect(home / "listens" / "answers.sqlite")) as connection:
        assert connection.execute("SELECT count(*), max(k) FROM answers").fetchone() == (1, 10)
