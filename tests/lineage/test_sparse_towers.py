"""The weights of terms: what they are, what they cost in training, and what they say of a score."""

import numpy as np
import polars as pl
import pytest
import torch
from retriever_contract import ARTIST, N_ARTISTS, N_TRACKS, N_USERS, SMALL, untrained

from loopback_core.data.names import TrackNames
from loopback_core.errors import SettingsError
from loopback_core.features.track_content import track_content
from loopback_core.lineage.explain_terms import explain
from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.name_parts import NameParts, bucket_of, hashed_words, words_in_names
from loopback_core.lineage.retriever import fit_retriever
from loopback_core.lineage.retriever_files import load_retriever, save_retriever
from loopback_core.lineage.sparse_view import heaviest
from loopback_core.retrieval.embed import read_users
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.training.sampled import SampledExamples

TERMS = SMALL["lineage"]["sparse"]
CODES, WORDS = TERMS["codes"], TERMS["words"]


@pytest.fixture(scope="module")
def retriever(data):
    return untrained("sparse", data)


def without_limit(**changes):
    """Towers that keep every term."""
    kept = {**TERMS, "track_terms": 1000, "user_terms": 1000, **changes}
    return {**SMALL, "lineage": {**SMALL["lineage"], "sparse": kept}}


def towers(data, **changes):
    settings = settings_of_family(FAMILIES["sparse"], 0, without_limit(**changes), {})
    torch.manual_seed(0)
    model = FAMILIES["sparse"].make(Vocabulary(N_USERS, N_TRACKS, N_ARTISTS), settings, data.names)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
    return model.eval(), settings


def test_the_words_of_a_track_are_those_of_title_and_artist_each_once():
    names = pl.DataFrame(
        {"artist_name": ["The Band", None, "Ünïted"], "track_name": ["The  Weight (live)", "don't", None]}
    )
    assert words_in_names(names).rows() == [
        (0, "the"), (0, "weight"), (0, "live"), (0, "band"), (1, "don"), (1, "t"), (2, "ünïted")
    ]  # fmt: skip
    rows = hashed_words(names, 1 << 20)
    assert rows[0].tolist() == sorted(bucket_of(word, 1 << 20) for word in ("the", "weight", "live", "band"))
    assert bucket_of("weight", 1 << 20) == 392436


def test_a_word_of_every_name_has_no_rarity_and_one_of_a_single_name_has_1():
    names = pl.DataFrame({"artist_name": ["a", "a", "a", "a"], "track_name": ["one", "two", "two", "three"]})
    parts = NameParts(TrackNames(lambda: names), 4, 1 << 16)
    found = [parts.rarity(1 << 16)[bucket_of(word, 1 << 16)].item() for word in ("a", "two", "one")]
    assert found == pytest.approx([0, 0.5, 1])


def test_the_heaviest_terms_of_a_row_are_kept_and_of_equals_the_lower_one():
    row, term = np.array([0, 0, 0, 2, 2]), np.array([5, 3, 1, 4, 0])
    view = heaviest(row, term, np.array([1, 1, 2, 0, 3], np.float32), n_rows=3, width=6, count=2)
    assert view.matrix.toarray().tolist() == [[0, 2, 0, 1, 0, 0], [0] * 6, [3, 0, 0, 0, 0, 0]]


def test_no_weight_is_below_zero_and_no_vector_has_more_terms_than_are_kept(retriever, data):
    users = retriever.embed(data.histories(np.arange(N_USERS)))[:, 0]
    tracks = retriever.views[0].matrix.toarray()
    for vectors, most in ((users, TERMS["user_terms"]), (tracks, TERMS["track_terms"])):
        assert vectors.min() == 0 and (vectors > 0).sum(axis=1).max() == most


def test_the_artists_of_a_user_are_those_that_were_played_and_a_track_has_its_own(data):
    model, _ = towers(data)
    history = data.histories(np.array([3]))
    read = next(iter(read_users(model, history, ARTIST)))
    with torch.no_grad():
        user = model.user_vectors(read)[0, 0]
    played = set(ARTIST[history.tracks.values].tolist())
    assert set(torch.nonzero(user[CODES + WORDS :])[:, 0].tolist()) == played
    assert user.norm() == pytest.approx(1)


