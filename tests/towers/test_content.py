from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
import torch.nn.functional as F

from loopback_core.data import Events, FitData
from loopback_core.data.names import TrackNames
from loopback_core.errors import SettingsError
from loopback_core.features.track_content import track_content
from loopback_core.retrieval.embed import track_vectors
from loopback_core.settings import SumSettings, TowersSettings
from loopback_core.splits.catalog_counts import count_catalog
from loopback_core.towers.optional.content import NumberEncoder
from loopback_core.towers.readers import TrackReader
from loopback_core.towers.two_tower import TwoTower, Vocabulary

NAMED = pl.DataFrame(
    {
        "artist": [
            0,
            1,
            2,
            3,
        ],  # track 3 and its artist are beyond the fit data; it is called like the artist of track 0
        "artist_name": ["Silver Mt. Zion", "Can", "Low", "Thee Silver Mt. Zion"],
        "track_name": ["One", "Two", "Three", "Four"],
    }
)
ARTIST = NAMED["artist"].to_numpy().astype(np.int32)
DAY = 86_400


def shape(**of_sum):
    return TowersSettings(user_encoder="pooled", track_encoder="sum", output_dim=16, sum=SumSettings(**of_sum))


def fit_data():
    events = Events(
        np.array([0, 0, 1, 1], np.int32), np.array([0, 1, 1, 2], np.int32), np.array([0, DAY, 2 * DAY, 3 * DAY])
    )
    return FitData(events, count_catalog(events, ARTIST), 4 * DAY, names=TrackNames(lambda: NAMED))


def towers(settings, widths=(0, 0)):
    torch.manual_seed(0)
    return TwoTower(Vocabulary(2, 3, 3, *widths), settings, sparse=True)


def test_content_has_no_effect_before_training():
    settings = shape(ngram_buckets=64, track_statistics=True)
    content = track_content(fit_data(), settings, ARTIST)
    with_content = towers(settings, content.widths)
    without = towers(shape())
    for name in ("track", "artist"):
        getattr(without.tracks, name).weight.data.copy_(getattr(with_content.tracks, name).weight)
    plain = track_content(fit_data(), shape(), ARTIST)
    assert np.array_equal(track_vectors(with_content, content), track_vectors(without, plain))


def test_an_unknown_track_lies_near_the_track_of_an_artist_with_a_similar_name():
    settings = shape(ngram_buckets=4096, id_dropout=0.5, artist_dropout=0.5)
    model, content = towers(settings), track_content(fit_data(), settings, ARTIST)
    places = torch.eye(3, 16)  # where training wants the three tracks
    reader, optimizer = TrackReader(content, settings), torch.optim.Adam(model.tracks.parameters(), 0.02)
    for table in model.embeddings():
        table.sparse = False
    for _ in range(150):
        optimizer.zero_grad()
        (1 - (model.train().tracks(reader.read(np.arange(3))) * places).sum(dim=1)).mean().backward()
        optimizer.step()
    for table in model.embeddings():
        table.settle_unknown()
    stranger = track_vectors(model, content)[3]
    assert np.argmax(stranger[:3]) == 0


def test_statistics_are_those_of_the_fit_data_and_a_track_beyond_it_has_none():
    content = track_content(fit_data(), shape(track_statistics=True), ARTIST)
    assert content.statistics is not None
    listeners, trend, plays, days = content.statistics[1]
    assert np.expm1([listeners, plays, days]) == pytest.approx([2, 2, 3], rel=1e-5)
    assert np.expm1(trend) == pytest.approx(0.5 ** (3 / 60) + 0.5 ** (2 / 60), rel=1e-5)
    assert np.isnan(content.statistics[3]).all()


def test_numbers_are_standardised_and_what_is_unknown_stands_at_the_mean():
    made = NumberEncoder(1, 1, 2)
    made.standardise(np.array([[1.0, 10.0], [3.0, np.nan], [np.nan, 30.0]], np.float32))
    with torch.no_grad():
        made.layer.weight.copy_(torch.eye(2))
    values = torch.tensor([[1.0, 30.0], [3.0, torch.nan]])
    assert made(values, torch.tensor([True, True])).tolist() == [[-1.0, 1.0], [1.0, 0.0]]
    assert made(values, torch.tensor([False, False])).tolist() == [[0.0, 1.0], [0.0, 0.0]]  # statistics go with the id


def test_a_column_that_never_changes_stays_finite():
    made = NumberEncoder(0, 1, 2)
    made.standardise(np.full((3, 1), 7, np.float32))
    assert torch.isfinite(made(torch.full((2, 1), 7.0), torch.ones(2, dtype=torch.bool))).all()


def test_towers_with_content_are_saved_and_read_back(tmp_path):
    path = tmp_path / "features.parquet"
    NAMED.select("artist_name", "track_name").with_columns(x=pl.Series([1.0, 2.0, 3.0, 9.0])).write_parquet(path)
    settings = shape(ngram_buckets=64, track_statistics=True, features=str(path))
    content = track_content(fit_data(), settings, ARTIST)
    model = towers(settings, content.widths)
    with torch.no_grad():
        for layer in (model.tracks.content.numbers.layer, model.tracks.content.names.title):
            layer.weight.copy_(torch.randn_like(layer.weight))
        model.tracks.content.numbers.standardise(content.dense(np.arange(3)))
    model.save(tmp_path)
    assert np.array_equal(track_vectors(TwoTower.load(tmp_path), content), track_vectors(model, content))


def test_a_file_of_features_that_changed_its_columns_since_training_is_refused(tmp_path):
    path = tmp_path / "features.parquet"
    named = NAMED.select("artist_name", "track_name").with_columns(x=pl.Series([1.0, 2.0, 3.0, 9.0]))
    named.write_parquet(path)
    settings = shape(features=str(path))
    model = towers(settings, track_content(fit_data(), settings).widths)
    named.with_columns(y=pl.col("x")).write_parquet(path)
    with pytest.raises(SettingsError, match="has 2 columns of numbers and the towers were trained on 1"):
        track_vectors(model, track_content(fit_data(), settings))


@pytest.mark.parametrize(("content", "left_out"), [({"ngram_buckets": 64}, True), ({"track_statistics": True}, False)])
def test_an_artist_is_left_out_only_where_content_can_carry_its_tracks(content, left_out):
    settings = shape(artist_dropout=0.9, id_dropout=0.9, **content)
    known = track_content(fit_data(), settings)
    model = towers(settings, known.widths).train()
    with torch.no_grad():
        made = model.tracks(TrackReader(known, settings).read(np.zeros(200, np.int64)))
    # Content is still silent: a track without its id and its artist has no direction.
    assert bool((made.norm(dim=1) < 0.5).any()) == left_out


def test_an_unknown_artist_is_read_by_name_alone():
    settings = shape(ngram_buckets=64)
    model, content = towers(settings), track_content(fit_data(), settings, ARTIST)
    with torch.no_grad():
        model.tracks.content.names.artist.weight.copy_(torch.randn(16, 32))
        trigrams = model.tracks.content.names.trigrams.weight
        ids = torch.from_numpy(content.names.artists.trigrams(np.array([3]), 64).values)
        unknown = model.tracks.artist.weight[3]
        expected = F.normalize(unknown + model.tracks.content.names.artist(trigrams[ids].mean(dim=0)), dim=0)
    np.testing.assert_allclose(track_vectors(model, content)[3], expected.numpy(), atol=1e-5)


def test_content_needs_names():
    with pytest.raises(SettingsError, match="need the names of the tracks"):
        track_content(replace(fit_data(), names=None), shape(ngram_buckets=8))
