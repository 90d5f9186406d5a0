"""The listens that the service received, on their way into the next run: published, ingested, or forgotten."""

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from loopback_core.errors import ListensError
from loopback_core.listens import raw as raw_module
from loopback_core.listens.ingest import IngestSummary, ingest
from loopback_core.listens.listen_store import ListenStore
from loopback_core.listens.raw import log_of, publish_raw, raw_summary, refuse_changed
from loopback_core.listens.received import ReceivedListen
from loopback_core.listens.served_export import ErasedMeanwhileError
from loopback_core.settings import SourceSettings
from loopback_core.store.artifacts import Artifact, ArtifactStore

NIGHT = datetime(2009, 5, 4, 23, 8, 57, tzinfo=UTC)
DAY = timedelta(days=1)
LOG = [
    "ann\t2009-05-04T23:08:57Z\t\tBoards\t\tRoygbiv",
    "ann\t2009-05-06T23:08:57Z\t\tAir\t\tMer",
    "bob\t2009-05-04T23:08:57Z\t\tCan\t\tVitamin C",
]


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "home")


@pytest.fixture
def received(store: ArtifactStore):
    """The store of listens of the same home; made by its first use."""
    return ListenStore.open(store.home)


@pytest.fixture
def source(tmp_path: Path) -> SourceSettings:
    return log_at(tmp_path / "log.tsv", *LOG)


def log_at(path: Path, *lines: str) -> SourceSettings:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return SourceSettings(name=str(path))


def sent(user: str, track: str = "Polaris", at: datetime = NIGHT, artist: str = "Zero 7") -> ReceivedListen:
    return ReceivedListen(user, artist, track, at)


def published(store: ArtifactStore, source: SourceSettings) -> Artifact:
    return publish_raw(store, source)[0]


def ingested(
    store: ArtifactStore, source: SourceSettings, folder: Path, block_bytes: int = 1 << 20
) -> tuple[IngestSummary, pl.DataFrame, pl.DataFrame]:
    summary = ingest(log_of(published(store, source)), folder, source, block_bytes)
    listens, rejects = (pl.read_parquet(folder / f"{name}.parquet") for name in ("interactions", "rejects"))
    assert (summary.rows, summary.kept) == (listens.height + rejects.height, listens.height)
    assert sum(summary.rejected.values()) == rejects.height
    return summary, listens, rejects


def plays(listens: pl.DataFrame) -> set[tuple[str, str]]:
    return set(listens.select("user_id", "track_name").rows())


# What is published


def test_without_a_store_nothing_is_published_and_with_an_empty_one_nothing_changes(
    store: ArtifactStore, source: SourceSettings
) -> None:
    first = published(store, source)
    assert "served" not in first.summary and list(first.manifest["files"]) == []
    assert not (store.home / "listens").exists()
    ListenStore.open(store.home).close()
    second, reused = publish_raw(store, source)
    assert (second.version, second.manifest, reused) == (first.version, first.manifest, True)
    assert (log_of(second).served, log_of(second).erased) == (None, None)


def test_the_version_is_that_of_the_content_of_log_and_store(
    store: ArtifactStore, source: SourceSettings, tmp_path: Path
) -> None:
    versions = [published(store, source).version]
    for home in ("one", "two"):
        with ListenStore.open(tmp_path / home) as kept:
            kept.add([sent("ann"), sent("cyd")], at=NIGHT)
            kept.erase("bob", at=NIGHT)
        artifact = published(ArtifactStore(tmp_path / home), source)
        versions.append(artifact.version)
    assert versions[1] == versions[2] != versions[0]
    assert raw_summary(artifact).bytes_digest == versions[0]
    one = ArtifactStore(tmp_path / "one")
    assert publish_raw(one, source)[1]
    with ListenStore.open(one.home) as kept:
        kept.add([sent("ann"), sent("cyd")])  # known already
        assert publish_raw(one, source)[1]
        kept.add([sent("dan")])
        versions.append(published(one, source).version)
        kept.erase("dan")
        versions.append(published(one, source).version)
    assert len(set(versions)) == 4


