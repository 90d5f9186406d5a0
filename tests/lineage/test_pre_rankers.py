"""What holds for every family whose product alone finds the candidates."""

import numpy as np
import pytest
import torch
from retriever_contract import N_TRACKS, N_USERS, SMALL, untrained

from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.network_towers import NetworkTowers
from loopback_core.lineage.pre_ranker import PreRanker
from loopback_core.lineage.retriever import Retriever
from loopback_core.retrieval.embed import read_users
from loopback_core.tasks.period import Period
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.training.sampled import SampledExamples

PRE_RANKERS = [name for name, family in FAMILIES.items() if issubclass(family.towers, PreRanker)]

EVERYONE = np.arange(N_USERS)


@pytest.fixture(params=PRE_RANKERS)
def retriever(request, data):
    return untrained(request.param, data)


def test_there_are_four_of_them():
    assert PRE_RANKERS == ["int_tower", "one_way_attention", "rank_tower", "cross_encoder"]


def test_candidates_are_found_by_the_vectors_of_the_plain_towers(data, retriever):
    histories, model = data.histories(EVERYONE), retriever.model
    with torch.inference_mode():
        plain = model.users(next(iter(read_users(model, histories, data.catalog.artist)))).numpy()
    rows = retriever.embed(histories)
    searched = np.concatenate([model.searched(row) for row in rows])
    np.testing.assert_allclose(searched, plain, atol=1e-6)
    assert np.array_equal(searched, rows[:, 0, : SMALL["towers"]["output_dim"]])


def test_validation_scores_tracks_as_they_are_served(data, retriever):
    period = Period(data, data.events, EVERYONE, data.catalog.artist)
    validation = FAMILIES[retriever.id].validation(period, retriever.settings)
    histories = data.histories(EVERYONE)
    read = list(read_users(retriever.model, histories, data.catalog.artist))
    tracks = validation.encode_tracks(retriever.model)
    scores = validation.scores(validation.encode_users(retriever.model, read), tracks)
    served = retriever.recommend_exactly(histories, N_TRACKS, None)
    np.testing.assert_allclose(np.take_along_axis(scores, served.tracks, axis=1), served.scores, atol=1e-5)


def test_every_weight_is_trained(data, retriever):
    settings = settings_of_family(FAMILIES[retriever.id], 0, SMALL, {})
    model = retriever.model.train()
    model.loss_of(next(iter(SampledExamples(data, settings).epoch(1)))).backward()
    tables = {id(table.weight) for table in model.embeddings()}
    silent = [name for name, weight in model.named_parameters() if id(weight) not in tables and weight.grad is None]
    assert silent == [] and all(table.gradient() is not None for table in model.embeddings())


@pytest.mark.parametrize("family", [name for name in PRE_RANKERS if issubclass(FAMILIES[name].towers, NetworkTowers)])
def test_before_training_the_score_of_a_network_is_the_product_alone(family, data):
    settings = settings_of_family(FAMILIES[family], 0, SMALL, {})
    torch.manual_seed(0)
    model = FAMILIES[family].make(Vocabulary(N_USERS, N_TRACKS, data.catalog.n_artists), settings, data.names)
    retriever = Retriever.of(family, model.eval(), data, settings)
    histories = data.histories(EVERYONE)
    ranking = retriever.recommend(histories, N_TRACKS, None)
    products = retriever.embed(histories)[:, 0, : SMALL["towers"]["output_dim"]] @ retriever.views[0].vectors.T
    np.testing.assert_allclose(np.take_along_axis(products, ranking.tracks, axis=1), ranking.scores, atol=1e-6)
