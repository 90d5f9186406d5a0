"""The store of received listens: durable, idempotent, shared by threads and processes, and able to forget."""

import multiprocessing
import random
import shutil
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopback_core.errors import ListensError, RequestError
from loopback_core.listens import listen_database, listen_store_errors
from loopback_core.listens.listen_store import Added, ListenStore
from loopback_core.listens.log_rules import normal_form
from loopback_core.listens.received import ReceivedListen, normal_user

NIGHT = datetime(2009, 5, 4, 23, 8, 57, tzinfo=UTC)
DAY = timedelta(days=1)


def listen(user: str = "ann", track: str = "Roygbiv", artist: str = "Boards", at: datetime = NIGHT) -> ReceivedListen:
    return ReceivedListen(user, artist, track, at)


def tracks(store: ListenStore, user: str, after: int = 0) -> list[str]:
    return [one.track for one in store.of_user(user, after)]


@pytest.fixture
def store(tmp_path: Path):
    with ListenStore.open(tmp_path) as opened:
        yield opened


def file_of(home: Path) -> Path:
    return home / "listens" / "listens.sqlite"


# What is kept


def test_a_listen_comes_back_as_it_came_with_its_row_and_its_reception(store: ListenStore, tmp_path: Path) -> None:
    sent = ReceivedListen(" ann ", " Bjo\u0308rk", "Jóga ", NIGHT, "a-1", "t-1")
    assert store.add([sent], at=NIGHT + DAY) == (1, 0, 0)
    with ListenStore.open(tmp_path) as again:
        (kept,) = again.of_user("ann")
    assert (kept.user_id, kept.artist, kept.track, kept.time) == ("ann", " Bjo\u0308rk", "Jóga ", NIGHT)
    assert (kept.artist_mbid, kept.track_mbid, kept.row, kept.received_at) == ("a-1", "t-1", 1, NIGHT + DAY)


def test_the_listens_of_a_user_are_given_oldest_first_and_those_after_a_row_alone(store: ListenStore) -> None:
    store.add([listen(track="late", at=NIGHT + DAY), listen("bob"), listen(track="early")])
    assert tracks(store, "ann") == ["early", "late"]
    before = store.version()
    store.add([listen(track="earliest", at=NIGHT - DAY)])
    assert tracks(store, "ann") == ["earliest", "early", "late"]
    assert tracks(store, "ann", after=before) == ["earliest"]
    assert tracks(store, "cyd") == []


def test_a_time_without_a_zone_is_utc_and_microseconds_are_kept(store: ListenStore) -> None:
    store.add([listen(at=datetime(2009, 5, 4, 23, 8, 57, 123457)), listen(at=datetime(1900, 1, 1))])
    assert [one.time for one in store.of_user("ann")] == [
        datetime(1900, 1, 1, tzinfo=UTC),
        NIGHT + timedelta(microseconds=123457),
    ]


def test_the_same_listen_in_another_spelling_is_known_already(store: ListenStore) -> None:
    assert store.add([ReceivedListen("ann", "Björk", "Jóga", NIGHT)]) == Added(1, 0, 0)
    spelled = ReceivedListen(" ann\n", " Bjo\u0308rk ", "Jo\u0301ga", NIGHT.astimezone(), "a-1")
    assert store.add([spelled, spelled]) == Added(0, 2, 0)
    others = [
        listen(artist="Björk", track="Jóga", at=NIGHT + timedelta(microseconds=1)),
        listen("bob", "Jóga", "Björk"),
    ]
    assert store.add([*others, listen(artist="björk", track="Jóga")]) == Added(3, 0, 0)