def test_the_export_holds_listens_in_the_order_of_reception_and_the_erasures(
    store: ArtifactStore, source: SourceSettings, received: ListenStore
) -> None:
    received.add(
        [sent("cyd", at=NIGHT + DAY), ReceivedListen(" ann ", " Air", "Mer ", NIGHT, None, "t-1")], at=NIGHT + DAY
    )
    received.erase("bob", at=NIGHT + DAY)
    raw = published(store, source)
    assert pl.read_parquet(raw.folder / "served_listens.parquet").rows() == [
        ("cyd", NIGHT + DAY, None, "Zero 7", None, "Polaris", NIGHT + DAY),
        ("ann", NIGHT, None, " Air", "t-1", "Mer ", NIGHT + DAY),
    ]
    assert pl.read_parquet(raw.folder / "erased_users.parquet").rows() == [("bob", NIGHT + DAY)]
    served = raw_summary(raw).served
    assert served and (served.listens, served.erased, served.last_row) == (2, 1, 3)
    assert received.of_user("ann", after=served.last_row) == []
    assert json.loads(json.dumps(raw.summary)) == raw.summary


def test_listens_alone_or_erasures_alone_make_one_file(
    store: ArtifactStore, source: SourceSettings, received: ListenStore
) -> None:
    received.add([sent("ann")])
    assert list(published(store, source).manifest["files"]) == ["served_listens.parquet"]
    received.erase("ann")
    assert list(published(store, source).manifest["files"]) == ["erased_users.parquet"]


