"""What is blocked is in no list, whichever way it is made, and in no neighbourhood."""

import numpy as np
import pytest
from planted_home import copy_home, over, wait_until, wait_until_ready

from loopback_core.serving.answering import answer
from loopback_core.serving.blocked_tracks import NOTHING_BLOCKED, BlockedTracks, FollowedBlockList
from loopback_core.serving.loaded import LoadedBundle
from loopback_core.serving.prepared import Asked, PreparedListeners
from loopback_core.serving.question import HeardTrack, Question
from loopback_core.serving.similar import similar_artists, similar_tracks
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.block_list import BLOCKED, BlockedName, add_block, remove_block
from loopback_core.store.served_pointer import served_bundle

QUESTIONS = {
    "as known": Question("user_01", k=20),
    "next listen": Question("user_01", task="next_listen", k=20),
    "mixed": Question("user_01", k=20, familiarity=0.5),
    "diverse": Question("user_01", k=20, diversity=0.7),
    "a history": Question(history=(HeardTrack("artist_03", "track_030"),), k=20),
    "nobody": Question(k=20),
}


def shown(listeners, question, blocked=NOTHING_BLOCKED):
    (one,) = answer(listeners, [Asked(question)], blocked)
    return [item.track for item in one.items]


def name_of(served, track):
    return served.names["artist_name"][track].as_py(), served.names["track_name"][track].as_py()


def blocks(served, tracks=(), artists=()):
    names = [*(name_of(served, track) for track in tracks), *((served.artist_name(one), None) for one in artists)]
    return BlockedTracks.of(served, [BlockedName(artist, track, "", "") for artist, track in names])


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_blocked_tracks_and_artists_are_in_no_list_and_come_back(reading_bundle, question):
    listeners = PreparedListeners(reading_bundle)
    before = shown(listeners, question)
    artist_of = reading_bundle.bundle.catalog.artist
    blocked = blocks(reading_bundle, before[:3], [artist_of[before[3]]])
    assert set(before[:3]) <= set(blocked.tracks.tolist()) and len(blocked.artists) == 1
    after = shown(listeners, question, blocked)
    assert len(after) == 20 and not np.isin(after, blocked.tracks).any()
    assert artist_of[before[3]] not in artist_of[after]
    assert shown(listeners, question) == before


def test_the_order_of_what_is_left_is_the_same(reading_bundle):
    question = QUESTIONS["as known"]
    listeners = PreparedListeners(reading_bundle)
    longer = shown(listeners, Question("user_01", k=25))
    blocked = blocks(reading_bundle, longer[1:6])
    assert shown(listeners, question, blocked) == [longer[0], *longer[6:]]


def test_a_list_from_which_nearly_all_is_blocked_is_filled_from_the_rest(reading_bundle):
    listeners = PreparedListeners(reading_bundle)
    n_tracks = reading_bundle.bundle.catalog.n_tracks
    question = Question("user_01", task="next_listen", k=10)
    everything = shown(listeners, Question("user_01", task="next_listen", k=min(n_tracks, 1000)))
    blocked = blocks(reading_bundle, everything[:-5])
    assert set(shown(listeners, question, blocked)) <= set(range(n_tracks)) - set(everything[:-5])


def test_names_that_the_bundle_does_not_know_block_nothing(reading_bundle):
    unknown = BlockedTracks.of(
        reading_bundle, [BlockedName("nobody", None, "", ""), BlockedName("nobody", "nothing", "", "")]
    )
    assert len(unknown.tracks) == len(unknown.artists) == 0


def test_neighbours_that_are_blocked_are_left_out(reading_bundle):
    near = [track for track, _ in similar_tracks(reading_bundle, 0, 6)]
    assert [track for track, _ in similar_tracks(reading_bundle, 0, 5, blocks(reading_bundle, near[:1]))] == near[1:]
    artists = [artist for artist, _ in similar_artists(reading_bundle, 0, 6)]
    without = similar_artists(reading_bundle, 0, 5, blocks(reading_bundle, artists=artists[:1]))
    assert [artist for artist, _ in without] == artists[1:]


def test_a_running_service_follows_and_keeps_the_list_before_a_damaged_one(shared_home, tmp_path):
    home = copy_home(shared_home, tmp_path)
    store = ArtifactStore(home)
    with over(home) as client:
        wait_until_ready(client)

        def titles():
            items = client.post("/v1/recommendations", json={"user_id": "user_01", "k": 10}).json()["items"]
            return [(item["artist_name"], item["track_name"]) for item in items]

        before = titles()
        add_block(store, *before[0], "asked to")
        wait_until(lambda: before[0] not in titles())
        assert titles()[:9] == before[1:]

        path = home / "bundle" / BLOCKED
        whole = path.read_bytes()
        path.write_bytes(whole[:-5])
        wait_until(lambda: "loopback_block_list_failed 1.0" in client.get("/metrics").text)
        assert titles()[:9] == before[1:]

        path.write_bytes(whole)
        assert remove_block(store, *before[0])
        wait_until(lambda: titles() == before)


def test_a_list_that_changes_while_it_is_brought_into_ids_does_not_stay(shared_home, tmp_path, monkeypatch):
    home = copy_home(shared_home, tmp_path)
    store, loaded = ArtifactStore(home), LoadedBundle.load(served_bundle(ArtifactStore(home)))
    followed, of = FollowedBlockList(store), BlockedTracks.of
    add_block(store, *name_of(loaded.served, 0), "asked to")

    def slow(served, blocks):
        found = of(served, blocks)
        if len(blocks) == 1:
            add_block(store, *name_of(loaded.served, 1), "asked to")
            followed.follow()
        return found

    monkeypatch.setattr(BlockedTracks, "of", slow)
    followed.of(loaded)
    assert followed.of(loaded).tracks.tolist() == [0, 1]
