"""From the words of a query to the names that match it, best first.

A word is always quoted in the full-text expressions made here, so that nothing in it is syntax.
"""

import math
import sqlite3
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from loopback_core.bundle import catalog_spelling as spelling
from loopback_core.bundle.catalog_words import Forms
from loopback_core.data import Ids

MARK = "\x80"
"""Before a key, in the table: a character that no folded name holds."""

INDEXED_BEGINNING = 6
"""Letters of the beginnings of words that have a list of rows of their own; a longer one is completed first."""

WHOLE_NAME = 1e3  # added to the score of a name that is the query: before all others
NAME_BEGINS, WORDS, WORD_BEGINS, CORRECTED, PARTS = 1.0, 0.9, 0.7, 0.4, 0.2
"""Quality of a match; the score is quality × log(2 + listeners)."""

CORRECTED_CHUNKS, LEFT_OUT_CHUNKS = 3, 4
"""Longer queries are corrected only where nothing is found as written, and one word is left out only of shorter ones."""


class Found:
    """The rows that the readings of one query have found, each with its best score."""

    def __init__(self, connection: sqlite3.Connection, table: str, limit: int) -> None:
        """table: tracks or artists; rows with most listeners come first in it. limit: rows that are asked for."""
        self.connection = connection
        self._limit = limit
        self._sql = (
            f"select place, id, listeners from {table} join {table}_rows on {table}_rows.place = {table}.rowid "
            f"where {table} match ? order by {table}.rowid limit ?"
        )
        first = connection.execute(f"select listeners from {table}_rows where place = 0").fetchone()
        self._most_listeners: int = first[0] if first else 0
        self._scores: dict[tuple[int, int], float] = {}

    def __len__(self) -> int:
        return len(self._scores)

    @property
    def enough(self) -> bool:
        """Whether as many rows as asked for are found."""
        return len(self) >= self._limit

    def may_gain(self, quality: float) -> bool:
        """Whether a match of this quality can be among the best rows, with as many listeners as any row has."""
        if not self.enough:
            return True
        return quality * math.log(2 + self._most_listeners) > sorted(self._scores.values())[-self._limit]

    def any(self, expression: str) -> bool:
        """Whether some row matches; it is not added."""
        return self.connection.execute(self._sql, (expression, 1)).fetchone() is not None

    def add(self, expression: str, quality: float, first: float = 0.0) -> bool:
        """Add the rows that match, with most listeners first: as the quality is the same for all, no other scores more.

        Returns:
            Whether there are any.
        """
        rows = self.connection.execute(self._sql, (expression, self._limit)).fetchall()
        for place, row, listeners in rows:
            score = first + quality * math.log(2 + listeners)
            self._scores[place, row] = max(score, self._scores.get((place, row), 0.0))
        return len(rows) > 0

    def best(self) -> Ids:
        """Ids by score; of equal ones that with most listeners first, then the lowest id."""
        ordered = sorted(self._scores, key=lambda key: (-self._scores[key], key))
        return np.array([row for _, row in ordered[: self._limit]], np.int64)


def find_names(found: Found, forms: Sequence[Forms], keys: Sequence[str]) -> None:
    """Add what a query may mean, from the strictest reading to the loosest.

    Args:
        found: of the table that is asked.
        forms: of every chunk of the query, at least one; the last may be unfinished.
        keys: of the whole query.
    """
    names = [MARK + key for key in keys]
    short = [name for name in names if len(name) <= INDEXED_BEGINNING]
    found.add(any_of(map(term, names)), NAME_BEGINS, WHOLE_NAME)
    if short:
        found.add(any_of(map(begun, short)), NAME_BEGINS)
    whole = [chunk_expression(form) for form in forms]
    strict = [*whole[:-1], chunk_expression(forms[-1], lambda word: _begun_word(found.connection, word))]
    if found.add(all_of(strict), WORD_BEGINS):
        found.add(all_of(whole), WORDS)
    if not found.enough and len(short) < len(names):  # "radio head", "acdcback"
        found.add(any_of(map(begun, names)), NAME_BEGINS)
    if len(found) == 0 or (len(forms) <= CORRECTED_CHUNKS and found.may_gain(CORRECTED)):
        _add_corrected(found, forms, strict)
    if len(found) == 0 and len(forms) > 1:
        _add_parts(found, strict)


def _add_corrected(found: Found, forms: Sequence[Forms], strict: Sequence[str]) -> None:
    """With other words in place of those that may be mistyped, also where a name has them: names are mistyped too."""
    last = len(forms) - 1
    meant = [_meant(found.connection, form, place == last) for place, form in enumerate(forms)]
    if any(meant):
        found.add(all_of(any_of([chunk, *words]) for chunk, words in zip(strict, meant, strict=True)), CORRECTED)


def _add_parts(found: Found, chunks: Sequence[str]) -> None:
    """Without the chunks that no name has; where every one is in some name, without any one of them."""
    known = [chunk for chunk in chunks if found.any(chunk)]
    if 0 < len(known) < len(chunks):
        found.add(all_of(known), PARTS)
    elif 1 < len(known) <= LEFT_OUT_CHUNKS:
        found.add(any_of(all_of([*known[:i], *known[i + 1 :]]) for i in range(len(known))), PARTS)


def _begun_word(connection: sqlite3.Connection, word: str) -> str:
    if len(word) <= INDEXED_BEGINNING:
        return begun(word)
    return any_of(term(other) for other in spelling.completions(connection, word) or [word])


def _meant(connection: sqlite3.Connection, forms: Forms, is_last: bool) -> list[str]:
    words = [form[0] for form in forms if len(form) == 1]
    return [term(other) for word in words for other in spelling.corrections(connection, word, is_last)]


def term(word: str) -> str:
    """Rows with this word."""
    return '"' + word.replace('"', '""') + '"'


def begun(word: str) -> str:
    """Rows with a word that begins so."""
    return term(word) + " *"


def any_of(expressions: Iterable[str]) -> str:
    """Rows that match one of them."""
    return "(" + " OR ".join(expressions) + ")"


def all_of(expressions: Iterable[str]) -> str:
    """Rows that match every one."""
    return "(" + " AND ".join(expressions) + ")"


def chunk_expression(forms: Forms, last: Callable[[str], str] = term) -> str:
    """Rows with all words of one of the forms. last: the expression of the last word of each."""
    return any_of(all_of([*map(term, form[:-1]), last(form[-1])]) for form in forms)