LISTENS = st.lists(
    st.builds(
        listen,
        user=st.sampled_from(["ann", "bob ", "cyd"]),
        track=st.sampled_from(["e\u0301", "é", "Mer", " Mer"]),
        artist=st.sampled_from(["Air", "Can"]),
        at=st.sampled_from([NIGHT, NIGHT + DAY]),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(LISTENS)
def test_a_batch_that_is_added_twice_is_stored_once(tmp_path_factory: pytest.TempPathFactory, batch) -> None:
    with ListenStore.open(tmp_path_factory.mktemp("home")) as store:
        first = store.add(batch)
        state = [store.of_user(user) for user in ("ann", "bob", "cyd")], store.version()
        assert store.add(batch) == Added(0, len(batch), 0)
        assert ([store.of_user(user) for user in ("ann", "bob", "cyd")], store.version()) == state
        assert first.stored + first.known_already == len(batch)
        assert first.stored == sum(map(len, state[0])) == store.version()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_a_user_has_the_normal_form_of_the_ingest(text: str) -> None:
    expected = normal_form(pl.Series([text])).item()
    if expected:
        assert normal_user(text) == expected
    else:
        with pytest.raises(RequestError, match="user_id is blank"):
            normal_user(text)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            listen(track="a\0b"),
            r"The track of listen 2 cannot be kept, 'a\\x00b': it holds a NUL character; send it without",
        ),
        (
            listen(artist="a\ud800"),
            r"The artist of listen 2 cannot be kept, 'a\\ud800': it holds half of a surrogate pair",
        ),
        (listen("\udfff"), "The user_id of listen 2 cannot be kept"),
        (ReceivedListen("ann", "A", "T", NIGHT, track_mbid="\0"), "The track_mbid of listen 2 cannot be kept"),
        (listen(artist=" \u3000"), "The artist of listen 2 is blank"),
    ],
)
def test_what_cannot_be_kept_is_named_and_nothing_of_its_batch_is_stored(
    store: ListenStore, wrong: ReceivedListen, sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence):
        store.add([listen(), wrong])
    assert (store.version(), tracks(store, "ann")) == (0, [])
    with pytest.raises(RequestError, match="The user_id cannot be kept"):
        store.erase("\ud800")


def test_versions_move_with_what_is_stored_or_erased_and_with_nothing_else(store: ListenStore) -> None:
    def versions() -> tuple[int, int, int]:
        return store.version(), store.version("ann"), store.version("bob")

    assert versions() == (0, 0, 0)
    store.add([listen(), listen("bob")])
    assert versions() == (2, 1, 2)
    store.add([listen()])
    assert versions() == (2, 1, 2)
    store.erase("ann")
    assert versions() == (3, 3, 2)
    store.add([listen("ann", at=datetime.now(UTC) + DAY)])
    assert versions() == (4, 4, 2)


# Erasure


def test_an_erased_user_is_gone_and_remembered_and_all_others_stay(store: ListenStore) -> None:
    store.add([listen(), listen(track="Mer"), listen("bob")])
    assert store.erase(" ann", at=NIGHT + DAY) == 2
    assert (tracks(store, "ann"), tracks(store, "bob")) == ([], ["Roygbiv"])
    assert store.erase("of the log alone", at=NIGHT) == 0
    assert store.erased() == {"ann": NIGHT + DAY, "of the log alone": NIGHT}


def test_listens_before_an_erasure_stay_away_and_later_ones_are_those_of_a_new_user(store: ListenStore) -> None:
    store.erase("ann", at=NIGHT)
    added = store.add([listen(), listen(track="later", at=NIGHT + timedelta(seconds=1)), listen("bob")])
    assert added == Added(stored=2, known_already=0, before_erasure=1)
    assert tracks(store, "ann") == ["later"]
    assert store.erase("ann", at=NIGHT + DAY) == 1
    assert store.erase("ann", at=NIGHT) == 0
    assert store.erased() == {"ann": NIGHT + DAY}  # the last one holds


def test_no_file_holds_the_listens_of_an_erased_user_though_other_connections_are_open(tmp_path: Path) -> None:
    with ListenStore.open(tmp_path) as store, ListenStore.open(tmp_path) as other:
        names = [f"Gone{number:05}" for number in range(500)]
        store.add([listen(track=name, artist="Vanished", at=NIGHT + number * DAY) for number, name in enumerate(names)])
        store.add([listen("bob")])
        other.of_user("ann")
        assert any(b"Vanished" in path.read_bytes() for path in file_of(tmp_path).parent.iterdir())
        store.erase("ann")
        for path in file_of(tmp_path).parent.iterdir():
            assert b"Gone0" not in path.read_bytes() and b"Vanished" not in path.read_bytes(), path
        assert tracks(other, "bob") == ["Roygbiv"]


