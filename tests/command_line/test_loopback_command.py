"""The command `loopback`: lists, exports, bundles; every error is a sentence."""

import csv
import json
import shutil
import socket
from datetime import datetime

import polars as pl
import pytest
from click.testing import CliRunner
from planted_artifacts import planted_evaluated
from planted_home import copy_home, publish, serve_bundle

from loopback_core.command_line import choosing_bundle, running
from loopback_core.command_line.main import main
from loopback_core.listens.listen_store import ListenStore
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.deployments import bundle_before, deploy, taken_back
from loopback_core.store.sealed_json import read_sealed, write_sealed
from loopback_core.store.served_pointer import served_bundle, served_version


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """A home with two bundles, the first of which is served."""
    home = tmp_path_factory.mktemp("home")
    evaluated = planted_evaluated(tmp_path_factory.mktemp("artifacts"))
    first, second = publish(home, evaluated), publish(home, evaluated, seed=1)
    serve_bundle(first)
    return home, first.version, second.version


@pytest.fixture
def home(versions):
    return versions[0]


@pytest.fixture
def other_home(versions, tmp_path):
    """A copy that may be changed."""
    return copy_home(versions[0], tmp_path)


def loopback(*arguments, home, **environment):
    variables = {"LOOPBACK_HOME": str(home), "LOOPBACK_API_KEYS": None, **environment}
    return CliRunner().invoke(main, [str(one) for one in arguments], env=variables)


def printed(*arguments, home):
    result = loopback(*arguments, home=home)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*arguments, home, **environment):
    """The sentence with which a command ends."""
    result = loopback(*arguments, home=home, **environment)
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit), result.exception
    assert result.stderr.startswith("Error: ") and len(result.stderr.splitlines()) == 1
    return result.stderr


# Recommendations


