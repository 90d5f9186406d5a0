"""The search for names: tracks and artists as people type them, from one file that is only read.

The file is a SQLite database with full-text tables (FTS5). A row is a name, numbered by popularity: the rows of a query
come in the order of their listeners, so that a search ends after the first few, however many there are.
"""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Self

import numpy as np
import polars as pl

from loopback_core.bundle import catalog_spelling as spelling
from loopback_core.bundle.catalog_words import (
    LONGEST_KEY,
    MOST_CHUNKS,
    Forms,
    as_typed,
    chunk_forms,
    folded_name,
    keys_of,
    without_article,
    words_of,
)
from loopback_core.bundle.match_expressions import all_of, any_of, begun, chunk_expression, term
from loopback_core.data import Ids
from loopback_core.errors import ArtifactError

SEARCH = "names.sqlite"

INDEXED_BEGINNING = 6
"""Letters of the beginnings of words that have a list of rows of their own; a longer one is completed first."""

MOST_FOUND = 1000

WHOLE_NAME = 1e3  # added to the score of a name that is the query: before all others
NAME_BEGINS, WORDS, WORD_BEGINS, CORRECTED, PARTS = 1.0, 0.9, 0.7, 0.4, 0.2
"""Quality of a match; the score is quality × log(2 + listeners)."""

CORRECTED_CHUNKS, LEFT_OUT_CHUNKS = 3, 4
"""Longer queries are corrected only where nothing is found as written, and one word is left out only of shorter ones."""

CONNECTIONS = 4
"""Searches of one process at once; each takes a core."""

IN_MEMORY = 64 << 20  # bytes of new rows before they are written

_TABLE = """
create table {name}_rows (place integer primary key, id integer not null, listeners integer not null);
create virtual table {name} using fts5(
    words, content='', columnsize=0, detail=none, prefix='{lengths}',
    tokenize="ascii tokenchars '!""#$%&''()*+,-./:;<=>?@[\\]^_`{{|}}~'");
"""  # words are made here, not by the tokenizer: everything but a space belongs to a word
MARK = "\x80"
"""Before a key: a character that no folded name holds."""


def build_search(tracks: pl.DataFrame, artists: pl.DataFrame, folder: Path) -> None:
    """Write the search of a catalog into a folder; the same frames give the same bytes.

    Args:
        tracks: artist_name, track_name and listeners; row i is track i.
        artists: artist_name and listeners; row i is artist i.
        folder: an existing folder; what :class:`CatalogSearch` opens.
    """
    path = folder / SEARCH
    path.unlink(missing_ok=True)
    alone = artists.select(pl.lit("").alias("artist_name"), track_name="artist_name", listeners="listeners")
    with closing(sqlite3.connect(path)) as database:
        database.executescript("pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -65536;")
        listeners: dict[str, int] = {}
        for table, names in (("artists", alone), ("tracks", tracks)):
            _fill(database, table, names, listeners)
        spelling.fill_spelling(database, listeners)
        database.commit()
        database.execute("vacuum")


def _fill(database: sqlite3.Connection, table: str, names: pl.DataFrame, listeners: dict[str, int]) -> None:
    """Write one table of names. listeners: word -> those of all its names together; added to."""
    ranked = (
        names.select(pl.col("artist_name", "track_name").fill_null(""), pl.col("listeners").fill_null(0).cast(pl.Int64))
        .with_row_index("id")
        .sort("listeners", "id", descending=[True, False])
    )
    lengths = " ".join(str(length) for length in range(1, INDEXED_BEGINNING + 1))
    database.executescript(_TABLE.format(name=table, lengths=lengths))
    database.execute(f"insert into {table} ({table}, rank) values ('hashsize', {IN_MEMORY})")
    rows = ranked.select("id", "listeners").with_row_index("rank").iter_rows()
    database.executemany(f"insert into {table}_rows values (?, ?, ?)", rows)
    database.executemany(f"insert into {table} (rowid, words) values (?, ?)", _documents(ranked, listeners))
    database.execute(f"insert into {table} ({table}) values ('optimize')")


def _documents(ranked: pl.DataFrame, listeners: dict[str, int]) -> Iterator[tuple[int, str]]:
    """(rank, all words and keys under which the name is found) of every row."""
    of_artist: dict[str, tuple[list[str], list[str]]] = {}
    rows = ranked.select("artist_name", "track_name", "listeners").iter_rows()
    for rank, (artist_name, track_name, its_listeners) in enumerate(rows):
        if artist_name not in of_artist:
            of_artist[artist_name] = _words_and_keys(artist_name)
        artist_words, artist_keys = of_artist[artist_name]
        title_words, title_keys = _words_and_keys(track_name)
        words = dict.fromkeys((*artist_words, *title_words))
        for word in words:
            if spelling.is_kept(word):
                listeners[word] = listeners.get(word, 0) + its_listeners
        pairs = ((artist, title) for artist in artist_keys for title in title_keys)
        both = (key for artist, title in pairs for key in (artist + title, title + artist))
        keys = dict.fromkeys(MARK + key[:LONGEST_KEY] for key in (*artist_keys, *title_keys, *both))
        yield rank, " ".join((*words, *keys))


