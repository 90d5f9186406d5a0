"""The one SELECT that is sent to a database."""

import re
from collections.abc import Sequence

from loopback_core.errors import SettingsError
from loopback_core.settings import SourceSettings

READING = ("select", "with", "values", "table", "from")
"""Words that a query begins with which only reads."""

_COMMENT = re.compile(r"--[^\n]*(?:\n|$)|/\*.*?\*/", re.DOTALL)


def query_of(source: SourceSettings) -> str:
    """The query that `source.query` or `source.table` means.

    Raises:
        SettingsError: neither is given, or the query is not a SELECT.
    """
    if source.table:
        return f"select * from {_quoted_table(source.table)}"
    if not source.query:
        raise SettingsError(
            'A database needs [source] table = "..." or query = "select ...": say which of its rows are the listens.'
        )
    query = source.query.strip().rstrip("; \n\t")
    first = re.match(r"[\s(]*(\w*)", _COMMENT.sub(" ", query))
    if not first or first[1].lower() not in READING:
        raise SettingsError("source.query must be one SELECT: the log is only read. Make changes with another program.")
    return query


def schema_query(query: str) -> str:
    """A query for no row, with the columns of `query`."""
    return f"select * from (\n{query}\n) as loopback_log where 1 = 0"


def count_query(query: str) -> str:
    """A query for the number of rows of `query`."""
    return f"select count(*) from (\n{query}\n) as loopback_log"


def as_selected(names: Sequence[str], mark: str) -> list[str]:
    """The names of a query's columns, where the database has renamed the second `title` to `title`, `mark` and a number."""
    renamed = re.compile(rf"(.+){re.escape(mark)}\d+")
    found = [renamed.fullmatch(name) for name in names]
    return [match[1] if match and match[1] in names else name for match, name in zip(found, names, strict=True)]


def columns_query(query: str, columns: Sequence[str], time: str, text_type: str) -> str:
    """`query` with these columns only, all of them but `time` cast to text by the database."""
    selected = (
        quoted(name) if name == time else f"cast({quoted(name)} as {text_type}) as {quoted(name)}" for name in columns
    )
    return f"select {', '.join(selected)} from (\n{query}\n) as loopback_log"


def quoted(name: str) -> str:
    """A name as SQL writes it whatever its letters are."""
    return '"' + name.replace('"', '""') + '"'


def _quoted_table(table: str) -> str:
    """`schema.table`, each part quoted unless the user has quoted it."""
    return table if '"' in table else ".".join(map(quoted, table.split(".")))