def test_an_erasure_that_a_reader_holds_up_says_so_and_ends_when_it_is_repeated(
    store: ListenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listen_database, "WAIT_SECONDS", 0.05)
    store.add([listen(track="Gone")])
    reader = sqlite3.connect(store.path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM listens").fetchall()
    with ListenStore(store.path) as impatient:
        with pytest.raises(
            ListensError, match=r"The user was erased, but another program was reading .* erase the user again"
        ):
            impatient.erase("ann")
        assert tracks(impatient, "ann") == []
        reader.close()
        assert impatient.erase("ann") == 0
    assert all(b"Gone" not in path.read_bytes() for path in store.path.parent.iterdir())


def test_an_erasure_that_was_killed_before_its_end_is_ended_when_the_store_is_opened(
    store: ListenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add([listen(track="Gone")])
    monkeypatch.setattr(listen_database.ListenDatabase, "empty_wal", lambda self: True)  # it does not come to that
    store.erase("ann")
    as_it_was_left = shutil.copytree(store.path.parent, tmp_path / "killed" / "listens")
    assert any(b"Gone" in path.read_bytes() for path in as_it_was_left.iterdir())
    with ListenStore.open(tmp_path / "killed") as again:
        assert list(again.erased()) == ["ann"]
        assert all(b"Gone" not in path.read_bytes() for path in as_it_was_left.iterdir())


# Crashes, threads, processes


def add_until_killed(home: Path, number: int, acknowledgements: Connection) -> None:
    """Add three listens at a time, and tell of each batch once `add` has returned."""
    store = ListenStore.open(home)
    for batch in range(10**9):
        times = [NIGHT + timedelta(seconds=3 * batch + place) for place in range(3)]
        store.add([listen(f"user {number}", f"track {batch}", at=at) for at in times])
        acknowledgements.send(3 * (batch + 1))


def start(target, *arguments):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "hypothesis", "loopback_core.listens.listen_store"])
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


def test_what_was_acknowledged_is_there_after_a_process_was_killed_at_any_moment(tmp_path: Path) -> None:
    rng = random.Random(7)
    acknowledged = {}
    for number in range(15):
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = start(add_until_killed, tmp_path, number, theirs)
        theirs.close()
        acknowledged[number] = ours.recv()  # it has begun
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        process.join()
        try:
            while True:
                acknowledged[number] = ours.recv()
        except EOFError:
            pass
        with ListenStore.open(tmp_path) as store:
            for user, count in acknowledged.items():
                found = store.of_user(f"user {user}")
                assert len(found) - count in (
                    0,
                    3,
                )  # one batch may be stored and its acknowledgement be missing, no part of one
                assert [one.time for one in found] == [NIGHT + timedelta(seconds=n) for n in range(len(found))]
            store.refuse_damaged()
    assert len(acknowledged) == 15 and min(acknowledged.values()) >= 3


def test_every_connection_flushes_what_it_commits_and_overwrites_what_it_deletes(store: ListenStore) -> None:
    connection = listen_database._connect(store.path)
    asked = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("synchronous", "secure_delete", "journal_mode")
    }
    assert asked == {"synchronous": 2, "secure_delete": 1, "journal_mode": "wal"}  # 2: FULL
    connection.close()


def add_all(home: Path, name: str, failures: Connection) -> None:
    try:
        with ListenStore.open(home) as store:
            for number in range(40):
                store.add([listen(name, f"own {number}"), listen("both", f"shared {number}")])
        failures.send(None)
    except Exception as error:
        failures.send(repr(error))


def test_two_processes_that_write_at_once_store_each_listen_once(tmp_path: Path) -> None:
    started = []
    for name in ("ann", "bob"):
        ours, theirs = multiprocessing.Pipe(duplex=False)
        started.append((start(add_all, tmp_path, name, theirs), ours))
    assert [ours.recv() for _, ours in started] == [None, None]
    for process, _ in started:
        process.join()
    with ListenStore.open(tmp_path) as store:
        assert [len(store.of_user(user)) for user in ("ann", "bob", "both")] == [40, 40, 40]
        assert store.version() == 120


def test_threads_share_a_store(store: ListenStore) -> None:
    errors = []

    def work(name: str) -> None:
        try:
            for number in range(20):
                store.add([listen(name, f"own {number}"), listen("all", f"shared {number}")])
                assert len(store.of_user(name)) == number + 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"user {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (len(store.of_user("all")), store.version()) == (20, 6 * 20 + 20)


