import numpy as np
import pytest
from planted_log import planted_splits

from loopback_core.data import Histories, Ragged
from loopback_core.errors import ArtifactError
from loopback_core.ranking import related_artists
from loopback_core.ranking.related_artists import CONTRAST, RELATED, RelatedArtists, ease_weights, load_related
from loopback_core.ranking.relations import Relations
from loopback_core.ranking.terms import Knowledge, Listened, RelatedTerm


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return planted_splits(tmp_path_factory.mktemp("planted")).tuning


@pytest.fixture(scope="module")
def learned(data):
    return RelatedArtists.learn(data, most=1_000)


def plays_of_artists(data):
    plays = np.zeros((data.catalog.n_users, data.catalog.n_artists))
    np.add.at(plays, (data.events.user, data.catalog.artist[data.events.track]), 1)
    return plays


def history_of(data, *rows):
    tracks = Ragged(np.cumsum([0, *map(len, rows)]), np.concatenate([*rows, []]).astype(np.int64))
    users, now = np.full(len(rows), -1), np.full(len(rows), data.now)
    return Histories(users, tracks, np.zeros(len(tracks.values), np.int64), now)


def related_of(learned, data, histories):
    listened = Listened(histories, Knowledge(data.catalog, Relations(learned)))
    return RelatedTerm().bag(listened)


def test_the_closed_form_is_the_best_linear_model_without_a_diagonal():
    """Each column by itself, as ridge regression on all other columns."""
    rng = np.random.default_rng(0)
    x = rng.random((20, 6))
    weights = ease_weights(x.T @ x, 0.7)
    for column in range(6):
        others = np.delete(np.arange(6), column)
        ridge = np.linalg.solve(x[:, others].T @ x[:, others] + 0.7 * np.eye(5), x[:, others].T @ x[:, column])
        np.testing.assert_allclose(weights[others, column], ridge, atol=1e-5)
        assert weights[column, column] == 0


def test_weights_are_learned_from_the_logs_of_plays_of_artists(data, learned):
    logs = np.log1p(plays_of_artists(data))[:, learned.artists]
    np.testing.assert_allclose(learned.weights, ease_weights(logs.T @ logs, 100.0), atol=1e-6)
    assert learned.artists.tolist() == np.flatnonzero(data.catalog.artist_listeners >= 2).tolist()


def test_only_artists_with_the_most_listeners_are_learned_of(data):
    few = RelatedArtists.learn(data, most=5)
    listeners = data.catalog.artist_listeners
    assert len(few.artists) == 5 and few.weights.shape == (5, 5)
    assert listeners[few.artists].min() >= np.delete(listeners, few.artists).max()


def test_users_of_several_blocks_give_the_same_weights(data, learned, monkeypatch):
    monkeypatch.setattr(related_artists, "HISTORIES_AT_ONCE", 7)
    again = RelatedArtists.learn(data, most=1_000)
    np.testing.assert_allclose(again.weights, learned.weights, atol=1e-6)


def test_artists_are_weighed_by_their_share_of_the_largest_score(data, learned):
    rows = [data.events.track[data.events.user == user].astype(np.int64) for user in (0, 1)]
    beyond_the_catalog = np.array([data.catalog.n_tracks + 3])
    bag = related_of(learned, data, history_of(data, *rows, beyond_the_catalog))
    for row, tracks in enumerate(rows):
        heard = np.log1p(np.bincount(data.catalog.artist[tracks], minlength=data.catalog.n_artists))
        scores = np.maximum(heard[learned.artists] @ learned.weights, 0)
        expected = np.log1p(CONTRAST * scores / scores.max())
        there = bag.row == row
        assert bag.items[there].tolist() == learned.artists[scores > 0].tolist()
        np.testing.assert_allclose(bag.weights[there, 0], expected[scores > 0], rtol=1e-4)
    assert not (bag.row == 2).any()


def test_only_the_most_related_artists_are_named(data, learned, monkeypatch):
    history = history_of(data, data.events.track[data.events.user == 0].astype(np.int64))
    every = related_of(learned, data, history)
    monkeypatch.setattr(related_artists, "MOST_RELATED", 4)
    few = related_of(learned, data, history)
    order = np.argsort(-every.weights[:, 0])[:4]
    assert sorted(few.items.tolist()) == sorted(every.items[order].tolist())


def test_related_artists_do_not_depend_on_the_size_of_the_block(data, learned, monkeypatch):
    rows = [data.events.track[data.events.user == user].astype(np.int64) for user in range(5)]
    whole = related_of(learned, data, history_of(data, *rows))
    monkeypatch.setattr(related_artists, "HISTORIES_AT_ONCE", 2)
    parts = related_of(learned, data, history_of(data, *rows))
    assert whole.items.tolist() == parts.items.tolist() and whole.row.tolist() == parts.row.tolist()
    np.testing.assert_allclose(whole.weights, parts.weights, rtol=1e-5)


def test_what_is_kept_is_what_is_read(learned, tmp_path):
    learned.save(tmp_path)
    read = load_related(tmp_path)
    assert np.array_equal(read.artists, learned.artists) and np.array_equal(read.weights, learned.weights)


def test_towers_without_related_artists_are_no_error_and_a_damaged_file_is_one(learned, tmp_path):
    assert load_related(tmp_path) is None
    learned.save(tmp_path)
    whole = (tmp_path / RELATED).read_bytes()
    (tmp_path / RELATED).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="train the towers again"):
        load_related(tmp_path)


def test_no_histories_and_no_learned_artists_give_empty_bags(data, learned, tmp_path):
    """An empty block of users, and a log in which no artist has two listeners."""
    assert not len(related_of(learned, data, history_of(data)).items)
    nothing = RelatedArtists.learn(data, most=0)
    nothing.save(tmp_path)
    history = history_of(data, data.events.track[data.events.user == 0].astype(np.int64))
    assert not len(related_of(load_related(tmp_path), data, history).items)