def test_a_user_gets_a_table_of_tracks_with_reasons(home):
    lines = printed("recommend", "--user", "user_01", "--task", "next_listen", "-k", 3, home=home).splitlines()
    assert lines[0].split() == ["artist", "track", "why"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    assert all("group 1 artist" in line and "You played it" in line for line in lines[1:])


def test_a_list_may_be_asked_for_as_diverse_as_one_likes(home):
    of_artists = []
    for more in ((), ("--diversity", "0.9")):
        answer = json.loads(printed("recommend", "--user", "user_01", "--json", *more, home=home))
        of_artists.append(len({item["artist"] for item in answer["items"]}))
    assert of_artists[0] < of_artists[1]


@pytest.mark.parametrize(
    "wrong", [("recommend", "--user", "user_01", "--diversity", "nan"), ("challenge", "--share", "NaN")]
)
def test_a_share_that_is_not_a_number_is_refused(home, wrong):
    done = loopback(*wrong, home=home)
    assert done.exit_code == 2 and "is not a number between 0 and 1" in done.output


def test_json_is_the_answer_of_the_api(home, versions):
    answer = json.loads(printed("recommend", "--user", "user_01", "--json", home=home))
    assert len(answer["items"]) == 10 and answer["bundle"] == versions[1]
    assert set(answer) == {"items", "task", "unknown", "fallback", "bundle", "milliseconds"}


HEARD = [
    ("group 0 artist 1", "track 5", "2009-01-01T00:00:00Z"),
    ("group 0 artist 4", "track 21", "2009-01-02T00:00:00Z"),
]


def history_file(folder, kind):
    path = folder / f"history.{kind}"
    if kind == "csv":
        path.write_text("album,track,artist,time\n" + "".join(f"x,{t},{a},{at}\n" for a, t, at in HEARD))
    elif kind == "tsv":
        path.write_text("".join(f"me\t{at}\t\t{a}\t\t{t}\n" for a, t, at in reversed(HEARD)))
    elif kind == "jsonl":  # of ListenBrainz
        tracks = [({"artist_name": a, "track_name": t}, datetime.fromisoformat(at).timestamp()) for a, t, at in HEARD]
        path.write_text("".join(json.dumps({"listened_at": at, "track_metadata": one}) + "\n" for one, at in tracks))
    else:
        path.write_text(json.dumps({"history": [{"artist": a, "track": t, "time": at} for a, t, at in HEARD]}))
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_a_history_in_a_file_of_each_form_gives_the_same_list(home, tmp_path, kind):
    answers = [
        json.loads(printed("recommend", "--history", history_file(tmp_path, one), "--json", home=home))["items"]
        for one in (kind, "json")
    ]
    assert answers[0] == answers[1] and len(answers[0]) == 10
    assert {"track 5", "track 21"}.isdisjoint(item["track_name"] for item in answers[0])


def test_what_the_catalog_does_not_know_is_said_besides_the_table(home, tmp_path):
    (tmp_path / "history.csv").write_text("artist,track\nNobody,Nothing\n")
    result = loopback("recommend", "--history", tmp_path / "history.csv", home=home)
    assert "1 listens are to tracks that the catalog does not know" in result.stderr
    assert "what most people listen to" in result.stderr and "Popular: " in result.stdout


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"a,b\n1,2\n"),
        ("a.csv", b"artist,track,time\nx,y,yesterday\n"),
        ("a.csv", b"\xff\xfe\x00"),
        ("a.tsv", b"one\ttwo\n"),
        ("a.json", b"{"),
        ("a.json", b"7"),
        ("a.json", b"[" * 100_000),
        ("a.json", b'[{"artist": "\\ud800"}]'),
        ("a.json", b"\xff"),
        ("a.parquet", b"PAR1"),
        ("a", b""),
    ],
    ids=range(12),
)
def test_a_file_that_is_no_history_is_told_what_one_is(home, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    sentence = refused("recommend", "--history", tmp_path / name, home=home)
    assert "cannot be read as a history" in sentence and "give .csv with a header" in sentence


@pytest.mark.parametrize("user", ["", "  ", "a\udcffb"])
def test_an_id_that_no_user_can_have_is_a_sentence(home, user):
    assert "user_id" in refused("recommend", "--user", user, home=home)


# Neighbours


def test_neighbours_are_found_by_names_as_people_type_them(home):
    lines = printed("similar", "GROUP 2 artist 3", "-k", 4, home=home).splitlines()
    assert lines[0] == "Like group 2 artist 3" and len(lines) == 6
    tracks = json.loads(printed("similar", "group 2 artist 3", "track 17", "--json", home=home))
    assert tracks["of"]["track_name"] == "track 17" and len(tracks["items"]) == 10
    assert tracks["of"]["track"] not in [item["track"] for item in tracks["items"]]


@pytest.mark.parametrize("name", ["qqqqqqqq", "", "\udcff"])
def test_a_name_that_is_not_found_is_a_sentence(home, name):
    assert "The catalog has no artist like" in refused("similar", name, home=home)


# Export


def read(path):
    if path.suffix == ".parquet":
        return pl.read_parquet(path).to_dicts()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_export_holds_the_list_of_every_user_in_each_form(home, tmp_path):
    tables = {}
    for kind in ("parquet", "csv", "jsonl"):
        out = tmp_path / f"lists.{kind}"
        assert "300 rows" in printed("export", out, "-k", 5, "--task", "next_listen", home=home)
        tables[kind] = read(out)
    rows = tables["parquet"]
    assert [row["user_id"] for row in rows] == [f"user_{n:02d}" for n in range(60) for _ in range(5)]
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5] * 60
    one = json.loads(printed("recommend", "--user", "user_07", "--task", "next_listen", "-k", 5, "--json", home=home))
    of_user = [row for row in rows if row["user_id"] == "user_07"]
    assert [row["track_name"] for row in of_user] == [item["track_name"] for item in one["items"]]
    assert [row["reason"] for row in of_user] == [item["reason"] for item in one["items"]]
    for other in ("csv", "jsonl"):
        assert [(row["user_id"], row["track_name"]) for row in tables[other]] == [
            (row["user_id"], row["track_name"]) for row in rows
        ]
    assert {path.name for path in tmp_path.iterdir()} == {"lists.parquet", "lists.csv", "lists.jsonl"}


def test_users_who_were_erased_are_in_no_export(other_home, tmp_path):
    listens = ListenStore.open(other_home)
    listens.erase("user_07")
    listens.close()
    printed("export", tmp_path / "lists.jsonl", "-k", 1, home=other_home)
    expected = [f"user_{n:02d}" for n in range(60) if n != 7]
    assert [row["user_id"] for row in read(tmp_path / "lists.jsonl")] == expected


def test_a_port_that_is_taken_is_a_sentence(home):
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert "--port" in refused("serve", "--port", other.getsockname()[1], home=home)


