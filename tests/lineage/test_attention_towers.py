"""The pre-ranker whose tracks attend to the last listens: what it scores, and what it is trained on."""

import numpy as np
import pytest
import torch
from retriever_contract import N_TRACKS, N_USERS, SMALL, untrained

from loopback_core.data import Histories, Ragged
from loopback_core.errors import SettingsError
from loopback_core.lineage.attention_towers import AttentionTowers
from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.training.sampled import SampledExamples

FAMILY = FAMILIES["one_way_attention"]
EVERYONE = np.arange(N_USERS)
DIM, NEGATIVES = SMALL["towers"]["output_dim"], SMALL["training"]["sampled"]["negatives"]


@pytest.fixture(scope="module")
def retriever(data):
    return untrained(FAMILY.name, data)


def batch_of(data, negatives):
    lineage = SMALL["lineage"] | {"attention": SMALL["lineage"]["attention"] | {"negatives": negatives}}
    settings = settings_of_family(FAMILY, 0, SMALL | {"lineage": lineage}, {})
    return settings, next(iter(SampledExamples(data, settings).epoch(1)))


def test_of_a_history_of_one_listen_that_one_alone_is_attended_to(data, retriever):
    histories = data.histories(EVERYONE)
    last = histories.tracks.offsets[1:] - 1
    tracks = Ragged.from_pairs(EVERYONE, histories.tracks.values[last], N_USERS)
    rows = retriever.embed(Histories(histories.users, tracks, histories.timestamps[last], histories.now))[:, 0]
    keys, bias = rows[:, DIM : DIM + 16].reshape(N_USERS, 4, 4), rows[:, -4:]  # the width is 4, the latest listen first
    assert np.all(bias[:, 1:] == -1e4) and np.all(bias[:, 0] > -100)
    assert np.all(keys[:, 1:] == 0) and np.all(np.abs(keys[:, 0]).max(axis=1) > 0)


def test_without_listens_nothing_is_found_and_the_score_is_finite(retriever):
    nobody = Histories(
        np.array([-1]), Ragged(np.array([0, 0]), np.zeros(0, np.int64)), np.zeros(0, np.int64), np.array([9])
    )
    row = retriever.embed(nobody)[0, 0]
    assert np.all(row[DIM:-4] == 0) and np.all(row[-4:] == -1e4)
    assert np.isfinite(retriever.recommend(nobody, 10, None).scores).all()


@pytest.mark.parametrize("negatives", [NEGATIVES, 1000])
def test_the_loss_is_the_softmax_of_the_score_and_a_part_of_that_of_the_product(data, negatives):
    """With all of the negatives, in whatever order they are drawn."""
    settings, batch = batch_of(data, negatives)
    torch.manual_seed(0)
    model, count = (
        FAMILY.make(Vocabulary(N_USERS, N_TRACKS, data.catalog.n_artists), settings, data.names).eval(),
        len(batch),
    )
    with torch.no_grad():
        model.out.weight.normal_()
        users, tracks = model.user_vectors(batch.users)[:, 0].numpy(), model.tracks(batch.tracks)
        states = model.of_tracks(tracks).numpy()
        scale = model.inverse_temperature()
        products = torch.from_numpy(users[:, :DIM]) @ tracks.T
        whole = products + torch.from_numpy(np.stack([model.added(user, states) for user in users]))
        costs = []
        for scores in (scale * whole, scale * products):
            for target, request in enumerate(batch.request.tolist()):
                allowed = ~batch.false_negative[request]
                others = (scores[request, count:] - batch.correction)[allowed].logsumexp(dim=0)
                costs.append(torch.logaddexp(scores[request, target], others) - scores[request, target])
        of_score, of_product = torch.stack(costs).view(2, -1).mean(dim=1)
        wanted = of_score + settings.lineage.attention.regulariser * of_product
        torch.testing.assert_close(model.loss_of(batch), wanted, atol=1e-4, rtol=1e-4)


def test_fewer_negatives_stand_for_all_of_them(data):
    """What they add to the denominator is weighed up: the loss is as large, but for what Jensen's inequality takes."""
    few, batch = batch_of(data, NEGATIVES - 4)
    everything, _ = batch_of(data, NEGATIVES)
    torch.manual_seed(0)
    vocabulary = Vocabulary(N_USERS, N_TRACKS, data.catalog.n_artists)
    models = [FAMILY.make(vocabulary, settings, data.names).eval() for settings in (few, everything)]
    models[1].load_state_dict(models[0].state_dict())
    with torch.no_grad():
        drawn = torch.stack([models[0].loss_of(batch) for _ in range(200)])
        whole = models[1].loss_of(batch)
    assert drawn.std() > 0 and 0 <= whole - drawn.mean() < 0.2 * whole


def test_towers_that_do_not_read_the_order_are_a_sentence():
    settings = settings_of_family(FAMILY, 0, SMALL, {})
    settings = settings.model_copy(update={"towers": settings.towers.model_copy(update={"user_encoder": "pooled"})})
    with pytest.raises(
        SettingsError, match=r"^The family 'one_way_attention' .* set towers\.user_encoder to 'hstu'\.$"
    ):
        AttentionTowers(Vocabulary(2, 3, 1), settings)