def _words_and_keys(name: str) -> tuple[list[str], list[str]]:
    text = folded_name(name)
    keys = dict.fromkeys((*keys_of(text), *keys_of(without_article(text))))
    return list(words_of(text)), list(keys)


class CatalogSearch:
    """The names of a catalog, found as people type them. Threads and processes may ask at once; nothing is written."""

    def __init__(self, path: Path, connections: Sequence[sqlite3.Connection]) -> None:
        """connections: as many searches as may run at once; a further one waits."""
        self._path = path
        self._connections: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        for connection in connections:
            self._connections.put(connection)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open what :func:`build_search` wrote, mapped into memory.

        Raises:
            ArtifactError: the file is missing or damaged.
        """
        path = folder / SEARCH
        with _readable(path):
            return cls(path, [_connect(path) for _ in range(CONNECTIONS)])

    def tracks(self, query: str, limit: int) -> Ids:
        """The best tracks for what somebody typed, best first, at most `limit` and MOST_FOUND; artist and title count.

        A query is plain text of any length; LONGEST_QUERY characters of it are read. A blank one finds nothing.

        Raises:
            ArtifactError: the file turned out to be damaged.
        """
        return self._find("tracks", query, limit)

    def artists(self, query: str, limit: int) -> Ids:
        """The best artists; as :meth:`tracks`."""
        return self._find("artists", query, limit)

    def _find(self, table: str, query: str, limit: int) -> Ids:
        text, limit = as_typed(query), min(limit, MOST_FOUND)
        forms = chunk_forms(text)[:MOST_CHUNKS]
        if not forms or limit < 1:
            return np.zeros(0, np.int64)
        connection = self._connections.get()
        try:
            with _readable(self._path):
                found = _Found(connection, table, limit)
                _search(found, forms, keys_of(text))
                return found.best()
        finally:
            self._connections.put(connection)


class _Found:
    """The rows that the parts of one search have found, each with its best score."""

    def __init__(self, connection: sqlite3.Connection, table: str, limit: int) -> None:
        self.connection = connection
        self._limit = limit
        self._sql = (
            f"select place, id, listeners from {table} join {table}_rows on {table}_rows.place = {table}.rowid "
            f"where {table} match ? order by {table}.rowid limit ?"
        )
        self._scores: dict[tuple[int, int], float] = {}

    def __len__(self) -> int:
        return len(self._scores)

    @property
    def enough(self) -> bool:
        return len(self) >= self._limit

    def any(self, expression: str) -> bool:
        """Whether some row matches; it is not added."""
        return self.connection.execute(self._sql, (expression, 1)).fetchone() is not None

    def add(self, expression: str, quality: float, first: float = 0.0) -> bool:
        """Add the `limit` rows with most listeners that match; they score best, as the quality is the same for all.

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


def _search(found: _Found, forms: Sequence[Forms], keys: Sequence[str]) -> None:
    """From the strictest reading of a query to the loosest; the loose ones only where the strict ones find too little."""
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
    if not found.enough and (len(found) == 0 or len(forms) <= CORRECTED_CHUNKS):
        meant = [_meant(found.connection, form, form is forms[-1]) for form in forms]
        if any(meant):
            found.add(all_of(any_of([chunk, *words]) for chunk, words in zip(strict, meant, strict=True)), CORRECTED)
    if len(found) == 0 and len(forms) > 1:
        _search_parts(found, strict)


def _search_parts(found: _Found, chunks: Sequence[str]) -> None:
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


def _connect(path: Path) -> sqlite3.Connection:
    # immutable: no locks, no files next to it, so that a read-only file system will do
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    connection.execute("pragma query_only = on")
    connection.execute("pragma trusted_schema = off")
    connection.execute("pragma cache_size = -1024")
    connection.execute(f"pragma mmap_size = {1 << 40}")  # as much as this SQLite maps
    for table in ("tracks", "artists", "spellings"):
        connection.execute(f"select rowid from {table} where {table} match ? limit 1", (term("a"),)).fetchall()
    return connection


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise ArtifactError(
            f"The search for names in {path.parent} cannot be read ({error}); build it again."
        ) from None