def test_an_export_that_cannot_be_written_is_a_sentence_and_leaves_what_was_there(home, tmp_path):
    assert "ends in .parquet, .csv, .jsonl" in refused("export", tmp_path / "lists.xlsx", home=home)
    for kind in ("parquet", "csv", "jsonl"):
        sentence = refused("export", tmp_path / "no folder" / f"lists.{kind}", "-k", 1, home=home)
        assert "No such file or directory" in sentence and "give a path" in sentence
    assert list(tmp_path.iterdir()) == []


# Bundles


def test_bundles_are_listed_and_the_served_one_is_marked(home, versions):
    rows = json.loads(printed("bundles", "--json", home=home))
    assert {row["version"]: row["served"] for row in rows} == {versions[1]: True, versions[2]: False}
    marked = [line for line in printed("bundles", home=home).splitlines() if line.endswith("served")]
    assert len(marked) == 1 and marked[0].startswith(versions[1]) and "200 tracks" in marked[0]


def test_a_bundle_is_promoted_by_hand_taken_back_and_chosen_again_each_with_its_reason(other_home, versions):
    _, first, second = versions
    store = ArtifactStore(other_home)
    said = printed("promote", second, "--reason", "fresher", home=other_home)
    assert said == f"bundle/{second} is served.\n" and served_bundle(store).version == second
    assert "already" in printed("promote", second, "--reason", "fresher", home=other_home)
    said = printed("rollback", "--reason", "it plays one song", home=other_home)
    assert said == f"bundle/{first} is served again, instead of bundle/{second}.\n"
    assert served_bundle(store).version == first
    assert "`loopback rollback VERSION`" in refused("rollback", home=other_home)
    printed("rollback", second, home=other_home)
    rows = {row["version"]: row for row in json.loads(printed("bundles", "--json", home=other_home))}
    assert (rows[second]["served"], rows[second]["cause"], rows[second]["reason"]) == (True, "rollback", "Taken back.")
    assert (rows[first]["served"], rows[first]["reason"]) == (False, "it plays one song")
    listed = printed("bundles", home=other_home)
    assert "rollback: Taken back." in listed and "last from" in listed and "it plays one song" in listed


@pytest.mark.parametrize("reason", ["", " ", "\n", "\x1b", "\udcff"])
def test_a_reason_that_says_nothing_is_refused(other_home, versions, reason):
    result = loopback("promote", versions[2], "--reason", reason, home=other_home)
    assert result.exit_code == 2 and "give a reason in one line of text" in result.stderr
    assert served_bundle(ArtifactStore(other_home)).version == versions[1]


def test_a_reason_is_kept_as_one_line_without_what_a_terminal_would_obey(other_home, versions):
    printed("promote", versions[2], "--reason", "bad\u2028see\n\x1b[31mlog\udcff", home=other_home)
    rows = {row["version"]: row for row in json.loads(printed("bundles", "--json", home=other_home))}
    assert rows[versions[2]]["reason"] == "bad see [31mlog"


def test_what_came_into_service_meanwhile_is_not_rolled_back(other_home, versions, monkeypatch):
    store = ArtifactStore(other_home)
    first, second = (store.get("bundle", version) for version in versions[1:])
    deploy(store, second, "chosen", "fresher")

    def meanwhile(store):
        before = bundle_before(store)
        deploy(store, first, "promotion", "Not worse.")
        return before

    monkeypatch.setattr(choosing_bundle, "bundle_before", meanwhile)
    assert "look at `loopback bundles`, then do it again" in refused("rollback", home=other_home)
    assert served_version(store) == first.version and taken_back(store) == {first.version: "fresher"}


def test_what_is_not_needed_is_listed_with_what_it_frees_and_deleted_only_when_asked(other_home, versions):
    _, first, second = versions
    said = printed("clean", "--keep", 0, home=other_home)
    assert "Nothing" in said  # the first is served, the second is the newest
    shutil.copytree(other_home / "bundle" / second, other_home / "bundle" / "copy")
    manifest = other_home / "bundle" / "copy" / "manifest.json"
    content = {**read_sealed(manifest), "version": "copy", "created": "2001-01-01T00:00:00Z"}
    write_sealed(manifest, content)
    said = printed("clean", "--keep", 1, home=other_home)
    assert "bundle/copy" in said and "1 versions (1 of bundle)" in said and "loopback clean --delete" in said
    assert (other_home / "bundle" / "copy").is_dir()
    assert "Deleted 1 versions" in printed("clean", "--keep", 1, "--delete", home=other_home)
    assert not (other_home / "bundle" / "copy").exists()
    assert {row["version"] for row in json.loads(printed("bundles", "--json", home=other_home))} == {first, second}


