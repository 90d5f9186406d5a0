"""The search for names: tracks and artists as people type them, from one file that is only read.

The file is a SQLite database with full-text tables (FTS5). A row is a name, numbered by popularity: the rows of a query
come in the order of their listeners, so that a search ends after the first few, however many there are.
"""

import sqlite3
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Self

import numpy as np
import polars as pl

from loopback_core.bundle import catalog_spelling as spelling
from loopback_core.bundle.catalog_matching import INDEXED_BEGINNING, MARK, Found, find_names, term
from loopback_core.bundle.catalog_words import (
    LONGEST_KEY,
    MOST_CHUNKS,
    as_typed,
    chunk_forms,
    folded_name,
    keys_of,
    without_article,
    words_of,
)
from loopback_core.data import Ids
from loopback_core.errors import ArtifactError

SEARCH = "names.sqlite"

MOST_FOUND = 1000

CONNECTIONS = 4
"""Searches of one process at once; each takes a core."""

IN_MEMORY = 64 << 20  # bytes of new rows before they are written

_TABLE = """
create table {name}_rows (place integer primary key, id integer not null, listeners integer not null);
create virtual table {name} using fts5(
    words, content='', columnsize=0, detail=none, prefix='{lengths}',
    tokenize="ascii tokenchars '!""#$%&''()*+,-./:;<=>?@[\\]^_`{{|}}~'");
"""  # words are made here, not by the tokenizer: everything but a space belongs to a word


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
            weakref.finalize(self, connection.close)

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
                found = Found(connection, table, limit)
                find_names(found, forms, keys_of(text))
                return found.best()
        finally:
            self._connections.put(connection)


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
