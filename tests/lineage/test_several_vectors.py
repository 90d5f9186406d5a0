"""The towers with several vectors: what their vectors are, and that their losses are those of the definitions."""

import numpy as np
import pytest
import torch
from retriever_contract import N_USERS, SMALL, untrained

from loopback_core.errors import SettingsError
from loopback_core.lineage import family_validation, merged_softmax
from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.interest_towers import GUARD, MOST_ALIKE
from loopback_core.lineage.multi_vector_towers import last_states, pair_cosines
from loopback_core.retrieval.embed import read_users
from loopback_core.towers.sequences import NO_LISTEN, Sequences
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.training.sampled import SampledBatch, SampledExamples


@pytest.fixture(scope="module")
def inputs(data):
    """inputs(model) -> what is read of every user."""
    histories = data.histories(np.arange(N_USERS))
    return lambda model: next(iter(read_users(model, histories, data.catalog.artist)))


def batch_of(data, family):
    return next(iter(SampledExamples(data, settings_of_family(FAMILIES[family], 0, SMALL, {})).epoch(1)))


def costs(positive, others, correction, false_negative):
    """log(exp p + sum of exp of the others without the masked) - p"""
    kept = torch.where(false_negative, -torch.inf, others - correction)
    return torch.logaddexp(positive, kept.logsumexp(dim=0)) - positive


def test_the_last_states_are_those_before_the_request_in_its_stretch_the_latest_first():
    states = torch.arange(2 * 4, dtype=torch.float32).view(2, 4, 1)
    tracks = torch.tensor([[7, 7, 7, NO_LISTEN], [7, NO_LISTEN, NO_LISTEN, NO_LISTEN]])
    nothing = torch.zeros(2, 4)
    last = Sequences(tracks, tracks, nothing, torch.tensor([2, 0, 4, 5]), torch.zeros(4))
    found, is_heard = last_states(states, last, 3)
    assert found[..., 0].tolist() == [[2, 1, 0], [0, 0, 0], [4, 0, 0], [0, 4, 0]]
    assert is_heard.tolist() == [[True] * 3, [True, False, False], [True, False, False], [False, True, False]]


def test_interests_whose_gates_are_closed_are_the_plain_vector(data, inputs):
    model = untrained("interests", data).model
    torch.nn.init.zeros_(model.gates)
    with torch.no_grad():
        vectors, plain = model.user_vectors(inputs(model)), model.users(inputs(model))
    torch.testing.assert_close(vectors, plain[:, None].expand_as(vectors))


def test_an_interest_reads_only_its_share_where_the_gates_are_open(data, inputs):
    model = untrained("interests", data).model
    read = inputs(model)
    with torch.no_grad():
        torch.nn.init.ones_(model.gates)
        for shares in model.shares:
            shares.copy_(torch.tensor([1e3, -1e3, -1e3])[:, None])  # by the sum of the dimensions of a vector
        model.users.intents.zero_()
        vectors = model.user_vectors(read)
        pools = (read.artists, read.tracks)
        gates = (model.users.artist_gates, model.users.track_gates)
        total = torch.zeros(N_USERS, 2, vectors.shape[-1])
        for pool, table, gate in zip(pools, model.users.tables, gates, strict=True):
            for user, (ids, weights) in enumerate(zip(pool.ids, pool.weights, strict=True)):
                items = table(ids)
                of_first = items.sum(dim=1) > 0
                for interest, mine in enumerate((of_first, ~of_first)):
                    total[user, interest] += ((weights[0][:, mine] @ items[mine]) * gate[0]).sum(dim=0)
    first, second = (torch.nn.functional.normalize(total[:, interest], dim=-1) for interest in (0, 1))
    torch.testing.assert_close(vectors[:, 0], first)
    closest = (vectors[:, 1:] @ second[..., None])[..., 0]
    torch.testing.assert_close(closest, torch.ones_like(closest))  # two interests share the rest


