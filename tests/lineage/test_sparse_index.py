"""The inverted index finds what reading every row finds."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from retriever_contract import N_USERS, random_log, untrained

from loopback_core.data import NOTHING, Ragged
from loopback_core.errors import ArtifactError, SettingsError
from loopback_core.lineage.retriever import index_of
from loopback_core.lineage.retriever_files import load_retriever, save_retriever
from loopback_core.lineage.sparse_index import INVERTED, CsrIndex, InvertedIndex, build_sparse_index
from loopback_core.lineage.sparse_view import heaviest
from loopback_core.settings import Settings

pytest.importorskip("seismic", reason="the extra 'seismic' is not installed")


def settings_of(engine, **more):
    return Settings.model_validate({"lineage": {"sparse": {"engine": engine, **more}}})


@pytest.fixture(scope="module", params=[5_000, 70_000], ids=["16 bits", "32 bits"])
def view(request):
    """2,000 tracks of 12 terms out of 300, spread over a vocabulary that Seismic keeps in two bytes, or in four."""
    rng, width = np.random.default_rng(0), request.param
    step = width // 300
    term = np.concatenate([rng.choice(300, 12, replace=False) for _ in range(2_000)]) * step
    weight = rng.random(len(term)).astype(np.float32) + 0.1
    return heaviest(np.repeat(np.arange(2_000), 12), term, weight, n_rows=2_000, width=width, count=12)


@pytest.fixture(scope="module")
def users(view):
    rng = np.random.default_rng(1)
    found = np.zeros((20, view.width), np.float32)
    for user in found:
        user[view.terms[rng.choice(len(view.terms), 20)]] = rng.random(20) + 0.1
    found[:, -1] = 0.5  # a term that no track has
    return found


def test_exact_search_is_the_product_with_every_row(view, users):
    index, products = CsrIndex(view, settings_of("csr")), users @ view.matrix.toarray().T
    best = index.search(users, 10, None)
    assert np.array_equal(np.sort(best.scores)[:, ::-1], best.scores)
    np.testing.assert_allclose(best.scores, -np.sort(-products, axis=1)[:, :10], rtol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(products, best.tracks, 1), best.scores, rtol=1e-5)


def test_the_inverted_index_finds_nearly_all_and_never_what_is_left_out(view, users):
    exact, inverted = (build_sparse_index(view, settings_of(engine)) for engine in ("csr", "seismic"))
    first = exact.search(users, 5, None).tracks
    left_out = Ragged(np.arange(0, 101, 5), first.flatten())
    for exclude in (None, left_out):
        found, wanted = (index.search(users, 50, exclude) for index in (inverted, exact))
        hits = [np.isin(of, other).mean() for of, other in zip(wanted.tracks, found.tracks, strict=True)]
        assert np.mean(hits) > 0.98 and np.all(found.tracks != NOTHING)
        np.testing.assert_allclose(found.scores[:, 0], wanted.scores[:, 0], rtol=2e-3)  # kept in half precision
    assert not any(np.isin(of, out).any() for of, out in zip(found.tracks, first, strict=True))


def test_a_user_without_terms_and_a_list_as_long_as_the_catalog_are_answered_exactly(view, users):
    exact, inverted = (build_sparse_index(view, settings_of(engine)) for engine in ("csr", "seismic"))
    nobody = np.zeros((1, view.width), np.float32)
    for asked, k in ((nobody, 30), (users[:2], len(view) + 5)):
        found, wanted = (index.search(asked, k, None) for index in (inverted, exact))
        assert np.array_equal(found.tracks, wanted.tracks)
    assert (wanted.tracks == NOTHING).sum() == 2 * 5


def test_it_answers_the_same_after_it_was_saved(view, users, tmp_path):
    built = build_sparse_index(view, settings_of("seismic"))
    built.save(tmp_path)
    loaded = InvertedIndex.load(tmp_path, view, settings_of("seismic"))
    one, other = (index.search(users, 30, None) for index in (built, loaded))
    assert np.array_equal(one.tracks, other.tracks) and np.array_equal(one.scores, other.scores)
    assert [path.name for path in tmp_path.iterdir()] == [INVERTED]


@pytest.fixture(scope="module")
def retriever():
    """That of the contract, with an inverted index."""
    made = untrained("sparse", random_log())
    sparse = {**made.settings.lineage.sparse.model_dump(), "engine": "seismic"}
    lineage = made.settings.lineage.model_copy(update={"sparse": type(made.settings.lineage.sparse)(**sparse)})
    settings = made.settings.model_copy(update={"lineage": lineage})
    return replace(made, settings=settings, index=index_of(made.views[0], settings))


def test_what_is_served_is_what_is_measured_exactly_and_after_a_reload(retriever, tmp_path):
    histories = random_log().histories(np.arange(N_USERS))
    save_retriever(retriever, tmp_path)
    loaded = load_retriever(tmp_path)
    assert isinstance(loaded.index, InvertedIndex)
    wanted = retriever.recommend_exactly(histories, 10, None)
    for asked in (retriever, loaded):
        found = asked.recommend(histories, 10, None)
        assert np.array_equal(found.tracks, wanted.tracks) and np.array_equal(found.scores, wanted.scores)


def test_a_damaged_inverted_index_is_a_sentence(retriever, tmp_path):
    save_retriever(retriever, tmp_path)
    path = tmp_path / INVERTED
    sound = path.read_bytes()
    for damaged in (None, b"", sound[: len(sound) // 2], sound[:-1] + bytes([sound[-1] ^ 1])):
        path.unlink(missing_ok=True)
        if damaged is not None:
            path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=r"^The retriever in .* cannot be read \(.*\); fit it again\.$"):
            load_retriever(tmp_path)


def test_an_engine_that_is_not_installed_is_a_sentence(view, monkeypatch):
    monkeypatch.setitem(sys.modules, "seismic", None)
    with pytest.raises(SettingsError, match=r'not installed: pip install "loopback\[seismic\]"$'):
        build_sparse_index(view, settings_of("seismic"))