def test_the_first_day_of_a_log_stays_whatever_is_received_later(
    store: ArtifactStore, source: SourceSettings, received: ListenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def on_day(day: int) -> None:
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime(2020, 1, day, tzinfo=tz)

        monkeypatch.setattr(raw_module, "datetime", Clock)

    on_day(1)
    received.add([sent("ann")])
    days = [raw_summary(published(store, source)).first_seen]
    on_day(9)
    received.add([sent("bob")])
    days.append(raw_summary(published(store, source)).first_seen)
    assert [day.day for day in days if day] == [1, 1]


def test_the_generated_log_has_the_listens_too_and_its_own_bytes_stay(
    store: ArtifactStore, received: ListenStore
) -> None:
    source = SourceSettings(sample_events=50, sample_users=3, sample_seed=1)
    plain = published(ArtifactStore(store.home.parent / "other"), source)
    received.add([sent("ann"), sent("ann", "Mer")])
    raw = published(store, source)
    assert raw.version != plain.version
    assert raw.summary["bytes_digest"] == plain.summary["bytes_digest"]
    assert publish_raw(store, source)[1]
    summary, listens, _ = ingested(store, source, store.home / "out")
    assert summary.rows == 52
    assert {("ann", "Polaris"), ("ann", "Mer")} <= plays(listens)


def test_an_erasure_between_two_readings_makes_the_run_read_again(
    store: ArtifactStore, source: SourceSettings, received: ListenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    received.add([sent("ann"), sent("bob")])
    content = raw_module.served_content
    erasures = iter(["bob"])

    def read_and_erase(listens: ListenStore):
        found = content(listens)
        for user in erasures:
            listens.erase(user)
        return found

    monkeypatch.setattr(raw_module, "served_content", read_and_erase)
    raw = published(store, source)
    assert pl.read_parquet(raw.folder / "served_listens.parquet")["user_id"].to_list() == ["ann"]
    assert pl.read_parquet(raw.folder / "erased_users.parquet")["user_id"].to_list() == ["bob"]

    def always(*_: object) -> None:
        raise ErasedMeanwhileError

    received.add([sent("cyd")])
    monkeypatch.setattr(raw_module, "export_served", always)
    with pytest.raises(ListensError, match="materialize raw_listens again"):
        published(store, source)


def test_listens_that_come_while_the_store_is_exported_wait_for_the_next_run(
    store: ArtifactStore, source: SourceSettings, received: ListenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    received.add([sent("ann")])
    content = raw_module.served_content

    def read_and_receive(listens: ListenStore):
        found = content(listens)
        listens.add([sent("bob")])
        return found

    monkeypatch.setattr(raw_module, "served_content", read_and_receive)
    raw = published(store, source)
    assert pl.read_parquet(raw.folder / "served_listens.parquet")["user_id"].to_list() == ["ann"]
    assert [one.user_id for one in received.of_user("bob", after=raw.summary["served"]["last_row"])] == ["bob"]


def test_a_damaged_store_stops_the_run(store: ArtifactStore, source: SourceSettings, received: ListenStore) -> None:
    received.add([sent("ann", f"track {number}" * 20, NIGHT + number * DAY) for number in range(300)])
    received.close()
    path = store.home / "listens" / "listens.sqlite"
    path.write_bytes(path.read_bytes()[:8192] + b"\xff" * (path.stat().st_size - 8192))
    with pytest.raises(ListensError, match="is damaged"):
        publish_raw(store, source)
    assert not store.has("raw_listens")


def test_an_export_that_was_changed_is_refused(
    store: ArtifactStore, source: SourceSettings, received: ListenStore
) -> None:
    received.add([sent("ann")])
    raw = published(store, source)
    refuse_changed(raw)
    with (raw.folder / "served_listens.parquet").open("ab") as file:
        file.write(b"more")
    with pytest.raises(Exception, match=r"served_listens\.parquet was changed after raw_listens was materialized"):
        refuse_changed(raw)


# What becomes of it


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_received_listens_come_after_those_of_the_log_clean_and_with_their_origin(
    store: ArtifactStore, source: SourceSettings, received: ListenStore, tmp_path: Path, block_bytes: int
) -> None:
    received.add([sent("cyd"), ReceivedListen("ann", " Bjo\u0308rk", "Jóga ", NIGHT + 9 * DAY, None, "t-1")])
    _, listens, _ = ingested(store, source, tmp_path / "out", block_bytes)
    new = listens.filter(pl.col("file") == 1).rows(named=True)
    assert [(row["user_id"], row["artist_name"], row["track_name"], row["line"]) for row in new] == [
        ("ann", "Björk", "Jóga", 2),
        ("cyd", "Zero 7", "Polaris", 1),
    ]
    assert (new[0]["timestamp"], new[0]["track_mbid"]) == (NIGHT + 9 * DAY, "t-1")
    assert listens.filter(pl.col("file") == 0).height == len(LOG)


def test_a_received_listen_that_the_log_has_too_is_an_exact_duplicate(
    store: ArtifactStore, source: SourceSettings, received: ListenStore, tmp_path: Path
) -> None:
    received.add([ReceivedListen("ann", "Boards", " Roygbiv", NIGHT), sent("ann")])
    summary, listens, rejects = ingested(store, source, tmp_path / "out")
    assert listens.height == len(LOG) + 1
    assert rejects.rows() == [(1, 1, "exact duplicate", rejects["text"][0])]
    assert rejects["text"][0].startswith("ann\t2009-05-04T23:08:57")
    assert summary.reject_share == 0


def test_a_received_listen_is_as_late_as_the_day_after_its_reception_and_not_later(
    store: ArtifactStore, source: SourceSettings, received: ListenStore, tmp_path: Path
) -> None:
    later = datetime(2090, 1, 1, tzinfo=UTC)  # long after the first publication of the log
    received.add(
        [sent("ann", "in time", later + DAY), sent("ann", "too late", later + DAY + timedelta(seconds=1))], at=later
    )
    summary, listens, rejects = ingested(store, source, tmp_path / "out")
    assert ("ann", "in time") in plays(listens)
    assert rejects.select("file", "line", "reason").rows() == [(1, 2, "implausible date")]
    assert summary.rejected["implausible date"] == 1
    bounded = source.model_copy(update={"latest": datetime(2050, 1, 1, tzinfo=UTC)})
    assert ingested(store, bounded, tmp_path / "bounded")[0].rejected["implausible date"] == 2


def test_settings_about_the_files_of_the_user_are_not_about_the_export(
    store: ArtifactStore, received: ListenStore, tmp_path: Path
) -> None:
    (tmp_path / "log.csv").write_text(f"who,when,artist,song\nann,{int(NIGHT.timestamp())},Boards,Roygbiv\n")
    columns = {"user_id": "who", "timestamp": "when", "artist_name": "artist", "track_name": "song"}
    source = SourceSettings(name=str(tmp_path / "log.csv"), columns=columns, time_format="epoch_seconds")
    received.add([sent("ann")])
    _, listens, _ = ingested(store, source, tmp_path / "out")
    assert listens["timestamp"].to_list() == [NIGHT, NIGHT]
    assert plays(listens) == {("ann", "Roygbiv"), ("ann", "Polaris")}


# What an erasure takes away


def files_with(text: str, folder: Path) -> list[str]:
    """The Parquet files of a folder that hold a text in any value."""
    return [
        path.name
        for path in folder.glob("*.parquet")
        if any(text in str(value) for row in pl.read_parquet(path).iter_rows() for value in row)
    ]


@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_an_erased_user_is_gone_from_the_listens_and_nothing_of_theirs_is_among_the_rejects(
    store: ArtifactStore, received: ListenStore, tmp_path: Path, block_bytes: int
) -> None:
    lines = [
        *LOG,
        LOG[0],  # an exact duplicate, of ann
        " ann \t2009-05-04T23:08:57Z\t\tBoards\t\t",
        "ann\tsome night\t\tBoards\t\tRoygbiv",
        "ann\t2999-05-04T23:08:57Z\t\tBoards\t\tRoygbiv",
        "ann\t2009-05-04T23:08:57Z\tBoards",
        "bob\t2009-05-04T23:08:57Z\tCan",
        "bob\tsome night\t\tCan\t\tVitamin C",
    ]
    source = log_at(tmp_path / "log.tsv", *lines)
    before = (tmp_path / "log.tsv").read_bytes()
    received.add([sent("ann"), sent("bob")])
    received.erase("ann", at=NIGHT + 100 * DAY)
    summary, listens, rejects = ingested(store, source, tmp_path / "out", block_bytes)
    assert plays(listens) == {("bob", "Vitamin C"), ("bob", "Polaris")}
    assert rejects.select("line", "reason", "text").sort("line").rows() == [
        (1, "erased user", ""),
        (2, "erased user", ""),
        (4, "erased user", ""),
        (5, "erased user", ""),
        (6, "erased user", ""),
        (7, "erased user", ""),
        (8, "wrong number of fields", ""),
        (9, "wrong number of fields", "bob\t2009-05-04T23:08:57Z\tCan"),
        (10, "unreadable timestamp", "bob\tsome night\t\tCan\t\tVitamin C"),
    ]
    assert (summary.rejected["erased user"], summary.users) == (6, 1)
    assert summary.reject_share == 3 / 11  # of all rows, as without the erasure
    assert files_with("ann", tmp_path / "out") == []
    assert (tmp_path / "log.tsv").read_bytes() == before


def test_who_listens_again_is_a_new_user_with_the_listens_after_the_erasure_alone(
    store: ArtifactStore, source: SourceSettings, received: ListenStore, tmp_path: Path
) -> None:
    received.erase("ann", at=NIGHT + DAY)  # between the two listens of the log
    received.add([sent("ann", "before"), sent("ann", "after", NIGHT + 3 * DAY)])
    _, listens, rejects = ingested(store, source, tmp_path / "out")
    assert plays(listens) == {("ann", "Mer"), ("ann", "after"), ("bob", "Vitamin C")}
    assert rejects.rows() == [(0, 1, "erased user", "")]


def test_a_listen_of_the_very_moment_of_the_erasure_is_left_out(
    store: ArtifactStore, source: SourceSettings, received: ListenStore, tmp_path: Path
) -> None:
    received.erase("ann", at=NIGHT)
    _, listens, rejects = ingested(store, source, tmp_path / "out")
    assert plays(listens) == {("ann", "Mer"), ("bob", "Vitamin C")}
    assert rejects["reason"].to_list() == ["erased user"]


@pytest.mark.parametrize("user", ['say "ann"', "a,b", "Bjo\u0308rk"])
def test_a_broken_line_of_a_csv_loses_its_text_when_it_names_an_erased_user(
    store: ArtifactStore, received: ListenStore, tmp_path: Path, user: str
) -> None:
    written = '"' + user.replace('"', '""') + '"'
    path = tmp_path / "log.csv"
    path.write_text(
        "timestamp,user_id,artist_name,track_name\n"
        f"2009-05-04,bob,Can,Vitamin C\n2009-05-04,{written},Air\n2009-05-04,bob,Can\n2009-05-04,{written},Air,Mer\n"
    )
    received.erase(user, at=NIGHT + DAY)
    _, listens, rejects = ingested(store, SourceSettings(name=str(path)), tmp_path / "out")
    assert listens["user_id"].to_list() == ["bob"]
    assert rejects.select("reason", "text").rows() == [
        ("wrong number of fields", ""),
        ("wrong number of fields", "2009-05-04,bob,Can"),
        ("erased user", ""),
    ]


def test_the_profile_of_an_erased_user_goes_with_its_odd_values(
    store: ArtifactStore, source: SourceSettings, received: ListenStore, tmp_path: Path
) -> None:
    profiles = ["ann\tx\ttwenty\tPeru\tsome day", "bob\tx\t30\tPeru\t", "ann\tm", "ann\tf\t30\tPeru\t", "bob\tm"]
    (tmp_path / "userid-profile.tsv").write_text("".join(f"{line}\n" for line in profiles))
    received.erase("ann", at=NIGHT + DAY)  # who listens again later
    summary, listens, _ = ingested(store, source, tmp_path / "out")
    assert ("ann", "Mer") in plays(listens)
    assert pl.read_parquet(tmp_path / "out" / "profiles.parquet").rows() == [("bob", None, 30, "Peru", None)]
    odd = pl.read_parquet(tmp_path / "out" / "profile_rejects.parquet")
    assert odd.rows() == [(2, "odd gender", "x"), (5, "wrong number of fields", "bob\tm")]
    assert (summary.profiles, summary.odd_profile_values) == (1, 2)


def test_a_log_of_nobody_but_erased_users_is_refused_without_naming_what_they_heard(
    store: ArtifactStore, source: SourceSettings, received: ListenStore, tmp_path: Path
) -> None:
    for user in ("ann", "bob"):
        received.erase(user, at=NIGHT + 100 * DAY)
    with pytest.raises(
        Exception, match=r"No row of the log log\.tsv can be used, of 3 \(log\.tsv line 1: erased user in ''"
    ):
        ingest(log_of(published(store, source)), tmp_path / "out", source)


def test_an_erasure_of_somebody_else_changes_nothing_of_the_listens(
    store: ArtifactStore, source: SourceSettings, received: ListenStore, tmp_path: Path
) -> None:
    plain = ingest(replace(log_of(published(store, source))), tmp_path / "plain", source)
    received.erase("eve")
    assert asdict(ingested(store, source, tmp_path / "out")[0]) == asdict(plain)
    for name in ("interactions.parquet", "rejects.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()
