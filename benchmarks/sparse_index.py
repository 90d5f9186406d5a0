"""The inverted index of learned sparse vectors against reading every row, over drawn terms of many tracks.

    uv run python benchmarks/sparse_index.py --tracks 1500000

Vectors are those of `large_catalog.py` (genres, artists near a genre, tracks near their artist), as codes: log(1 + relu(x)) of
their products with drawn directions. A track has CODES of them, its artist, and the words of its name, some words often; a user
has codes, some artists and words. How many of each, and their share of the square of the norm, is what training gave
(docs/lineage.md). One thread; a process cannot have more than --memory-gb. Times of searches are CPU time, so that other work
on the machine counts less; the last columns are wall-clock time.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

os.environ.setdefault("RAYON_NUM_THREADS", "1")  # read by Seismic when it is loaded

from large_catalog import BLOCK, TRACKS_OF_ARTIST, USERS, WIDTH, drawn_block, drawn_queries, limited

from loopback_core.lineage.sparse_index import INVERTED, CsrIndex, InvertedIndex
from loopback_core.lineage.sparse_view import SparseView, heaviest
from loopback_core.settings import Settings, SparseSettings

K, DEPTH, AT_ONCE = 100, 1000, 20_000

TERMS = SparseSettings()
ARTISTS = 40_000
VOCABULARY = TERMS.codes + TERMS.words + ARTISTS

TRACK_CODES, TRACK_WORDS, TRACK_SHARES = 27, 4, (0.87, 0.11, 0.02)
"""Codes and words of a track, and the shares of codes, words and the artist in the square of its norm."""

USER_CODES, USER_WORDS, USER_ARTISTS, USER_SHARES = 19, 29, 16, (0.25, 0.48, 0.27)


def codes_of(vectors: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The heaviest codes of unit vectors, and their weights: two (n, count)."""
    directions = np.random.default_rng(3).standard_normal((WIDTH, TERMS.codes), np.float32)
    weights = np.log1p(np.maximum(vectors @ directions - 1, 0))
    code = np.argpartition(-weights, count, axis=1)[:, :count]
    return code, np.take_along_axis(weights, code, axis=1)


def drawn_words(shape: tuple[int, int], random: np.random.Generator) -> np.ndarray:
    """Buckets of words, of which a few are in many names."""
    often = np.cumsum(np.arange(1, TERMS.words + 1) ** -0.9)
    return np.minimum(np.searchsorted(often / often[-1], random.random(shape)), TERMS.words - 1)


def rarity(words: np.ndarray) -> np.ndarray:
    """The weights of words, of which the first are in many names."""
    return np.log(words + 1.5) / np.log(TERMS.words)


def rows_of(parts: list[tuple[np.ndarray, np.ndarray]], shares: tuple[float, ...], count: int) -> SparseView:
    """parts: terms and weights, each (n, m), of codes, words and artists; each is as long as its share of the norm."""
    n = len(parts[0][0])
    terms, weights = [], []
    for (term, weight), share in zip(parts, shares, strict=True):
        length = np.sqrt(np.square(weight).sum(axis=1, keepdims=True))
        terms.append(term)
        weights.append(weight * np.sqrt(share) / np.maximum(length, 1e-6))
    term, weight = np.concatenate(terms, axis=1), np.concatenate(weights, axis=1).astype(np.float32)
    row = np.repeat(np.arange(n), term.shape[1])
    distinct, first = np.unique(row * VOCABULARY + term.ravel(), return_index=True)
    return heaviest(
        distinct // VOCABULARY,
        distinct % VOCABULARY,
        weight.ravel()[first],
        n_rows=n,
        width=VOCABULARY,
        count=count,
    )


