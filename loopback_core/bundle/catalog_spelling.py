"""The words of a catalog: how a begun word goes on, and which word a mistyped one may have meant.

Two words that differ by few edits become the same when a few letters of each are deleted (SymSpell, Garbe 2012). The
deletions of the first letters of each word are the terms of a full-text table whose rows are the words, those with most
listeners first.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from itertools import combinations

from rapidfuzz.distance import OSA

BEGINNING = 7
"""Letters of a word that are read; edits after them are only compared."""

SHORTEST, LONG = 4, 8
"""Letters from which one edit is corrected, and two."""

LOOKED_AT, CORRECTIONS, COMPLETIONS = 300, 8, 24

_SCHEMA = """
create table words (place integer primary key, word text not null);
create virtual table spellings using fts5(
    deletions, content='', columnsize=0, detail=none, tokenize='ascii');
"""


def fill_spelling(database: sqlite3.Connection, listeners: Mapping[str, int]) -> None:
    """Write the words of a catalog. listeners: word -> those of all its tracks together."""
    database.executescript(_SCHEMA)
    ranked = sorted(listeners, key=lambda word: (-listeners[word], word))
    database.executemany("insert into words values (?, ?)", enumerate(ranked))
    database.execute("create unique index words_by_spelling on words (word)")
    database.executemany(
        "insert into spellings (rowid, deletions) values (?, ?)",
        (
            (rank, " ".join(_deletions(word, 1 + (len(word) >= BEGINNING))))
            for rank, word in enumerate(ranked)
            if _spelled(word)
        ),
    )  # a longer word is looked for with two deletions, and one letter shorter where one was left out
    database.execute("insert into spellings (spellings) values ('optimize')")


def is_kept(word: str) -> bool:
    """Whether a word is long enough to be one that is completed or corrected."""
    return len(word) >= SHORTEST


def completions(database: sqlite3.Connection, begun: str) -> list[str]:
    """The words with most listeners that begin so, this one included."""
    rows = database.execute(  # +: through the index by spelling, not through all words by rank
        "select word from words where word >= ? and word < ? order by +place limit ?",
        (begun, begun + "\U0010ffff", COMPLETIONS),
    )
    return [word for (word,) in rows]


def corrections(database: sqlite3.Connection, word: str, begun: bool) -> list[str]:
    """What the word may have meant, fewest edits first, then most listeners. begun: it may be the beginning of a word."""
    if not _spelled(word):
        return []
    most = _edits(word)
    deletions = " OR ".join(f'"{deletion}"' for deletion in _deletions(word, most))
    rows = database.execute(
        "select word from spellings join words on place = spellings.rowid "
        "where spellings match ? order by spellings.rowid limit ?",
        (deletions, LOOKED_AT),
    ).fetchall()
    found = [
        (edits, rank, other)
        for rank, (other,) in enumerate(rows)
        if (edits := _distance(word, other, most, begun)) <= most
    ]
    return [other for _, _, other in sorted(found)[:CORRECTIONS]]


def _distance(word: str, other: str, most: int, begun: bool) -> int:
    edits = OSA.distance(word, other, score_cutoff=most)
    if begun and edits > 0 and len(other) > len(word):
        lengths = range(len(word) - most, len(word) + most + 1)
        edits = min(edits, *(OSA.distance(word, other[:length], score_cutoff=most) for length in lengths))
    return edits


def _edits(word: str) -> int:
    return 2 if len(word) >= LONG else 1


def _spelled(word: str) -> bool:
    return len(word) >= SHORTEST and word.isalpha()


def _deletions(word: str, most: int) -> Iterator[str]:
    """The beginning of a word without 0 to `most` of its letters, each once."""
    beginning = word[:BEGINNING]
    yield from dict.fromkeys(
        "".join(kept)
        for length in range(len(beginning), len(beginning) - most - 1, -1)
        for kept in combinations(beginning, length)
    )
