"""The pre-ranker whose heads interact: what it reads, what it scores, and what it is trained on."""

import numpy as np
import pytest
import torch
from retriever_contract import N_TRACKS, N_USERS, SMALL, untrained

from loopback_core.errors import SettingsError
from loopback_core.lineage import retriever as retriever_module
from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.int_towers import LightSE
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.training.sampled import SampledExamples

EVERYONE = np.arange(N_USERS)
DIM, HEAD_DIM = SMALL["towers"]["output_dim"], SMALL["lineage"]["interaction"]["head_dim"]


@pytest.fixture(scope="module")
def retriever(data):
    return untrained("int_tower", data)


@pytest.fixture(scope="module")
def batch(data):
    return next(iter(SampledExamples(data, settings_of_family(FAMILIES["int_tower"], 0, SMALL, {})).epoch(1)))


def test_a_list_holds_only_what_is_nearest_by_the_product_in_the_order_of_the_whole_score(data, retriever, monkeypatch):
    monkeypatch.setattr(retriever_module, "NEAREST_OF_VECTOR", 10)
    histories = data.histories(EVERYONE)
    found, every = retriever.recommend(histories, 10, None), retriever.recommend_exactly(histories, N_TRACKS, None)
    products = retriever.embed(histories)[:, 0, :DIM] @ retriever.views[0].vectors.T
    for row in EVERYONE:
        nearest = np.argsort(-products[row])[:10]
        kept = np.isin(every.tracks[row], nearest)
        assert np.array_equal(found.tracks[row], every.tracks[row][kept])
        assert np.array_equal(found.scores[row], every.scores[row][kept])
    assert not np.array_equal(found.tracks, every.tracks[:, :10])  # the product misses some


def test_heads_score_two_opposite_tracks_above_one_between_them_which_no_product_can(data):
    model = untrained("int_tower", data).model
    up, across = torch.eye(DIM)[:2]
    tracks = torch.stack([up, across, -up])
    with torch.no_grad():
        for layer in model.track_layers:  # silent: the heads read the vector itself
            layer.out.weight.zero_(), layer.out.bias.zero_()
        model.track_heads.weight.zero_()
        model.track_heads.weight[[0, HEAD_DIM], [0, 0]] = torch.tensor([1.0, -1.0])  # two heads: one turned round
        heads = model._heads_of_tracks(tracks)
    user = torch.cat(
        [0.1 * across, up[:HEAD_DIM], torch.zeros((SMALL["lineage"]["interaction"]["heads"] - 1) * HEAD_DIM)]
    )
    views = [retriever_module.View(part.contiguous().numpy()) for part in (tracks, *heads.unbind(dim=1))]
    scores = model.scores(user[None].numpy(), views, np.arange(3))
    np.testing.assert_allclose(scores, [1.0, 0.1, 1.0])


def test_the_loss_is_the_softmax_of_the_score_and_a_part_of_that_of_the_product(retriever, batch):
    model, count = retriever.model.eval(), len(batch)
    with torch.no_grad():
        users, tracks, scale = (
            model.user_vectors(batch.users)[:, 0],
            model.tracks(batch.tracks),
            model.inverse_temperature(),
        )
        heads = users[:, DIM:].view(len(users), -1, HEAD_DIM)
        products = users[:, :DIM] @ tracks.T
        best = torch.einsum("aud,tvd->autv", heads, model._heads_of_tracks(tracks)).amax(dim=-1).sum(dim=1)
        costs = []
        for scores in (scale * (products + best), scale * products):
            for target, request in enumerate(batch.request.tolist()):
                others = torch.where(
                    batch.false_negative[request], -torch.inf, scores[request, count:] - batch.correction
                )
                positive = scores[request, target]
                costs.append(torch.logaddexp(positive, others.logsumexp(dim=0)) - positive)
    of_score, of_product = torch.stack(costs).view(2, -1).mean(dim=1)
    weight = retriever.settings.lineage.interaction.regulariser
    torch.testing.assert_close(model.loss_of(batch).detach(), of_score + weight * of_product)


def test_the_gate_weighs_all_fields_alike_until_it_has_learned_which_are_strong():
    gate, fields = LightSE(2), torch.tensor([[[3.0, 3.0], [1.0, -1.0]]])
    with torch.no_grad():
        torch.testing.assert_close(gate(fields), 1.5 * fields)
        gate.layer.weight.copy_(torch.tensor([[100.0, 0.0], [0.0, 0.0]]))  # the first, where it is strong
        torch.testing.assert_close(gate(fields), torch.tensor([[[6.0, 6.0], [1.0, -1.0]]]))


def test_towers_that_read_no_histories_are_a_sentence():
    family = FAMILIES["int_tower"]
    settings = settings_of_family(family, 0, SMALL, {})
    settings = settings.model_copy(update={"towers": settings.towers.model_copy(update={"user_encoder": "id"})})
    with pytest.raises(SettingsError, match=r"^The family 'int_tower' .* set towers\.user_encoder to 'pooled'\.$"):
        family.make(Vocabulary(2, 3, 1), settings)
