"""The second bundle: who gets it, and the file that names it."""

import shutil

import pytest

from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.challenger_pointer import Challenge, challenge_of
from loopback_core.store.deployments import deploy, end_challenge, start_challenge

USERS = [f"user {number}" for number in range(20_000)]


def taken(challenge):
    return {user for user in USERS if challenge.takes(user)}


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "home")


@pytest.fixture
def two(store):
    """The bundle that is served, and another."""

    def publish(seed):
        def make(folder):
            (folder / "data").write_text(str(seed))
            return {}

        return store.build("bundle", make, upstream={}, settings={"seed": seed}, code="")[0]

    champion, other = publish(0), publish(1)
    deploy(store, champion, "first", "")
    return champion, other


def test_the_split_is_near_the_share_stable_and_the_same_for_any_version():
    one = Challenge("b", 0.1, "salt")
    assert len(taken(one)) == pytest.approx(2_000, abs=150)  # 3.5 standard deviations
    assert taken(one) == taken(Challenge("b", 0.1, "salt")) == taken(Challenge("c", 0.1, "salt"))
    assert taken(one) < taken(Challenge("b", 0.3, "salt"))
    both = taken(one) & taken(Challenge("b", 0.1, "another salt"))
    assert len(both) == pytest.approx(200, abs=50)  # as of two draws that know nothing of each other


def test_a_test_keeps_its_users_when_its_share_grows_and_the_next_one_draws_others(store, two):
    first = start_challenge(store, two[1], 0.1)
    assert challenge_of(store) == first
    wider = start_challenge(store, two[1], 0.2)
    assert (wider.salt, wider.share) == (first.salt, 0.2) and challenge_of(store) == wider
    assert end_challenge(store) and challenge_of(store) is None and not end_challenge(store)
    assert start_challenge(store, two[1], 0.1).salt != first.salt


def test_the_bundle_that_everybody_gets_is_no_challenger(store, two):
    with pytest.raises(
        ArtifactError, match=f"bundle/{two[0].version} cannot be a challenger: it is served to everybody"
    ):
        start_challenge(store, two[0], 0.1)
    start_challenge(store, two[1], 0.1)
    deploy(store, two[1], "chosen", "it won")
    assert challenge_of(store) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"b1",
        b"\xff",
        b"{}",
        b"[" * 100_000,
        b'{"version": "../x", "share": 0.1, "salt": "s"}',
        b'{"version": "b1", "share": 1.5, "salt": "s"}',
        b'{"version": "b1", "share": NaN, "salt": "s"}',
        b'{"version": "b1", "share": 0.1, "salt": ""}',
    ],
    ids=range(9),
)
def test_a_damaged_file_is_a_sentence_and_may_be_replaced(store, two, content):
    (store.home / "bundle" / "CHALLENGER").write_bytes(content)
    with pytest.raises(ArtifactError, match="loopback challenge --end"):
        challenge_of(store)
    start_challenge(store, two[1], 0.1)
    assert challenge_of(store).version == two[1].version


def test_there_is_no_test_beside_a_bundle_that_is_gone(store, two):
    shutil.rmtree(two[0].folder)
    with pytest.raises(
        ArtifactError, match=f"There is no bundle/{two[0].version}, which .*SERVED names: choose a bundle"
    ):
        start_challenge(store, two[1], 0.1)
    assert challenge_of(store) is None
