"""The log of answers: what is kept, what is not, and that a user can be taken out of it."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime

import pytest

from loopback_core.errors import ListensError
from loopback_core.listens.listen_database import DatabaseForm, ListenDatabase
from loopback_core.served_quality.answer_log import (
    ANSWERS_FILE,
    ANSWERS_FORM,
    LONGEST_KEPT,
    MICROSECONDS_PER_DAY,
    AnswerLog,
    LoggedAnswer,
)

NOON = 20_000 * MICROSECONDS_PER_DAY + MICROSECONDS_PER_DAY // 2


def answered(user, time=NOON, tracks=(3, 1, 2), task="discovery"):
    return LoggedAnswer(time, task, "b1", user, len(tracks), tracks)


@pytest.fixture
def log(tmp_path):
    log = AnswerLog.open(tmp_path)
    yield log
    log.close()


def test_an_answer_comes_back_with_its_tracks_in_their_order_and_without_a_name(log, tmp_path):
    log.add([answered("ann"), answered("bob", NOON + 1, range(500))])
    rows = log.frame().rows(named=True)
    assert rows[0] == {
        "time": NOON,
        "task": "discovery",
        "bundle": "b1",
        "challenger": None,
        "split": None,
        "plain": False,
        "user": log.key_of("ann"),
        "tracks": [3, 1, 2],
    }
    assert rows[1]["tracks"] == list(range(LONGEST_KEPT))
    log.close()
    assert b"ann" not in b"".join(path.read_bytes() for path in (tmp_path / "listens").glob("answers*"))


def test_callers_without_a_name_are_only_counted(log):
    log.add([answered(None), answered(None, NOON + 5), answered("ann")])
    log.add([answered(None, NOON + MICROSECONDS_PER_DAY)])
    assert (len(log.frame()), log.anonymous()) == (1, 3)


def test_a_user_is_another_number_in_another_home_and_the_same_after_a_restart(log, tmp_path):
    other = AnswerLog.open(tmp_path / "other")
    again = AnswerLog.existing(tmp_path)
    assert other.key_of("ann") != log.key_of("ann") == again.key_of("ann")
    other.close()
    again.close()


def test_an_erased_user_goes_with_what_waits_to_be_written_and_comes_back_as_a_new_one(log, tmp_path):
    log.add([answered("ann"), answered("bob")])
    before = log.version()
    assert log.erase(" ann ", datetime.fromtimestamp(NOON / 1e6 + 60, UTC)) == 1
    assert log.version() != before
    log.add([answered("ann", NOON + 59_000_000), answered("ann", NOON + 61_000_000)])
    assert log.frame()["user"].to_list() == [log.key_of("bob"), log.key_of("ann")]
    content = b"".join(path.read_bytes() for path in (tmp_path / "listens").glob("answers*"))
    assert NOON.to_bytes(8, "big")[2:] in content  # bob's, of the same time: the search below would find a row
    log.erase("bob")
    content = b"".join(path.read_bytes() for path in (tmp_path / "listens").glob("answers*"))
    assert NOON.to_bytes(8, "big")[2:] not in content


def test_what_is_old_is_deleted(log):
    log.add([answered("ann", NOON), answered("ann", NOON + 10), answered(None, NOON - MICROSECONDS_PER_DAY)])
    log.delete_before(NOON + 10)
    assert (log.frame()["time"].to_list(), log.anonymous()) == ([NOON + 10], 0)


def test_a_file_of_something_else_is_refused_in_a_sentence(tmp_path):
    assert AnswerLog.existing(tmp_path) is None
    (tmp_path / ANSWERS_FILE).parent.mkdir()
    (tmp_path / ANSWERS_FILE).write_text("not a database, but long enough to be taken for one" * 40)
    with pytest.raises(ListensError, match="is not a file of listens or answers"):
        AnswerLog.open(tmp_path)


KILLED = """
import sys
from pathlib import Path
from loopback_core.served_quality.answer_log import AnswerLog, LoggedAnswer
log = AnswerLog.open(Path(sys.argv[1]))
for number in range(10**6):
    log.add([LoggedAnswer(number, "discovery", "b1", f"user {place}", 10, range(10)) for place in range(50)])
    print(number, flush=True)
"""


def test_a_kill_in_the_middle_of_writing_leaves_a_whole_file(tmp_path):
    writing = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    for _ in range(20):
        last = int(writing.stdout.readline())
    os.kill(writing.pid, signal.SIGKILL)
    writing.wait()
    last = max([last, *(int(line) for line in writing.stdout.read().split())])
    log = AnswerLog.open(tmp_path)
    times = log.frame()["time"].to_list()
    assert len(times) % 50 == 0 and set(range(last + 1)) <= set(times)  # each batch whole, none that was kept is lost
    log.close()


def test_a_log_of_the_form_before_is_brought_up_to_date_with_its_answers(tmp_path):
    path = tmp_path / "listens" / "answers.sqlite"
    tables = [statement.replace(", plain INTEGER NOT NULL DEFAULT 0", "") for statement in ANSWERS_FORM.tables]
    earlier = ListenDatabase(path, DatabaseForm(ANSWERS_FORM.application_id, 1, tuple(tables)))
    with earlier.writing() as connection:
        connection.execute("INSERT INTO answers VALUES (1, 5, 'discovery', 'b', 7, 1, x'01000000', NULL, NULL)")
    earlier.close()
    with closing(AnswerLog.open(tmp_path)) as log:
        (row,) = log.frame().rows(named=True)
        assert (row["time"], row["tracks"], row["plain"]) == (5, [1], False)
        log.add([LoggedAnswer(6, "discovery", "b", "ann", 1, (2,), is_plain=True)])
        assert log.frame()["plain"].to_list() == [False, True]
    with closing(AnswerLog.open(tmp_path)) as log:
        assert len(log.frame()) == 2
