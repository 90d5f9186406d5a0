"""What every retriever of the lineage must do, whatever its score."""

from dataclasses import replace

import numpy as np
import pytest
from retriever_contract import CODED, N_TRACKS, N_USERS, untrained
from scipy.special import erf

from loopback_core.data import NOTHING, Histories, Ragged
from loopback_core.errors import ArtifactError
from loopback_core.lineage import retriever as retriever_module
from loopback_core.lineage.attention_towers import AttentionTowers
from loopback_core.lineage.cross_towers import CrossTowers
from loopback_core.lineage.families import FAMILIES
from loopback_core.lineage.int_towers import IntTowers
from loopback_core.lineage.rank_towers import RankTowers
from loopback_core.lineage.retriever import index_of
from loopback_core.lineage.retriever_files import load_retriever, save_retriever
from loopback_core.lineage.sparse_view import SparseView
from loopback_core.lineage.track_views import View
from loopback_core.recommenders.recommender import Recommender
from loopback_core.towers.user import ANYTHING, ONLY_NEW

EVERYONE = np.arange(N_USERS)


@pytest.fixture(scope="module")
def made(data):
    return {name: untrained(name, data) for name in (*FAMILIES, CODED)}


@pytest.fixture(params=(*FAMILIES, CODED))
def retriever(request, made):
    return made[request.param]


@pytest.fixture
def histories(data):
    return data.histories(EVERYONE)


@pytest.fixture
def heard(histories):
    return Ragged.from_pairs(*distinct(histories.tracks), len(histories))


def distinct(tracks):
    pairs = np.unique(np.stack([tracks.row_numbers(), tracks.values]), axis=1)
    return pairs[0], pairs[1]


def dense(view):
    """(n_tracks, D)"""
    if isinstance(view, SparseView):
        return view.matrix.toarray()
    return view.vectors if view.row is None else view.vectors[view.row]


def silent(view):
    """The view of the same shape whose products are all 0."""
    if isinstance(view, SparseView):
        return replace(view, weights=np.zeros_like(view.weights))
    return View(np.zeros_like(view.vectors), view.row)


def defined_scores(users, views, model):
    """(rows, n_tracks) from vectors of users, (rows, U, D), and of tracks, each (n_tracks, D)."""
    if isinstance(model, IntTowers):
        dim = views[0].shape[1]
        heads = users[:, 0, dim:].reshape(len(users), -1, views[1].shape[1])
        return users[:, 0, :dim] @ views[0].T + np.einsum("aud,vtd->avut", heads, views[1:]).max(axis=1).sum(axis=1)
    if isinstance(model, AttentionTowers):
        return users[:, 0, : views[0].shape[1]] @ views[0].T + attended(
            users[:, 0, views[0].shape[1] :], views[1], model
        )
    if isinstance(model, RankTowers):
        dim = views[0].shape[1]
        return users[:, 0, :dim] @ views[0].T + mutual(users[:, 0, dim:].reshape(len(users), 3, 4), views[1], model)
    if isinstance(model, CrossTowers):
        dim = views[0].shape[1]
        return users[:, 0, :dim] @ views[0].T + crossed(users[:, 0, dim:], views[1], model)
    best = np.max([np.einsum("aud,td->aut", users, view) for view in views], axis=0)
    return best.max(axis=1) if model.merge == "max" else best.sum(axis=1)