@pytest.mark.parametrize("version", ["nothing", "../bundle", "..", ".", "", "a" * 5000])
def test_a_bundle_that_is_not_there_is_not_served_and_nothing_is_to_be_deleted(other_home, versions, version):
    for said in (
        refused("promote", version, "--reason", "x", home=other_home),
        refused("rollback", version, home=other_home),
    ):
        assert "There is no bundle" in said and "delete" not in said
    assert served_bundle(ArtifactStore(other_home)).version == versions[1]


def test_a_damaged_bundle_is_not_served(other_home, versions):
    path = other_home / "bundle" / versions[2] / "names.arrow"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    assert "names.arrow: other bytes" in refused("promote", versions[2], "--reason", "x", home=other_home)
    assert served_bundle(ArtifactStore(other_home)).version == versions[1]


def test_a_damaged_pointer_or_manifest_is_shown_and_the_others_are_listed(other_home, versions):
    (other_home / "bundle" / "SERVED").write_text("half")
    (other_home / "bundle" / versions[2] / "manifest.json").write_text("{")
    result = loopback("bundles", home=other_home)
    assert result.exit_code == 0 and versions[1] in result.stdout and versions[2] not in result.stdout
    assert "manifest.json" in result.stderr


@pytest.mark.parametrize(
    "command", [("recommend",), ("similar", "a"), ("export", "out.csv"), ("serve",)], ids=lambda one: one[0]
)
def test_without_a_bundle_every_command_says_how_to_build_one_and_makes_nothing(tmp_path, command):
    assert "select '*promotion'" in refused(*command, home=tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [("recommend",), ("similar", "a"), ("export", "out.csv")], ids=lambda one: one[0])
def test_a_damaged_bundle_is_a_sentence(other_home, versions, command):
    shutil.rmtree(other_home / "bundle" / versions[1] / "histories")
    assert "is missing" in refused(*command, home=other_home)


# Serving


def test_a_public_address_is_refused_without_a_key(home, monkeypatch):
    started = []
    monkeypatch.setattr(running, "_run", lambda *arguments: started.append(arguments))
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.org"):
        for keys in ("", " , "):
            assert "no API key is set" in refused("serve", "--host", host, home=home, LOOPBACK_API_KEYS=keys)
    assert started == []
    for host, keys in (("127.0.0.1", ""), ("localhost", ""), ("::1", ""), ("0.0.0.0", "one,two")):
        assert loopback("serve", "--host", host, home=home, LOOPBACK_API_KEYS=keys).exit_code == 0
    assert [host for host, *_ in started] == ["127.0.0.1", "localhost", "::1", "0.0.0.0"]


def test_what_is_said_at_the_start_holds_no_key(home, monkeypatch):
    monkeypatch.setattr(running, "_run", lambda *_: None)
    result = loopback("serve", home=home, LOOPBACK_API_KEYS="a secret")
    assert "with API keys" in result.output and "secret" not in result.output


def test_listens_that_cannot_be_opened_are_a_sentence_before_any_worker_starts(other_home, monkeypatch):
    monkeypatch.setattr(running, "_run", lambda *_: pytest.fail("it started"))
    (other_home / "listens").mkdir()
    (other_home / "listens" / "listens.sqlite").write_text("a letter, not a database. " * 100)
    assert "put a backup in its place" in refused("serve", "--workers", 2, home=other_home)


def test_what_is_blocked_is_listed_and_not_recommended(other_home):
    def recommended():
        rows = json.loads(printed("recommend", "--user", "user_01", "--json", home=other_home))["items"]
        return [(row["artist_name"], row["track_name"]) for row in rows]

    artist, track = recommended()[0]
    assert printed("blocked", home=other_home) == "Nothing is blocked.\n"
    assert "is not recommended any more" in printed(
        "block", f" {artist} ", track, "--reason", "asked to", home=other_home
    )
    assert "was blocked already" in printed("block", artist, track, "--reason", "again", home=other_home)
    assert (artist, track) not in recommended()
    (listed,) = json.loads(printed("blocked", "--json", home=other_home))
    assert (listed["artist"], listed["track"], listed["reason"]) == (artist, track, "asked to")
    assert f"{track} by {artist}: asked to" in printed("blocked", home=other_home)
    assert "may be recommended again" in printed("unblock", artist, track, home=other_home)
    assert "was not blocked" in printed("unblock", artist, home=other_home)
    assert recommended()[0] == (artist, track)
    assert "names that are not empty" in refused("block", " ", "--reason", "x", home=other_home)