def test_targets_and_negatives_are_scored_by_their_nearest_interest_and_interests_alike_are_pushed_apart(data):
    model, batch = untrained("interests", data).model, batch_of(data, "interests")
    with torch.no_grad():
        vectors, tracks, scale = (
            model.user_vectors(batch.users),
            model.tracks(batch.tracks),
            model.inverse_temperature(),
        )
        found, count = [], len(batch)
        for target, request in enumerate(batch.request.tolist()):
            scores = scale * (tracks @ vectors[request].T).amax(dim=1)
            found.append(costs(scores[target], scores[count:], batch.correction, batch.false_negative[request]))
        alike = pair_cosines(vectors)
        guard = GUARD * (alike - MOST_ALIKE).clamp(min=0).mean()
    assert alike.max() > MOST_ALIKE  # the guard says something
    torch.testing.assert_close(model.loss_of(batch).detach(), torch.stack(found).mean() + guard)


def test_summed_states_are_the_sum_of_the_vectors_of_late_interaction_and_meet_the_track_in_one_product(data, inputs):
    model, late = untrained("summed_states", data).model, untrained("late", data, seed=1).model
    late.load_state_dict(model.state_dict())
    batch = batch_of(data, "summed_states")
    with torch.no_grad():
        torch.testing.assert_close(model.user_vectors(inputs(model))[:, 0], late.user_vectors(inputs(late)).sum(dim=1))
        users, tracks = late.user_vectors(batch.users).sum(dim=1), model.tracks(batch.tracks)
        scores, found = model.inverse_temperature() * users @ tracks.T, []
        for target, request in enumerate(batch.request.tolist()):
            others = scores[request, len(batch) :]
            found.append(costs(scores[request, target], others, batch.correction, batch.false_negative[request]))
    torch.testing.assert_close(model.loss_of(batch).detach(), torch.stack(found).mean())


def test_the_weights_of_the_vectors_of_a_user_add_up_to_one_for_each_intent(data, inputs):
    model = untrained("late", data).model
    with torch.no_grad():
        lengths = model.weighed(inputs(model)).norm(dim=-1)
    torch.testing.assert_close(lengths.sum(dim=1), torch.ones(N_USERS))
    assert (lengths > 0).all()  # everybody has played as many listens as are read


def test_blocks_of_requests_add_up_to_the_same_loss_and_the_same_gradients(data, monkeypatch):
    model, batch = untrained("late", data).model.train(), batch_of(data, "late")
    values = []
    for at_once in (1, 1 << 22):
        monkeypatch.setattr(merged_softmax, "PRODUCTS_AT_ONCE", {"cpu": at_once})
        torch.manual_seed(0)  # dropout
        model.zero_grad()
        loss = model.loss_of(batch)
        loss.backward()
        values.append([loss.detach(), model.weights.grad.clone()])
    torch.testing.assert_close(values[0], values[1])


@pytest.mark.parametrize("merge", ["max", "sum"])
@pytest.mark.parametrize("n_views", [1, 2, 3])
@pytest.mark.parametrize("is_plain", [False, True])
def test_the_loss_and_its_gradients_are_those_of_autograd(merge, n_views, is_plain, monkeypatch):
    monkeypatch.setattr(merged_softmax, "PRODUCTS_AT_ONCE", {"cpu": 300})  # several passes, the last one shorter
    torch.manual_seed(0)
    requests, targets, negatives = 7, 20, 30
    request = torch.randint(requests - 1, (targets,)).sort().values  # the last request has no target
    masks = torch.rand(requests, negatives) < 0.2
    masks[2] = True  # a request without a negative
    weight = torch.rand(targets, dtype=torch.float64) if is_plain else None
    correction = torch.randn(negatives, dtype=torch.float64)
    batch = SampledBatch(None, None, request, correction, masks, weight)
    users = torch.randn(requests, 4, 5, dtype=torch.float64, requires_grad=True)
    views = [torch.randn(targets + negatives, 5, dtype=torch.float64, requires_grad=True) for _ in range(n_views)]
    plain = [torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (requests, targets + negatives)]
    scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)

    products = torch.einsum("aud,vtd->avut", users, torch.stack(views)).amax(dim=1)
    scores = products.amax(dim=1) if merge == "max" else products.sum(dim=1)
    if is_plain:
        scores = scores + plain[0] @ plain[1].T
    scores, found = scale * scores, []
    for target, a in enumerate(request.tolist()):
        found.append(costs(scores[a, target], scores[a, targets:], correction, masks[a]))
    share = torch.full_like(correction[:1], 1 / targets) if weight is None else weight / weight.sum()
    expected = (torch.stack(found) * share).sum()

    loss = merged_softmax.merged_softmax(users, views, batch, scale, merge, tuple(plain) if is_plain else None)
    read = [users, scale, *views, *(plain if is_plain else ())]
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(torch.autograd.grad(loss, read), torch.autograd.grad(expected, read))


