import json
import os
import signal
import subprocess
import sys
import threading
from itertools import pairwise

import pytest

from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.deployments import bundle_before, deploy, deployments, lost_by_served, taken_back
from loopback_core.store.served_pointer import served_bundle, served_version

NAMES = ("a", "b", "c", "d")


def publish_bundle(store, name):
    def make(folder):
        (folder / "weights").write_text(name * 100)
        return {}

    return store.build("bundle", make, upstream={}, settings={"name": name}, code="")[0]


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "home")


@pytest.fixture
def bundles(store):
    return [publish_bundle(store, name) for name in NAMES]


def test_what_is_served_changes_with_its_history(store, bundles):
    a, b, _, _ = bundles
    assert served_version(store) is None and deployments(store) == []
    assert deploy(store, a, "first", "None was served.")
    assert deploy(store, b, "promotion", "Not worse.")
    assert not deploy(store, b, "promotion", "Again.")
    assert served_bundle(store) == b
    history = deployments(store)
    assert [(one["version"], one["cause"], one["reason"]) for one in history] == [
        (a.version, "first", "None was served."),
        (b.version, "promotion", "Not worse."),
    ]
    assert history[0]["since"] <= history[1]["since"]


def test_what_the_gate_lost_goes_with_a_bundle_until_a_person_chooses_it(store, bundles):
    a, b, c, _ = bundles
    assert lost_by_served(store) == {}
    deploy(store, a, "first", "")
    deploy(store, b, "promotion", "", lost={"discovery": -0.01, "next_listen": 0.0})
    assert lost_by_served(store) == {"discovery": -0.01, "next_listen": 0.0}
    deploy(store, c, "promotion", "", lost={"discovery": -0.02})
    assert lost_by_served(store) == {"discovery": -0.02}
    deploy(store, b, "rollback", "")
    assert lost_by_served(store) == {"discovery": -0.01, "next_listen": 0.0}
    deploy(store, a, "rollback", "")
    assert lost_by_served(store) == {}
    deploy(store, b, "chosen", "")
    assert lost_by_served(store) == {}


def test_a_history_of_before_has_lost_nothing_and_a_line_that_is_damaged_is_left_out(store, bundles):
    a, b, _, _ = bundles
    deploy(store, a, "promotion", "", lost={"discovery": -0.01})
    deploy(store, b, "promotion", "", lost={"discovery": -0.02})
    path = store.home / "bundle" / "SERVED.history"
    first, second = map(json.loads, path.read_text().splitlines())
    del first["lost"]
    second["lost"] = [1]
    path.write_text(json.dumps(first) + "\n" + json.dumps(second) + "\n")
    assert [(one["version"], one["lost"], one["cause"]) for one in deployments(store)] == [
        (a.version, {}, "promotion"),
        (b.version, {}, "chosen"),
    ]


def test_a_decision_against_another_champion_does_not_take_force(store, bundles):
    a, b, c, _ = bundles
    deploy(store, a, "first", "")
    deploy(store, b, "chosen", "by hand, meanwhile")
    with pytest.raises(ArtifactError, match="was not chosen in its place: materialize promotion again"):
        deploy(store, c, "promotion", "", instead_of=[a.version])
    with pytest.raises(ArtifactError, match="is served meanwhile"):
        deploy(store, c, "first", "", instead_of=[None])
    assert served_bundle(store) == b and len(deployments(store)) == 2


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("short")])
def test_a_bundle_with_a_missing_or_cut_file_is_not_deployed(store, bundles, damage):
    deploy(store, bundles[0], "first", "")
    damage(bundles[1].folder / "weights")
    with pytest.raises(ArtifactError, match="weights"):
        deploy(store, bundles[1], "promotion", "")
    assert served_bundle(store) == bundles[0] and len(deployments(store)) == 1


def test_a_rollback_leads_to_the_bundle_before_and_not_to_one_that_was_left(store, bundles):
    a, b, c, d = bundles
    for artifact in (a, b, c):
        deploy(store, artifact, "promotion", "")
    assert bundle_before(store) == b
    deploy(store, b, "rollback", "c fails")
    assert bundle_before(store) == a
    deploy(store, d, "promotion", "")
    assert bundle_before(store) == b
    deploy(store, b, "rollback", "d fails")
    deploy(store, a, "rollback", "b fails too")
    with pytest.raises(ArtifactError, match="left to go back to: those that a rollback left do not count"):
        bundle_before(store)


def test_what_a_rollback_to_a_bundle_never_served_left_is_not_gone_back_to(store, bundles):
    a, b, c, _ = bundles
    deploy(store, a, "first", "")
    deploy(store, b, "promotion", "")
    deploy(store, c, "rollback", "b is bad")
    assert bundle_before(store) == a


