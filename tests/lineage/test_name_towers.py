import numpy as np
import polars as pl
import pytest
import torch
from retriever_contract import N_TRACKS, N_USERS, SMALL, random_log, untrained

from loopback_core.data.names import TrackNames
from loopback_core.errors import SettingsError
from loopback_core.features.track_content import TrackContent
from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.retriever import fit_retriever
from loopback_core.lineage.retriever_files import load_retriever, save_retriever
from loopback_core.towers.optional.content import read_content
from loopback_core.towers.two_tower import Vocabulary


@pytest.fixture(scope="module")
def retriever():
    return untrained("names", random_log())


def content_of(rows):
    frame = pl.DataFrame(rows, schema=["artist", "artist_name", "track_name"], orient="row")
    return TrackContent(frame["artist"].to_numpy().astype(np.int32), TrackNames(lambda: frame))


def test_a_track_has_the_vector_of_its_names_whatever_its_id(retriever):
    rows = [(0, "artist 1", "b1 song"), (1, "artist 2", "b1 song"), (0, "artist 1", "b1 song")]
    (view,) = retriever.model.views(content_of(rows))
    assert np.array_equal(view.vectors[0], view.vectors[2])
    np.testing.assert_allclose(view.vectors[0], retriever.views[0].vectors[1], atol=1e-6)
    assert not np.allclose(view.vectors[0], view.vectors[1])


def test_the_played_names_are_those_that_the_track_tower_reads(retriever):
    model, data, tracks = retriever.model, random_log(), np.arange(N_TRACKS)
    content = read_content(TrackContent(data.catalog.artist, data.names), model.settings, tracks, data.catalog.artist)
    encoder = model.tracks.content.names
    with torch.no_grad():
        wanted = encoder(content.title, content.artist_name)
        found = model.played_titles(torch.arange(N_TRACKS)) + model.played_artists(
            torch.from_numpy(data.catalog.artist).long()
        )
    torch.testing.assert_close(found, wanted)


def test_an_id_without_a_name_adds_nothing(retriever):
    with torch.no_grad():
        assert not retriever.model.played_titles(torch.tensor([-1, N_TRACKS])).any()


def test_no_weight_belongs_to_an_id(retriever):
    rows = {weight.shape[0] for weight in retriever.model.parameters() if weight.ndim == 2}
    assert not rows & {N_USERS, N_TRACKS, N_TRACKS + 1, N_USERS + 1}


def test_towers_that_read_no_names_are_a_sentence():
    settings = settings_of_family(FAMILIES["two_tower"], 0, SMALL, {})
    with pytest.raises(SettingsError, match=r"set towers\.sum\.ngram_buckets above 0\.$"):
        FAMILIES["names"].make(Vocabulary(2, 3, 1), settings)


def test_names_are_trained_over_epochs_and_answer_after_they_were_saved(tmp_path):
    (made := tmp_path / "made").mkdir(), (checkpoints := tmp_path / "checkpoints").mkdir()
    data = random_log()
    given = {**SMALL, "training": {**SMALL["training"], "epochs": 2}}
    fitted = fit_retriever("names", data, settings_of_family(FAMILIES["names"], 0, given, {}), None, checkpoints)
    save_retriever(fitted, made)
    one, other = (of.recommend(data.histories(np.arange(N_USERS)), 10, None) for of in (fitted, load_retriever(made)))
    assert np.array_equal(one.tracks, other.tracks) and np.isfinite(one.scores).all()
    assert np.array_equal(one.scores, other.scores)
