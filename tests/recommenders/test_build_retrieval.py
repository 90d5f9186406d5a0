from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch

from loopback_core.data import Histories
from loopback_core.features.popularity_columns import popularity_columns
from loopback_core.ranking.linear_ranker import LinearRanker, save_rankers
from loopback_core.recommenders import build_retrieval
from loopback_core.recommenders.build_retrieval import embed_catalog, index_catalog, real_queries
from loopback_core.retrieval.embed import track_vectors, user_vectors
from loopback_core.retrieval.indexes import load_index
from loopback_core.retrieval.vectors import load_catalog_values, load_vectors
from loopback_core.settings import IndexSettings, MlpSettings, ShardSettings, SplitSettings, TowersSettings
from loopback_core.splits import Splits, split_listens
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.two_tower import TwoTower, Vocabulary

START = datetime(2008, 1, 1, tzinfo=UTC)
# (day, user, artist, title): train until day 9, validation until day 19
LISTENS = [
    (1, "anna", "Björk", "Jóga"), (2, "anna", "Björk", "Jóga"), (3, "anna", "Can", "Halleluhwah"),
    (4, "bela", "Can", "Halleluhwah"), (5, "bela", "Can", "Vitamin C"), (6, "bela", "Low", "Lullaby"),
    (11, "anna", "Can", "Mother Sky"), (12, "carl", "Wire", "Lowdown"), (21, "anna", "Low", "Lullaby"),
    (22, "bela", "Faust", "Jennifer"),
]  # fmt: skip


@pytest.fixture
def splits(tmp_path):
    rows = [(user, START + timedelta(days=day), artist, title) for day, user, artist, title in LISTENS]
    frame = pl.DataFrame(rows, schema=["user_id", "timestamp", "artist_name", "track_name"], orient="row")
    no_id = pl.lit(None, pl.String)
    (tmp_path / "interactions").mkdir()
    frame.with_columns(artist_mbid=no_id, track_mbid=no_id).sort("user_id", "timestamp").write_parquet(
        tmp_path / "interactions" / "interactions.parquet"
    )
    cuts = SplitSettings(
        strategy="dates", train_until=START + timedelta(days=9), validation_until=START + timedelta(days=19)
    )
    split_listens(tmp_path / "interactions", tmp_path / "splits", cuts)
    return Splits(tmp_path / "splits")


@pytest.fixture
def built(splits, tmp_path):
    """Folder of the towers, vectors and index, with both summaries."""
    folder = tmp_path / "built"
    folder.mkdir()
    catalog = splits.tuning.catalog
    torch.manual_seed(0)
    shape = TowersSettings(mlp=MlpSettings(id_dim=4, hidden_dim=8), output_dim=6)
    TwoTower(Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists), shape).save(folder)
    ranker = LinearRanker.of({"towers": 2.0, "listeners": 0.5, "trend": 0.25})
    save_rankers({"discovery": ranker}, folder)
    embedded = embed_catalog(splits, folder, folder)
    indexed = index_catalog(splits, folder, folder, IndexSettings(kind="flat"), folder)
    return folder, embedded, indexed


def test_every_track_known_at_test_time_has_the_vector_of_its_row(splits, built):
    folder, embedded, _ = built
    assert embedded == {"tracks": 6, "dimension": 6, "unknown_tracks": 2}  # train has 4; Faust is the future's
    model, artist = TwoTower.load(folder), splits.testing.catalog.artist
    with torch.no_grad():
        vectors = model.tracks(TrackInputs(torch.arange(6), torch.tensor(artist.tolist()))).numpy()
    np.testing.assert_allclose(load_vectors(folder), vectors, atol=1e-6)


@pytest.mark.parametrize("processes", [1, 2])
def test_vectors_and_index_made_by_shard_are_those_made_at_once(splits, built, tmp_path, processes):
    folder, _, _ = built
    shards, checkpoints, by_shard = (
        ShardSettings(tracks=4, processes=processes),
        tmp_path / "kept",
        tmp_path / "by_shard",
    )
    checkpoints.mkdir()
    by_shard.mkdir()
    embed_catalog(splits, folder, by_shard, shards, checkpoints)
    np.testing.assert_allclose(load_vectors(by_shard), load_vectors(folder), atol=1e-6)
    settings = IndexSettings(kind="flat", shards=shards)
    indexed = index_catalog(splits, folder, folder, settings, by_shard, checkpoints)
    assert (by_shard / "tracks.faiss").read_bytes() == (folder / "tracks.faiss").read_bytes()
    assert indexed["reasons"] == ["index.kind is 'flat'."]
    assert list(checkpoints.iterdir()) == []


def test_embedding_goes_on_with_the_shards_that_are_complete(splits, built, tmp_path, monkeypatch):
    folder, _, _ = built
    made = []

    def killed_in_the_second(model, content, first, stop):
        made.append(first)
        if made == [0, 3]:
            raise KeyboardInterrupt
        return track_vectors(model, content, first, stop)

    monkeypatch.setattr(build_retrieval, "track_vectors", killed_in_the_second)
    by_shard = tmp_path / "by_shard"
    by_shard.mkdir()
    with pytest.raises(KeyboardInterrupt):
        embed_catalog(splits, folder, by_shard, ShardSettings(tracks=3), tmp_path)
    embed_catalog(splits, folder, by_shard, ShardSettings(tracks=3), tmp_path)
    assert made == [0, 3, 3]
    np.testing.assert_allclose(load_vectors(by_shard), load_vectors(folder), atol=1e-6)


def test_the_id_map_names_the_track_of_every_position_of_the_index(splits, built):
    folder, _, indexed = built
    names = pl.read_parquet(folder / "tracks.parquet")
    assert names.columns == ["track", "artist_name", "track_name"]
    assert names["track"].to_list() == list(range(6))
    assert (indexed["tracks"], indexed["kind"], indexed["recall@100"]) == (6, "flat", 1.0)
    assert indexed["bytes"] == (folder / "tracks.faiss").stat().st_size
    known = {(artist, title) for day, _, artist, title in LISTENS if day < 20}
    assert set(names.select("artist_name", "track_name").rows()) == known

    # By its name: the vector of a track of train is made from the ids that its listens have in the splits.
    [day_1] = names.filter(track_name="Jóga")["track"]
    assert splits.train.track[:2].tolist() == [day_1, day_1]
    found = load_index(folder).search(load_vectors(folder), 1, None)
    assert found.tracks[:, 0].tolist() == list(range(6))


def test_an_index_is_measured_with_the_vectors_of_real_users(splits, built):
    folder, _, _ = built
    fit = splits.testing
    queries = real_queries(splits, folder)
    all_users = Histories.of(fit.events, np.arange(3), fit.now)  # anna, bela, and carl, whom train does not know
    users = user_vectors(TwoTower.load(folder), all_users, fit.catalog.artist)
    np.testing.assert_allclose(queries, users, rtol=1e-5)
    assert real_queries(splits, folder, limit=2).shape == (2, 6)


def test_the_catalog_terms_of_every_track_are_kept_beside_its_vector(splits, built):
    np.testing.assert_array_equal(load_catalog_values(built[0])[:, :2], popularity_columns(splits.testing))