def test_the_loss_is_the_softmax_of_the_products_and_the_regulariser(data):
    model, settings = towers(data, flops=2.0)
    batch = next(iter(SampledExamples(data, settings).epoch(1)))
    content = track_content(data, settings.towers)
    (view,) = model.views(content)
    with torch.no_grad():
        model.steps.fill_(2)  # half of the warm-up
        users = model.user_vectors(batch.users)[:, 0]
        tracks = torch.from_numpy(view.matrix.toarray())[batch.tracks.track]
        scores = model.inverse_temperature() * users @ tracks.T
        count, costs = len(batch), []
        for target, request in enumerate(batch.request.tolist()):
            others = torch.where(
                batch.false_negative[request], -torch.inf, scores[request, count:] - batch.correction
            ).logsumexp(dim=0)
            costs.append(torch.logaddexp(scores[request, target], others) - scores[request, target])
        flops = users[:, : CODES + WORDS].mean(dim=0).square().sum() + tracks[:, :CODES].mean(dim=0).square().sum()
        wanted = torch.stack(costs).mean() + 2.0 * 0.25 * flops
        torch.testing.assert_close(model.loss_of(batch), wanted)


def test_every_weight_is_trained_and_the_regulariser_rises_with_the_square_of_the_steps(data):
    model, settings = towers(data, flops=1.0)
    batch = next(iter(SampledExamples(data, settings).epoch(1)))
    model.train().loss_of(batch).backward()
    tables = {id(table.weight) for table in model.embeddings()}
    silent = [name for name, weight in model.named_parameters() if id(weight) not in tables and weight.grad is None]
    assert silent == [] and all(table.gradient() is not None for table in model.embeddings())
    assert [model._flops_weight() for _ in range(4)] == [0.25, 0.5625, 1.0, 1.0]


def test_terms_explain_a_score(retriever, data):
    history = data.histories(np.array([5]))
    ranking = retriever.recommend(history, 3, None)
    for track, score in zip(ranking.tracks[0].tolist(), ranking.scores[0].tolist(), strict=True):
        shared = explain(retriever, history, track, data.names)
        assert sum(term.product for term in shared) == pytest.approx(score, abs=1e-5)
        assert [term.product for term in shared] == sorted((term.product for term in shared), reverse=True)
        known = {f'artist "artist {ARTIST[track]}"', *(f"code {code}" for code in range(CODES))}
        assert all(term.name in known or term.name.startswith('word "') for term in shared)


def test_what_has_no_terms_explains_nothing(data):
    with pytest.raises(SettingsError, match=r"^The family 'two_tower' has no terms .* take 'sparse'\.$"):
        explain(untrained("two_tower", data), data.histories(np.array([5])), 0, data.names)


def test_towers_that_read_no_pools_are_a_sentence():
    settings = settings_of_family(FAMILIES["late"], 0, SMALL, {})
    with pytest.raises(SettingsError, match=r"set towers\.user_encoder to 'pooled'\.$"):
        FAMILIES["sparse"].make(Vocabulary(2, 3, 1), settings)


def test_a_training_goes_on_and_answers_after_it_was_saved(tmp_path, data):
    (made := tmp_path / "made").mkdir(), (checkpoints := tmp_path / "checkpoints").mkdir()
    given = {**SMALL, "training": {**SMALL["training"], "epochs": 2}}
    fitted = fit_retriever("sparse", data, settings_of_family(FAMILIES["sparse"], 0, given, {}), None, checkpoints)
    assert int(fitted.model.steps) > 2
    save_retriever(fitted, made)
    one, other = (of.recommend(data.histories(np.arange(N_USERS)), 10, None) for of in (fitted, load_retriever(made)))
    assert np.array_equal(one.tracks, other.tracks) and np.array_equal(one.scores, other.scores)


def test_a_log_without_names_has_no_words(data):
    settings = settings_of_family(FAMILIES["sparse"], 0, SMALL, {})
    model = FAMILIES["sparse"].make(Vocabulary(N_USERS, N_TRACKS, N_ARTISTS), settings, None)
    row, word = model.name_parts.of(torch.tensor([0, 5, -1, N_TRACKS]))
    assert not len(row) and not len(word)
