"""The search for names over generated catalogs: time to build, memory, size, and milliseconds by kind of query.

    uv run python benchmarks/catalog_search.py [--tracks N ...] [--queries N]

Ten tracks per artist; names are made of frequent words, of words that few names share, and of other scripts. Listeners
are heavy-tailed. Queries are made of names drawn at random, asked one at a time for 20 names each. Where other processes
use the cores too, the CPU column is what the search itself takes. The peak is that of the process, the catalog included.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from loopback_core.bundle.catalog_search import SEARCH, CatalogSearch, build_search
from loopback_core.bundle.catalog_words import folded_name, words_of
from loopback_core.listens.sample.scripts import ADJECTIVES, GIVEN, JOINED, NOUNS, SCRIPTS, SYLLABLES
from loopback_core.runtime.peak_memory import peak_memory

LIMIT = 20
SHARED, RARE = 30_000, 120_000  # words
SHORT = ("the", "of", "in", "you", "a", "to", "my", "and", "i", "me", "on", "for", "love", "is", "it", "your", "all")
CONSONANTS = ("b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "w", "br", "ch", "dr", "kr", "pl")
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "io", "ou", "y")
SCRIPT = 0.12  # of the names
WORDS = (0.2, 0.3, 0.22, 0.14, 0.09, 0.05)  # share of the names with one word, two, ...
ENDINGS = (" (Live)", " - Remastered 2009")


def generated_catalog(n_tracks: int, seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The frames of tracks and artists that :func:`build_search` takes."""
    rng = np.random.default_rng(seed)
    syllables = [*SYLLABLES, *(first + vowel for first in CONSONANTS for vowel in VOWELS)]
    rare = _made_words(rng, RARE, syllables)
    shared = [*(word.lower() for word in (*NOUNS, *ADJECTIVES, *GIVEN)), *SHORT, *_made_words(rng, SHARED, syllables)]
    artists = _names(rng, max(1, n_tracks // 10), shared, rare, share_rare=0.6)
    titles = _names(rng, n_tracks, shared, rare, share_rare=0.05)
    for row in np.flatnonzero(rng.random(n_tracks) < 0.06).tolist():
        titles[row] += ENDINGS[row % 2]
    weights = 1 / (np.arange(len(artists)) + 20)
    weights = 0.5 * weights / weights.sum() + 0.5 / len(artists)
    artist = np.sort(rng.choice(len(artists), n_tracks, p=weights))
    listeners = np.minimum(rng.zipf(1.6, n_tracks), 200_000)
    tracks = pl.DataFrame(
        {"artist_name": pl.Series(artists).gather(artist), "track_name": titles, "listeners": listeners}
    )
    by_artist = np.bincount(artist, listeners, len(artists)).astype(np.int64)
    return tracks, pl.DataFrame({"artist_name": artists, "listeners": by_artist})


def _made_words(rng: np.random.Generator, count: int, syllables: Sequence[str]) -> list[str]:
    lengths = rng.integers(1, 5, count).tolist()
    picked = rng.integers(0, len(syllables), (count, 4)).tolist()
    return ["".join(syllables[part] for part in row[:length]) for row, length in zip(picked, lengths, strict=True)]


def _names(
    rng: np.random.Generator, count: int, shared: Sequence[str], rare: Sequence[str], share_rare: float
) -> list[str]:
    lengths = rng.choice(np.arange(1, len(WORDS) + 1), count, p=WORDS)
    frequency = 1 / (np.arange(len(shared)) + 3)
    total = int(lengths.sum())
    words = rng.choice(len(shared), total, p=frequency / frequency.sum()).tolist()
    unusual = np.where(rng.random(total) < share_rare, rng.integers(0, len(rare), total), -1).tolist()
    scripts = np.where(rng.random(count) < SCRIPT, rng.integers(0, len(SCRIPTS), count), -1).tolist()
    of_script, names, end = list(SCRIPTS), [], 0
    for script, length in zip(scripts, lengths.tolist(), strict=True):
        begin, end = end, end + length
        if script >= 0:
            known = SCRIPTS[of_script[script]]
            joint = "" if of_script[script] in JOINED else " "
            names.append(joint.join(known[words[place] % len(known)] for place in range(begin, end)))
        else:
            picked = (rare[unusual[i]] if unusual[i] >= 0 else shared[words[i]] for i in range(begin, end))
            names.append(" ".join(picked).title())
    return names


def queries_of(tracks: pl.DataFrame, count: int, seed: int = 1) -> dict[str, list[str]]:
    """kind -> queries, made of the names of tracks drawn at random."""
    rng = np.random.default_rng(seed)
    rows = tracks[rng.integers(0, len(tracks), count).tolist()].select("artist_name", "track_name").rows()
    artists, titles = [artist for artist, _ in rows], [title for _, title in rows]
    words = [list(words_of(folded_name(f"{artist} {title}"))) for artist, title in rows]
    longest = [max(row, key=len) for row in words]
    frequent = [*(word.lower() for word in (*NOUNS[:8], *ADJECTIVES[:8])), *SHORT[:8], "live", "remastered"]

    def cut(word: str) -> str:
        return word[: int(rng.integers(1, len(word) + 1))]

    def mistyped(word: str) -> str:
        place = int(rng.integers(0, len(word)))
        changed = ("", word[place + 1 : place + 2] + word[place], word[place] + "x")[int(rng.integers(3))]
        return word[:place] + changed + word[place + (2 if len(changed) == 2 and changed[1:] == word[place] else 1) :]

    def some(number: int) -> str:
        return " ".join(rng.choice(frequent, number, replace=False).tolist())

    letters = {
        f"first {length} letter{'s' * (length > 1)}": [title[:length] for title in titles]
        for length in (1, 2, 3, 4, 6, 8)
    }
    return letters | {
        "artist": artists,
        "title": titles,
        "artist and title": [f"{artist} {title}" for artist, title in rows],
        "two words, one unfinished": [f"{row[0]} {cut(row[-1])}" for row in words],
        "two frequent words": [some(2) for _ in rows],
        "eight frequent words": [some(8) for _ in rows],
        "a typo": [mistyped(word) for word in longest],
        "two typos": [mistyped(mistyped(word) or word) for word in longest],
        "artist and title, a typo in each": [f"{mistyped(artist)} {mistyped(title)}" for artist, title in rows],
        "no such word": [f"zzqx{word}" for word in longest],
        "no such two words": [f"zzqx{row[0]} {row[-1]}qqq" for row in words],
        "part of a name in another script": [title[1:4] for title in titles if not title.isascii()] or ["東京"],
        "200 characters": [" ".join(titles[row : row + 20]) for row in range(0, count, 4)],
    }


def measure_search(n_tracks: int, n_queries: int) -> dict[str, Any]:
    """What the search of a generated catalog takes."""
    tracks, artists = generated_catalog(n_tracks)
    with tempfile.TemporaryDirectory() as folder:
        started, cpu = time.perf_counter(), time.process_time()
        with peak_memory() as memory:
            build_search(tracks, artists, Path(folder))
        found: dict[str, Any] = {
            "build_seconds": time.perf_counter() - started,
            "build_cpu_seconds": time.process_time() - cpu,
            "peak_mb": memory.peak_mb,
            "mb": (Path(folder) / SEARCH).stat().st_size / 1e6,
        }
        search = CatalogSearch.open(Path(folder))
        found["milliseconds"] = {
            kind: {"tracks": _milliseconds(search.tracks, queries), "artists": _milliseconds(search.artists, queries)}
            for kind, queries in queries_of(tracks, n_queries).items()
        }
    return found


def _milliseconds(ask, queries: Sequence[str]) -> dict[str, float]:
    milliseconds, of_cpu, answered = [], [], 0
    for query in queries:
        started, cpu = time.perf_counter(), time.thread_time()
        answered += len(ask(query, LIMIT)) > 0
        of_cpu.append(1000 * (time.thread_time() - cpu))
        milliseconds.append(1000 * (time.perf_counter() - started))
    return {
        "p50": float(np.percentile(milliseconds, 50)),
        "p99": float(np.percentile(milliseconds, 99)),
        "cpu_p99": float(np.percentile(of_cpu, 99)),
        "answered": answered / len(queries),
    }


def table(found: dict[int, dict[str, Any]]) -> Iterator[str]:
    """As Markdown."""
    yield "| tracks | build, s | of CPU, s | peak, GB | size, MB |"
    yield "| --- | --- | --- | --- | --- |"
    for n_tracks, of_size in found.items():
        yield (
            f"| {n_tracks:,} | {of_size['build_seconds']:.0f} | {of_size['build_cpu_seconds']:.0f} | "
            f"{of_size['peak_mb'] / 1000:.2f} | {of_size['mb']:,.0f} |"
        )
    for n_tracks, of_size in found.items():
        yield f"\n{n_tracks:,} tracks\n"
        yield "| query | tracks: p50, ms | p99 | p99 of CPU | answered | artists: p50, ms | p99 | p99 of CPU | answered |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
        for kind, of_kind in of_size["milliseconds"].items():
            columns = (
                f"{ask['p50']:.2f} | {ask['p99']:.2f} | {ask['cpu_p99']:.2f} | {ask['answered']:.0%}"
                for ask in (of_kind["tracks"], of_kind["artists"])
            )
            yield f"| {kind} | {' | '.join(columns)} |"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", nargs="+", type=int, default=[100_000, 1_500_000])
    parser.add_argument("--queries", type=int, default=1000, help="of each kind")
    parser.add_argument("--alone", action="store_true", help="measure one size in this process, and print JSON")
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(measure_search(options.tracks[0], options.queries)))
        return
    found = {}
    for n_tracks in options.tracks:  # each in a process of its own: the peak is one size's
        command = [sys.executable, __file__, "--alone", "--tracks", str(n_tracks), "--queries", str(options.queries)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found[n_tracks] = json.loads(done.stdout.splitlines()[-1])
    print("\n".join(table(found)))


if __name__ == "__main__":
    main()
