"""The cross-encoder of the lineage: what it scores, and what it is trained on."""

import numpy as np
import pytest
import torch
from retriever_contract import N_TRACKS, N_USERS, SMALL, untrained

from loopback_core.data import Histories, Ragged
from loopback_core.errors import SettingsError
from loopback_core.lineage import cross_towers
from loopback_core.lineage.cross_towers import CrossTowers
from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.network_validation import CANDIDATES, NetworkValidation
from loopback_core.tasks.period import Period
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.training.sampled import SampledExamples

FAMILY = FAMILIES["cross_encoder"]
EVERYONE = np.arange(N_USERS)
DIM = SMALL["towers"]["output_dim"]


def made(data, seed=0):
    settings = settings_of_family(FAMILY, 0, SMALL, {})
    torch.manual_seed(seed)
    return settings, FAMILY.make(Vocabulary(N_USERS, N_TRACKS, data.catalog.n_artists), settings, data.names)


def test_without_listens_the_track_reads_itself_alone(data):
    retriever = untrained(FAMILY.name, data)
    nobody = Histories(
        np.array([-1]), Ragged(np.array([0, 0]), np.zeros(0, np.int64)), np.zeros(0, np.int64), np.array([9])
    )
    row = retriever.embed(nobody)[0, 0]
    assert np.all(row[DIM:] == 0)
    assert np.isfinite(retriever.recommend(nobody, 10, None).scores).all()


def test_the_loss_is_the_same_whether_pairs_are_kept_or_computed_again_in_parts(data, monkeypatch):
    settings, model = made(data)
    batch = next(iter(SampledExamples(data, settings).epoch(1)))
    with torch.no_grad():
        model.out.weight.normal_()
    losses, gradients = [], []
    for pairs in (cross_towers.CROSSED_AT_ONCE, 20):
        monkeypatch.setattr(cross_towers, "CROSSED_AT_ONCE", pairs)
        torch.manual_seed(1)  # of the negatives that are drawn
        loss = model.loss_of(batch)
        model.zero_grad()
        loss.backward()
        losses.append(loss.detach())
        gradients.append(torch.cat([weight.grad.flatten() for weight in model.layers.parameters()]))
        for table in model.embeddings():
            table.touched.clear()
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-5, rtol=1e-4)


def test_in_a_large_catalog_validation_scores_the_candidates_of_the_product(data, monkeypatch):
    retriever = untrained(FAMILY.name, data)
    validation = NetworkValidation(Period(data, data.events, EVERYONE, data.catalog.artist), retriever.settings)
    tracks, users = validation.encode_tracks(retriever.model), retriever.embed(data.histories(EVERYONE))[:, 0]
    everything = validation.scores(users, tracks)
    monkeypatch.setattr("loopback_core.lineage.network_validation.CANDIDATES", 7)
    some = validation.scores(users, tracks)
    assert N_TRACKS <= CANDIDATES and np.isfinite(everything).all()
    for row in EVERYONE:
        found = np.argsort(-(tracks[:, :DIM] @ users[row, :DIM]))[:7]
        assert set(np.flatnonzero(np.isfinite(some[row]))) == set(found)
        np.testing.assert_allclose(some[row, found], everything[row, found], atol=1e-5)


def test_towers_that_do_not_read_the_order_are_a_sentence():
    settings = settings_of_family(FAMILY, 0, SMALL, {})
    settings = settings.model_copy(update={"towers": settings.towers.model_copy(update={"user_encoder": "pooled"})})
    with pytest.raises(SettingsError, match=r"^The family 'cross_encoder' .* set towers\.user_encoder to 'hstu'\.$"):
        CrossTowers(Vocabulary(2, 3, 1), settings)