# Files that cannot be used


def test_nothing_is_made_where_nothing_was_received(tmp_path: Path) -> None:
    assert ListenStore.existing(tmp_path / "home") is None
    assert not (tmp_path / "home").exists()


def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file_of(tmp_path).parent.mkdir()
    file_of(tmp_path).write_text("a letter, not a database. " * 100)
    with pytest.raises(ListensError, match=r"listens\.sqlite is not a file of listens .* put a backup in its place"):
        ListenStore.open(tmp_path)
    assert file_of(tmp_path).read_text().startswith("a letter")
    file_of(tmp_path).unlink()
    with sqlite3.connect(file_of(tmp_path)) as other:
        other.execute("CREATE TABLE addresses (name TEXT)")
    with pytest.raises(ListensError, match=r"listens\.sqlite is not a file of listens"):
        ListenStore.open(tmp_path)


def test_a_file_of_a_later_format_is_refused(store: ListenStore, tmp_path: Path) -> None:
    with sqlite3.connect(store.path) as other:
        other.execute("PRAGMA user_version = 2")
    with pytest.raises(ListensError, match="is of format 2, not 1: use the version of loopback that wrote it"):
        ListenStore.open(tmp_path)


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with ListenStore.open(tmp_path) as store:
        store.add([listen(track=f"track {number}" * 20, at=NIGHT + number * DAY) for number in range(300)])
    content = bytearray(file_of(tmp_path).read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    file_of(tmp_path).write_bytes(content)
    with ListenStore.open(tmp_path) as store:
        with pytest.raises(
            ListensError, match=r"listens\.sqlite is damaged \(.*\): stop the service, then put a backup"
        ):
            store.of_user("ann")
        with pytest.raises(ListensError, match=r"is damaged"):
            store.refuse_damaged()


def test_a_home_in_which_no_folder_can_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(ListensError, match=r"listens\.sqlite cannot be opened or written to .* LOOPBACK_HOME"):
        ListenStore.open(tmp_path / "home")


def test_a_full_disk_stores_nothing_of_a_batch_and_the_store_goes_on_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = listen_database._connect
    with ListenStore.open(tmp_path) as store:
        store.add([listen()])
        pages = sqlite3.connect(store.path).execute("PRAGMA page_count").fetchone()[0]

    def of_a_full_disk(path: Path) -> sqlite3.Connection:
        connection = connect(path)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    batch = [listen(track=f"track {number}" * 20, at=NIGHT + number * DAY) for number in range(1, 300)]
    monkeypatch.setattr(listen_database, "_connect", of_a_full_disk)
    with ListenStore.open(tmp_path) as store:
        with pytest.raises(ListensError, match=r"The disk of .*listens is full: nothing of this was stored"):
            store.add(batch)
        assert (tracks(store, "ann"), store.version()) == (["Roygbiv"], 1)
    monkeypatch.setattr(listen_database, "_connect", connect)
    with ListenStore.open(tmp_path) as store:
        assert store.add(batch).stored == 299


def write_beyond_the_limit(home: Path, answer: Connection) -> None:
    import resource
    import signal

    with ListenStore.open(home) as store:
        store.add([listen()])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        try:
            store.add([listen(track=f"track {number}" * 20, at=NIGHT + number * DAY) for number in range(1, 1000)])
        except ListensError as error:
            answer.send(str(error))
        else:
            answer.send("no error")


def test_a_write_that_the_system_refuses_stores_nothing(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = start(write_beyond_the_limit, tmp_path, theirs)
    assert "nothing of this was stored" in ours.recv()
    process.join()
    with ListenStore.open(tmp_path) as store:
        assert tracks(store, "ann") == ["Roygbiv"]


def test_a_file_that_another_program_has_locked_is_named(store: ListenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen_database, "WAIT_SECONDS", 0.05)
    with sqlite3.connect(store.path, isolation_level=None) as other, ListenStore(store.path) as impatient:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ListensError, match=r"was locked by another program .* End what holds it"):
            impatient.add([listen()])
        other.execute("ROLLBACK")
        assert impatient.add([listen()]).stored == 1
    assert listen_store_errors.WAIT_SECONDS == 10