def drawn_tracks(block: int) -> Iterator[SparseView]:
    """The tracks of a block; those of an artist are near each other, as their vectors are."""
    vectors, random = drawn_block(block), np.random.default_rng([11, block])
    # The first number that the block draws of each track is its artist.
    same = np.random.default_rng([7, block]).random(BLOCK)
    artist = (BLOCK // TRACKS_OF_ARTIST * same**2).astype(int) + block * (BLOCK // TRACKS_OF_ARTIST)
    for start in range(0, BLOCK, AT_ONCE):
        rows = slice(start, start + AT_ONCE)
        words = drawn_words((AT_ONCE, TRACK_WORDS), random)
        of_artist = (artist[rows, None] % ARTISTS) + TERMS.codes + TERMS.words
        yield rows_of(
            [
                codes_of(vectors[rows], TRACK_CODES),
                (words + TERMS.codes, rarity(words)),
                (of_artist, np.ones(of_artist.shape)),
            ],
            TRACK_SHARES,
            TERMS.track_terms,
        )


def drawn_users() -> np.ndarray:
    """(USERS, VOCABULARY)."""
    vectors, random = drawn_queries(), np.random.default_rng(12)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    words = drawn_words((USERS, USER_WORDS), random)
    artists = random.integers(0, ARTISTS, (USERS, USER_ARTISTS)) + TERMS.codes + TERMS.words
    weights = [random.exponential(1, terms.shape) + 0.2 for terms in (words, artists)]
    view = rows_of(
        [codes_of(vectors, USER_CODES), (words + TERMS.codes, rarity(words) * weights[0]), (artists, weights[1])],
        USER_SHARES,
        TERMS.user_terms,
    )
    return view.matrix.toarray()


def measured(index: Any, users: np.ndarray, k: int, exact: np.ndarray) -> dict[str, float]:
    """Recall of the 100 best among k that are found, and milliseconds of a search."""
    cpu, wall, hits = [], [], []
    for user, best in zip(users, exact, strict=True):
        begin, begin_cpu = time.perf_counter(), time.thread_time()
        found = index.search(user[None], k, None).tracks[0]
        cpu.append(1000 * (time.thread_time() - begin_cpu))
        wall.append(1000 * (time.perf_counter() - begin))
        hits.append(np.isin(best, found[:K]).mean())
    times = {f"p{q}{what}": float(np.percentile(of, q)) for what, of in (("", cpu), (" wall", wall)) for q in (50, 99)}
    return {"recall@100": float(np.mean(hits)), **times}


def settings_of(**sparse: Any) -> Settings:
    return Settings.model_validate({"lineage": {"sparse": sparse}})


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=1_500_000, help=f"a multiple of {BLOCK}")
    parser.add_argument("--postings", type=int, nargs="+", default=[TERMS.seismic_postings])
    parser.add_argument("--terms", type=int, nargs="+", default=[TERMS.seismic_terms], help="of a user that are read")
    parser.add_argument("--factor", type=float, nargs="+", default=[TERMS.seismic_heap_factor])
    parser.add_argument("--memory-gb", type=float, default=6.0)
    options = parser.parse_args()
    limited(options.memory_gb)
    blocks = [view for block in range(options.tracks // BLOCK) for view in drawn_tracks(block)]
    view, users = SparseView.joined(blocks, VOCABULARY), drawn_users()
    del blocks
    print(
        f"{len(view):,} tracks of {len(view.terms) / len(view):.1f} terms, users of {(users > 0).sum(1).mean():.1f}\n"
    )
    oracle = CsrIndex(view, settings_of())
    exact = np.concatenate([oracle.search(user[None], K, None).tracks for user in users])
    names = ["recall@100", "p50", "p99", "p50 wall", "p99 wall"]
    print(f"| index | found | build, s | bytes a track | peak, GB | {' | '.join(names)} |")
    print("| --- |" + " ---: |" * (4 + len(names)))

    def line(what: str, k: int, seconds: float, size: float, index: Any) -> None:
        of = measured(index, users, k, exact)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        values = [f"{of[names[0]]:.4f}", *(f"{of[name]:.2f}" for name in names[1:])]
        print(f"| {what} | {k} | {seconds:.0f} | {size:.0f} | {peak:.1f} | {' | '.join(values)} |", flush=True)

    line("every row (csr)", K, 0, view.n_bytes / len(view), oracle)
    for postings in options.postings:
        started = time.perf_counter()
        built = InvertedIndex.build(view, settings_of(engine="seismic", seismic_postings=postings))
        seconds = time.perf_counter() - started
        with TemporaryDirectory() as folder:
            built.save(Path(folder))
            size = (view.n_bytes + (Path(folder) / INVERTED).stat().st_size) / len(view)
        for terms in options.terms:
            for factor in options.factor:
                built.settings = settings_of(
                    engine="seismic", seismic_terms=terms, seismic_heap_factor=factor
                ).lineage.sparse
                what = json.dumps({"postings": postings, "terms": terms, "heap_factor": factor})
                for k in (K, DEPTH):
                    line(what.strip("{}").replace('"', ""), k, seconds, size, built)


if __name__ == "__main__":
    main()
