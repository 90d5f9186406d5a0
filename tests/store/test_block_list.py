"""What is never recommended: the file that names it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.block_list import BLOCKED, add_block, blocked, remove_block


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "home")


def test_names_are_blocked_once_and_unblocked_with_their_reasons(store):
    assert blocked(store) == ()
    assert add_block(store, "Abba", None, "asked to") and add_block(store, "Blur", "Song 2", "too loud")
    assert not add_block(store, "Abba", None, "again") and add_block(store, "Abba", "SOS", "besides")
    assert [(*one.names, one.reason) for one in blocked(store)] == [
        ("Abba", None, "asked to"),
        ("Blur", "Song 2", "too loud"),
        ("Abba", "SOS", "besides"),
    ]
    assert remove_block(store, "Abba", None) and not remove_block(store, "Abba", None)
    assert [one.names for one in blocked(store)] == [("Blur", "Song 2"), ("Abba", "SOS")]


def test_names_may_hold_what_other_programs_take_for_the_end_of_a_line(store):
    assert add_block(store, "a\x85b", "c\u2028d", "asked\u2029to")
    (one,) = blocked(store)
    assert (one.artist, one.track, one.reason) == ("a\x85b", "c\u2028d", "asked\u2029to")


def test_what_several_block_at_once_is_all_blocked(store):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: add_block(store, f"artist {number}", None, "x"), range(40)))
    assert {one.artist for one in blocked(store)} == {f"artist {number}" for number in range(40)}


@pytest.mark.parametrize("line", ["", "{}", "[]", '{"artist": "Abba"}', '{"artist": "Abba", "track": null, "since": 1'])
def test_a_damaged_line_is_a_sentence_and_is_not_overwritten(store, line):
    add_block(store, "Blur", None, "x")
    path = store.home / "bundle" / BLOCKED
    path.write_text(path.read_text("utf-8") + (line or "null") + "\n", "utf-8")
    damaged = path.read_bytes()
    for change in (
        lambda: blocked(store),
        lambda: add_block(store, "Abba", None, "x"),
        lambda: remove_block(store, "Blur", None),
    ):
        with pytest.raises(ArtifactError, match="mend the line, or delete the file"):
            change()
    assert path.read_bytes() == damaged