@pytest.mark.parametrize("merge", ["max", "sum"])
def test_validation_scores_some_users_at_a_time(merge, monkeypatch):
    rng = np.random.default_rng(0)
    users, tracks = (rng.normal(size=(n, of, 4)).astype(np.float32) for n, of in ((5, 3), (11, 2)))
    monkeypatch.setattr(family_validation, "CATALOG_PRODUCTS_AT_ONCE", 2 * 3 * 11)  # two users at a time, then one
    products = np.einsum("aud,tvd->autv", users, tracks).max(axis=3)
    expected = products.max(axis=1) if merge == "max" else products.sum(axis=1)
    found = family_validation.merged_scores(users.reshape(5, -1), tracks.reshape(11, -1), 4, merge)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("family", ["interests", "late", "int_tower"])
def test_losses_are_made_in_full_precision_where_products_are_not(data, family):
    model, batch = untrained(family, data).model, batch_of(data, family)
    full = model.loss_of(batch)
    with torch.autocast("cpu", torch.bfloat16):
        half = model.loss_of(batch)
    half.backward()
    assert half.dtype == torch.float32 and half.item() == pytest.approx(full.item(), rel=0.02)


def test_late_interaction_costs_the_softmax_of_the_summed_best_products(data):
    model, batch = untrained("late", data).model, batch_of(data, "late")
    with torch.no_grad():
        users, scale, count = model.user_vectors(batch.users), model.inverse_temperature(), len(batch)
        artists = torch.nn.functional.normalize(model.tracks.artist(batch.tracks.artist), dim=-1)
        views = torch.stack([model.tracks(batch.tracks), artists])  # (V, T + M, D)
        found = []
        for target, request in enumerate(batch.request.tolist()):
            scores = scale * torch.einsum("ud,vtd->vut", users[request], views).amax(dim=0).sum(dim=0)
            found.append(costs(scores[target], scores[count:], batch.correction, batch.false_negative[request]))
    torch.testing.assert_close(model.loss_of(batch).detach(), torch.stack(found).mean())


def test_the_weights_of_late_interaction_add_up_to_one_over_the_vectors_that_a_user_has(data, inputs):
    model = untrained("late", data).model
    with torch.no_grad():
        lengths = model.user_vectors(inputs(model)).norm(dim=-1)
    torch.testing.assert_close(lengths.sum(dim=1), torch.ones(N_USERS))


@pytest.mark.parametrize("family", ["interests", "interests_order", "late"])
def test_every_weight_of_towers_with_several_vectors_is_trained(data, family):
    model, batch = untrained(family, data).model.train(), batch_of(data, family)
    model.loss_of(batch).backward()
    tables = {id(table.weight) for table in model.embeddings()}
    silent = [name for name, weight in model.named_parameters() if id(weight) not in tables and weight.grad is None]
    assert silent == [] and all(table.gradient() is not None for table in model.embeddings())


def test_late_interaction_of_towers_without_an_order_of_listens_is_a_sentence():
    settings = settings_of_family(FAMILIES["two_tower"], 0, SMALL, {})
    with pytest.raises(SettingsError, match=r"^The family 'late' .* set towers\.user_encoder to 'hstu'\.$"):
        FAMILIES["late"].make(Vocabulary(2, 3, 1), settings)
