from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from planted_log import planted_splits

from loopback_core.data import NOTHING, Ragged
from loopback_core.errors import ArtifactError, RequestError
from loopback_core.ranking.linear_ranker import LinearRanker, load_rankers, save_rankers
from loopback_core.ranking.relations import Relations
from loopback_core.recommenders.build_retrieval import embed_catalog, index_catalog
from loopback_core.recommenders.bundle import Bundle
from loopback_core.recommenders.index_recommender import IndexRecommender
from loopback_core.recommenders.request import Request
from loopback_core.settings import IndexSettings, TowersSettings
from loopback_core.tasks.task_builders import discovery
from loopback_core.towers.two_tower import TwoTower, Vocabulary

RANKER = LinearRanker.of(
    {
        "towers": 1.0,
        "listeners": 0.5,
        "track plays 7d": 8.0,
        "artist plays": 4.0,
        "artist plays x listeners": 1.0,
        "related": 1.0,
        "follows last 10": 0.5,
    }
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The artifacts of untrained towers that read histories, with every term in the score, all in one folder."""
    import torch

    folder = tmp_path_factory.mktemp("bundle")
    splits = planted_splits(folder)
    shape = TowersSettings(user_encoder="pooled", track_encoder="sum", output_dim=8)
    catalog = splits.testing.catalog
    torch.manual_seed(0)
    towers = folder / "towers"
    towers.mkdir()
    TwoTower(Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists), shape).save(towers)
    Relations.learn(splits.testing, 100, 20).save(towers)
    save_rankers(dict.fromkeys(("discovery", "next_listen"), RANKER), towers)
    for name in ("vectors", "index"):
        (folder / name).mkdir()
    embed_catalog(splits, towers, folder / "vectors")
    index_catalog(splits, towers, folder / "vectors", IndexSettings(kind="flat"), folder / "index")
    return folder, splits


@pytest.fixture
def bundle(folder):
    path, splits = folder
    return Bundle.load(splits, path / "towers", path / "towers", path / "vectors", path / "index")


def history_of(splits, user):
    """The listens of a known user by name, newest first."""
    events = splits.testing.events
    own = np.flatnonzero(events.user == user)[::-1]
    names = splits.track_names
    return [
        (
            names["artist_name"][int(events.track[place])],
            names["track_name"][int(events.track[place])],
            datetime.fromtimestamp(int(events.timestamp[place]), UTC),
        )
        for place in own
    ]


def test_a_history_given_by_names_gets_the_list_that_the_evaluation_measures(bundle, folder):
    _, splits = folder
    task = discovery(splits.testing_period)
    scorer = bundle.towers.scorer(task, bundle.vectors)
    measured = IndexRecommender(scorer, bundle.index, 0).recommend(task.histories, 20, task.exclude)
    for row, user in enumerate(task.users[:5]):
        answer = bundle.recommend(
            Request(history_of(splits, user), k=20, at=datetime.fromtimestamp(splits.testing.now, UTC))
        )
        given = measured.tracks[row] != NOTHING
        assert [one.track for one in answer] == measured.tracks[row][given].tolist()
        np.testing.assert_allclose([one.score for one in answer], measured.scores[row][given], rtol=1e-4)
        named = splits.track_names.select("artist_name", "track_name").row(answer[0].track)
        assert (answer[0].artist_name, answer[0].track_name) == named


def test_discovery_leaves_out_what_was_played_and_next_listen_does_not(bundle, folder):
    _, splits = folder
    history = history_of(splits, 0)
    played = {(artist, title) for artist, title, _ in history}

    def named(request):
        return {(one.artist_name, one.track_name) for one in bundle.recommend(request)}

    assert not named(Request(history, k=50)) & played
    assert named(Request(history, task="next_listen", k=10)) & played


def test_what_is_excluded_is_not_recommended(bundle, folder):
    _, splits = folder
    first = bundle.recommend(Request(history_of(splits, 0), task="next_listen", k=3))
    out = [(first[0].artist_name, first[0].track_name), ("Nobody", "Unheard")]
    again = bundle.recommend(Request(history_of(splits, 0), task="next_listen", k=2, exclude=out))
    assert [one.track for one in again] == [one.track for one in first[1:]]


def test_an_empty_history_and_one_of_unknown_tracks_get_the_same_list(bundle, caplog):
    nothing = bundle.recommend(Request([], k=5))
    caplog.set_level("INFO", "loopback")
    unknown = bundle.recommend(Request([("Nobody", "Unheard", "2006-01-01T00:00:00Z")], k=5))
    assert nothing == unknown and len(nothing) == 5
    assert "1 of 1 listens are to tracks that the catalog does not know" in caplog.text


def test_names_are_matched_as_ingest_matches_them_and_times_without_a_zone_are_utc(bundle, folder):
    _, splits = folder
    artist, title, when = history_of(splits, 0)[0]
    plain = bundle.recommend(Request([(artist, title, when)], task="next_listen", k=5))
    spaced = [(f"  {artist} ", title, when.replace(tzinfo=None).isoformat())]
    assert bundle.recommend(Request(spaced, task="next_listen", k=5)) == plain


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"history": [], "k": 0}, "ask for at least one"),
        ({"history": [], "k": 1.5}, "k is 1.5; ask for"),
        ({"history": [], "task": "discover"}, "'discover' is not known: ask for 'discovery' or"),
        ({"history": [("A", "B", "yesterday")]}, "'yesterday' cannot be read"),
        ({"history": [("A", "B")]}, "is not a listen: give"),
        ({"history": [(1, "B", "2008-01-01T00:00:00Z")]}, "1 is not a text: names"),
        ({"history": [("\ud800", "B", "2008-01-01T00:00:00Z")]}, "is not a text: names"),
        ({"history": [("A", "B", "2008-01-01T00:00:00Z")], "at": datetime(1990, 1, 1)}, "listens after at = 1990"),
    ],
)
def test_a_request_that_cannot_be_answered_is_a_sentence(bundle, given, sentence):
    with pytest.raises(RequestError, match=sentence):
        bundle.recommend(Request(**given))


def test_more_tracks_than_there_are_are_all_of_them(bundle):
    assert len(bundle.recommend(Request([], task="next_listen", k=10**12))) == len(bundle.vectors)


def test_times_are_text_datetimes_or_seconds_since_1970(bundle):
    ways = ("2008-01-02T00:00:00Z", datetime(2008, 1, 2, tzinfo=UTC), 1_199_232_000, 1_199_232_000.0)
    assert {Request([("A", "B", when)]).times().tolist()[0] for when in ways} == {1_199_232_000}
    with pytest.raises(RequestError, match="cannot be read"):
        bundle.recommend(Request([("A", "B", 1e300)]))


def test_what_cannot_be_excluded_is_a_sentence():
    with pytest.raises(RequestError, match="give \\(artist, title\\) of each track"):
        Request([], exclude=[("A",)])


def test_towers_of_user_ids_refuse_a_history(bundle):
    by_id = TwoTower(Vocabulary(2, 3, 2), TowersSettings()).eval()
    with pytest.raises(RequestError, match="read no history: train a preset that reads histories"):
        replace(bundle, towers=replace(bundle.towers, model=by_id)).recommend(Request([]))


def test_a_folder_without_artifacts_is_a_sentence(tmp_path):
    with pytest.raises(ArtifactError, match="There is no faiss_index in"):
        Bundle.open(tmp_path)


def test_rankers_are_read_back_and_a_file_of_other_terms_is_a_sentence(tmp_path):
    save_rankers({"discovery": RANKER}, tmp_path)
    assert load_rankers(tmp_path) == {"discovery": RANKER}
    (tmp_path / "scoring.json").write_text('{"discovery": {"weights": {"luck": 1}, "standardised": {}}}')
    with pytest.raises(ArtifactError, match="train the towers again"):
        load_rankers(tmp_path)


def test_one_request_excludes_nothing_of_another(bundle):
    """The exclusion of a request is a row of its own."""
    exclude = Ragged(np.array([0, 0]), np.zeros(0, np.int64))
    none = np.zeros(0, np.int64)
    histories = bundle.histories([none], [none], [bundle.now])
    scorer = bundle.scorer("discovery")
    ranking = IndexRecommender(scorer, bundle.index, 0).recommend(histories, 5, exclude)
    assert [one.track for one in bundle.recommend(Request([], k=5))] == ranking.tracks[0].tolist()