def test_a_block_that_changes_nothing_yet_says_so_and_names_the_nearest(other_home):
    rows = json.loads(printed("recommend", "--user", "user_01", "--json", home=other_home))["items"]
    artist, track = rows[0]["artist_name"], rows[0]["track_name"]
    said = printed("block", artist.upper(), "--reason", "asked to", home=other_home)
    assert "nothing changes until one does" in said and f"that is found: all by {artist!r}" in said
    assert "nothing changes" in printed("block", artist.upper(), "--reason", "again", home=other_home)
    said = printed("block", artist, track.upper(), "--reason", "asked to", home=other_home)
    assert f"{track.upper()} by {artist} is on the list." in said and f"that is found: {track!r} by {artist!r}" in said
    assert printed("block", "Qzxqzx", "--reason", "no such name", home=other_home).endswith("until one does.\n")
    (other_home / "bundle" / "SERVED").write_text("damaged")
    assert "is not known: " in printed("block", artist, "--reason", "asked to", home=other_home)


def test_names_reach_the_terminal_without_what_it_would_obey(other_home):
    name = "red\x1b[31m\rand\nmore\x9b!"
    for command in (["block", name, "--reason", "x"], ["blocked"], ["unblock", name], ["unblock", name]):
        said = printed(*command, home=other_home)
        assert "red�[31m�and�more�!" in said and said.count("\n") == 1


def test_a_block_in_a_home_that_is_not_there_is_refused(tmp_path):
    assert "is not there: name the folder" in refused("block", "ann", "--reason", "x", home=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_pointer_to_nothing_is_named_and_a_test_ends_beside_it(other_home, versions):
    _, first, second = versions
    printed("challenge", second, "--share", "0.1", home=other_home)
    (other_home / "bundle" / "SERVED").write_text("0123456789abcdef\n")
    shown = loopback("bundles", home=other_home)
    assert shown.exit_code == 0 and "There is no bundle/0123456789abcdef, which" in shown.stderr
    assert "served to 10.0% of the users" in shown.output
    ended = loopback("challenge", "--end", home=other_home)
    assert ended.exit_code == 1 and ended.stdout == "The test has ended.\n" and "There is no bundle/" in ended.stderr
    printed("rollback", first, home=other_home)
    said = printed("challenge", "--end", home=other_home)
    assert said == f"There was no challenger.\nEverybody gets bundle/{first}.\n"


def test_a_damaged_pointer_does_not_hinder_a_rollback(other_home, versions):
    _, first, second = versions
    printed("promote", second, "--reason", "newer", home=other_home)
    (other_home / "bundle" / "SERVED").write_text("no version\n")
    assert printed("rollback", first, home=other_home) == f"bundle/{first} is served again.\n"


def test_what_the_gate_said_of_a_bundle_is_shown_and_said_again_when_it_is_chosen(other_home, versions):
    _, first, second = versions
    store = ArtifactStore(other_home)
    for version, decision in ((first, "promote"), (second, "keep"), (second, "quarantine")):
        said = {"decision": decision, "sentence": f"Because of {decision}."}
        upstream = {"bundle": version}
        store.build("promotion", lambda _, said=said: said, upstream=upstream, settings=said, code="")
    listed = printed("bundles", home=other_home)
    assert (
        "the gate: quarantine. Because of quarantine." in listed
        and "keep" not in listed
        and "the gate: p" not in listed
    )
    rows = {row["version"]: row["gate"] for row in json.loads(printed("bundles", "--json", home=other_home))}
    assert rows[first] == {"decision": "promote", "sentence": "Because of promote."}
    said = printed("promote", second, "--reason", "it is right", home=other_home)
    assert said == f"bundle/{second} is served.\nthe gate: quarantine. Because of quarantine.\n"
    assert "the gate" not in printed("promote", first, "--reason", "back", home=other_home)
    assert "the gate: quarantine" in printed("challenge", second, "--share", "0.1", home=other_home)