def test_a_rollback_passes_over_a_bundle_that_is_gone(store, bundles):
    for artifact in bundles[:3]:
        deploy(store, artifact, "promotion", "")
    (bundles[1].folder / "weights").unlink()
    assert bundle_before(store) == bundles[0]


def test_a_bundle_that_a_person_replaced_is_remembered_until_a_person_brings_it_back(store, bundles):
    a, b, c, _ = bundles
    deploy(store, a, "first", "")
    deploy(store, b, "promotion", "")
    deploy(store, a, "rollback", "it plays one song")
    assert taken_back(store) == {b.version: "it plays one song"}
    deploy(store, c, "promotion", "")
    assert taken_back(store) == {b.version: "it plays one song"}
    deploy(store, b, "chosen", "a wrong alarm")
    assert taken_back(store) == {c.version: "a wrong alarm"}


def test_an_entry_whose_change_was_interrupted_is_not_shown_and_goes_with_the_next_change(store, bundles):
    a, b, c, _ = bundles
    deploy(store, a, "first", "")
    deploy(store, b, "promotion", "")
    path = store.home / "bundle" / "SERVED.history"
    before = path.read_text()
    path.write_text(
        before + json.dumps({"version": c.version, "since": "x", "cause": "promotion", "reason": "x"}) + "\n"
    )
    assert [one["version"] for one in deployments(store)] == [a.version, b.version]
    deploy(store, a, "rollback", "")
    assert [one["version"] for one in deployments(store)] == [a.version, b.version, a.version]
    assert path.read_text().startswith(before)


def test_a_pointer_written_by_hand_and_lines_that_cannot_be_read_do_no_harm(store, bundles):
    a, b, _, _ = bundles
    deploy(store, a, "first", "")
    path = store.home / "bundle" / "SERVED.history"
    path.write_bytes(b"\xff\n[]\n{}\n" + path.read_bytes())
    (store.home / "bundle" / "SERVED").write_text(b.version + "\n")
    assert [one["version"] for one in deployments(store)] == [a.version, b.version]
    (store.home / "bundle" / "SERVED").write_text("half a line\x00")
    assert [one["version"] for one in deployments(store)] == [a.version]
    deploy(store, b, "chosen", "mended")
    assert [one["version"] for one in deployments(store)] == [a.version, b.version]


def test_a_reason_may_hold_what_other_programs_take_for_the_end_of_a_line(store, bundles):
    a, b, c, _ = bundles
    deploy(store, a, "first", "")
    deploy(store, b, "promotion", "Not worse.")
    deploy(store, c, "rollback", "bad\u2028see\u2029the\x85log")
    assert [one["version"] for one in deployments(store)] == [a.version, b.version, c.version]
    assert taken_back(store) == {b.version: "bad\u2028see\u2029the\x85log"}


def test_a_line_that_is_nested_too_deep_is_left_out(store, bundles):
    deploy(store, bundles[0], "first", "")
    with (bundles[0].folder.parent / "SERVED.history").open("a", encoding="utf-8") as file:
        file.write("[" * 200_000 + "\n")
    assert [one["version"] for one in deployments(store)] == [bundles[0].version]


def test_many_at_once_leave_a_history_that_ends_in_the_served_bundle(store, bundles):
    deploy(store, bundles[0], "first", "")

    def change(number):
        for turn in range(5):
            deploy(store, bundles[(number + turn) % 4], "chosen", f"{number}, {turn}")

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = deployments(store)
    assert history[-1]["version"] == served_bundle(store).version
    assert all(before["version"] != after["version"] for before, after in pairwise(history))


CHANGE_FOR_EVER = """
import itertools, sys
from pathlib import Path
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.deployments import deploy
store = ArtifactStore(Path(sys.argv[1]))
bundles = [store.get("bundle", version) for version in sys.argv[2:]]
print("begins", flush=True)
for turn in itertools.count():
    deploy(store, bundles[turn % len(bundles)], "chosen", str(turn))
"""


def test_a_killed_change_leaves_a_whole_bundle_in_service(store, bundles):
    deploy(store, bundles[0], "first", "")
    versions = [artifact.version for artifact in bundles]
    for kill in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", CHANGE_FOR_EVER, str(store.home), *versions], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None and process.stdout.readline() == "begins\n"
            threading.Event().wait(0.005 * (kill + 1))
            os.kill(process.pid, signal.SIGKILL)
        served_bundle(store).verify()
        assert deployments(store)[-1]["version"] == served_version(store)