def attended(users, states, model):
    """(rows, n_tracks) what the network makes of the listens that each track finds. users: (rows, N (2 width + 1))."""
    query, content = np.split(states, 2, axis=1)
    keys, values, bias = np.split(users, [users.shape[1] * 4 // 9, users.shape[1] * 8 // 9], axis=1)  # the width is 4
    keys, values = (part.reshape(len(users), -1, 4) for part in (keys, values))
    weights = np.exp(np.einsum("td,und->utn", query, keys) / 2 + bias[:, None])
    context = np.einsum("utn,und->utd", weights / weights.sum(axis=2, keepdims=True), values)
    content = np.broadcast_to(content, context.shape)
    read = np.concatenate([context, content, context * content], axis=2)
    hidden = read @ model.hidden.weight.detach().numpy().T + model.hidden.bias.detach().numpy()
    return (hidden / (1 + np.exp(-hidden)) @ model.out.weight.detach().numpy().T)[:, :, 0]


def mutual(users, states, model):
    """(rows, n_tracks) of the best pairs of heads, once each side has read the other. users: (rows, 3 heads, 4)."""
    found = np.zeros((len(users), len(states)))
    for row, mine in enumerate(users):
        for track, theirs in enumerate(states.reshape(-1, 3, 4)):
            logits = mine @ theirs.T / 2
            similar = (
                reads(mine, theirs, logits, model.users_attend) @ reads(theirs, mine, logits.T, model.tracks_attend).T
            )
            found[row, track] = similar.max(axis=1).mean() + similar.max(axis=0).mean()
    return found * model.weight.item()


def reads(heads, others, logits, attention):
    """(heads, 4) of unit length"""
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gate = 1 / (1 + np.exp(-(heads @ weight(attention.gate).T + bias(attention.gate))))
    more = heads + gate * (share @ others)
    return more / np.linalg.norm(more, axis=1, keepdims=True)


def crossed(users, states, model):
    """(rows, n_tracks) what the layers read of each track among the listens. users: (rows, N (6 + 1)), for the width is 6."""
    n_listens = users.shape[1] // 7
    found = np.zeros((len(users), len(states)))
    for row, user in enumerate(users):
        listens, is_heard = user[: 6 * n_listens].reshape(-1, 6), user[6 * n_listens :] > 0
        for track, state in enumerate(states):
            tokens = np.concatenate([state[None], listens[is_heard]]).astype(np.float64)
            for layer in model.layers:
                tokens = tokens + self_attention(normed(tokens, layer.norm1), layer.self_attn, heads=2)
                hidden = normed(tokens, layer.norm2) @ weight(layer.linear1).T + bias(layer.linear1)
                hidden = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
                tokens = tokens + hidden @ weight(layer.linear2).T + bias(layer.linear2)
            found[row, track] = (normed(tokens[:1], model.norm) @ weight(model.out).T)[0, 0]
    return found


def weight(module):
    return module.weight.detach().numpy().astype(np.float64)


def bias(module):
    return module.bias.detach().numpy().astype(np.float64)


def normed(x, norm):
    return (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + norm.eps) * weight(norm) + bias(
        norm
    )


def self_attention(x, attention, heads):
    """(tokens, width)"""
    stacked = x @ attention.in_proj_weight.detach().numpy().T + attention.in_proj_bias.detach().numpy()
    query, key, value = (part.reshape(len(x), heads, -1) for part in np.split(stacked, 3, axis=1))
    logits = np.einsum("ihd,jhd->hij", query, key) / np.sqrt(query.shape[2])
    shares = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    together = np.einsum("hij,jhd->ihd", shares, value).reshape(len(x), -1)
    return together @ weight(attention.out_proj).T + bias(attention.out_proj)


def same(one, other):
    return np.array_equal(one.tracks, other.tracks) and np.array_equal(one.scores, other.scores)


def test_it_is_a_recommender(retriever, data):
    assert isinstance(retriever, Recommender) and retriever.fit(data) is retriever and retriever.id in FAMILIES


def test_what_the_index_finds_is_what_scoring_every_track_gives_to_the_last_digit(
    retriever, histories, heard, monkeypatch
):
    monkeypatch.setattr(retriever_module, "NEAREST_OF_VECTOR", 40)  # fewer than there are tracks
    for intent, exclude in ((ANYTHING, None), (ONLY_NEW, heard)):
        asked = retriever.for_intent(intent)
        found, wanted = (recommend(histories, 5, exclude) for recommend in (asked.recommend, asked.recommend_exactly))
        assert same(found, wanted)


def test_a_list_is_the_same_to_the_last_digit_alone_and_among_others(retriever, histories, heard):
    together = retriever.recommend(histories, 10, heard)
    for row in range(len(histories)):
        alone = retriever.recommend(histories.rows(row, row + 1), 10, heard.take(np.array([row])))
        assert np.array_equal(alone.tracks[0], together.tracks[row])
        assert np.array_equal(alone.scores[0], together.scores[row])


def test_the_scores_are_those_of_the_definition(retriever, histories):
    users, ranking = retriever.embed(histories), retriever.recommend(histories, N_TRACKS, None)
    wanted = defined_scores(users, [dense(view) for view in retriever.views], retriever.model)
    np.testing.assert_allclose(np.take_along_axis(wanted, ranking.tracks, axis=1), ranking.scores, atol=1e-5)
    assert np.array_equal(np.sort(ranking.tracks, axis=1), np.tile(np.arange(N_TRACKS), (N_USERS, 1)))


def test_a_short_list_is_the_head_of_a_long_one_and_a_list_is_never_padded(retriever, histories, heard):
    short, long = (retriever.recommend(histories, k, heard) for k in (5, 2 * N_TRACKS))
    assert np.array_equal(short.tracks, long.tracks[:, :5]) and np.array_equal(short.scores, long.scores[:, :5])
    for row, tracks in enumerate(long.tracks):
        left = N_TRACKS - len(heard[row])
        assert np.all(tracks[:left] != NOTHING) and np.all(tracks[left:] == NOTHING)
        assert np.all(long.scores[row, left:] == -np.inf)


def test_excluded_tracks_are_never_found_and_ids_beyond_the_catalog_are_ignored(retriever, histories, heard):
    beyond = np.array([N_TRACKS, N_TRACKS + 7])
    rows = np.concatenate([heard.row_numbers(), np.repeat(EVERYONE, 2)])
    wider = Ragged.from_pairs(rows, np.concatenate([heard.values, np.tile(beyond, N_USERS)]), N_USERS)
    found = retriever.recommend(histories, N_TRACKS, wider)
    assert not any(set(found.tracks[row]) & set(heard[row].tolist()) for row in EVERYONE)
    assert same(found, retriever.recommend(histories, N_TRACKS, heard))


def test_tracks_with_equal_vectors_stand_in_the_seeded_order_of_ties(retriever, histories):
    views = [silent(view) for view in retriever.views]
    tied = replace(retriever, views=views, index=index_of(views[0], retriever.settings))
    order = np.argsort(np.random.default_rng(retriever.settings.evaluation.seed).permutation(N_TRACKS))
    assert np.array_equal(tied.recommend(histories, 10, None).tracks, np.tile(order[:10], (N_USERS, 1)))


def test_an_empty_history_and_tracks_that_the_weights_never_saw_are_answered(retriever):
    empty = Histories(
        np.array([-1]), Ragged(np.array([0, 0]), np.zeros(0, np.int64)), np.zeros(0, np.int64), np.array([9])
    )
    unknown = Histories(
        np.array([-1]), Ragged(np.array([0, 1]), np.array([N_TRACKS + 3])), np.array([5]), np.array([9])
    )
    for histories in (empty, unknown):
        ranking = retriever.recommend(histories, 10, None)
        assert np.all(ranking.tracks != NOTHING) and np.all(np.isfinite(ranking.scores))


def test_a_retriever_that_was_saved_answers_the_same_to_the_last_digit(retriever, histories, heard, tmp_path):
    save_retriever(retriever, tmp_path)
    loaded = load_retriever(tmp_path)
    assert (loaded.id, loaded.settings.lineage, loaded.settings.towers) == (
        retriever.id,
        retriever.settings.lineage,
        retriever.settings.towers,
    )
    for intent in (ANYTHING, ONLY_NEW):
        one, other = (of.for_intent(intent).recommend(histories, 20, heard) for of in (retriever, loaded))
        assert same(one, other)


def test_a_retriever_that_was_loaded_may_be_saved_where_it_came_from(retriever, histories, heard, tmp_path):
    save_retriever(retriever, tmp_path)
    save_retriever(load_retriever(tmp_path), tmp_path)
    assert same(load_retriever(tmp_path).recommend(histories, 50, heard), retriever.recommend(histories, 50, heard))


def test_a_folder_that_a_killed_run_left_is_no_retriever(made, tmp_path, monkeypatch):
    save_retriever(made["late"], tmp_path)

    def killed(index, folder):
        raise KeyboardInterrupt

    monkeypatch.setattr("loopback_core.lineage.retriever_files.save_index", killed)
    with pytest.raises(KeyboardInterrupt):
        save_retriever(made["late"], tmp_path)
    with pytest.raises(ArtifactError, match=r"retriever\.json is missing\); fit it again\.$"):
        load_retriever(tmp_path)


@pytest.mark.parametrize("family", ["two_tower", "interests", "late", "sparse", "int_tower", "cross_encoder"])
def test_any_damaged_or_missing_file_is_a_sentence(made, family, tmp_path):
    save_retriever(made[family], tmp_path)
    for path in sorted(tmp_path.iterdir()):
        sound = path.read_bytes()
        for damaged in (None, b"", sound[: len(sound) // 2], sound[:-1] + bytes([sound[-1] ^ 1])):
            path.unlink(missing_ok=True)
            if damaged is not None:
                path.write_bytes(damaged)
            with pytest.raises(
                ArtifactError, match=rf"^The retriever in {tmp_path} cannot be read \(.*\); fit it again\.$"
            ):
                load_retriever(tmp_path)
        path.write_bytes(sound)
    assert load_retriever(tmp_path).id == family
