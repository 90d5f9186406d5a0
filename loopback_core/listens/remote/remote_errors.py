"""Errors of drivers and object stores as sentences. Their own texts repeat addresses, so no secret gets through here."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from loopback_core.errors import BadLogError, DownloadError, LoopbackError
from loopback_core.listens.remote.remote_address import DATABASES, RemoteAddress

LONGEST_DETAIL = 300  # characters of a driver's text that are shown

_CAUSE_OF_SQLSTATE = {
    "28": "refused",
    "42501": "refused",
    "42P01": "no table",
    "3D000": "no table",
    "3F000": "no table",
    "08": "unreachable",
    "57P": "unreachable",
}

_WORDS_OF_CAUSE = {
    "locked": re.compile(r"could not set lock|database is locked|conflicting lock", re.IGNORECASE),
    "no table": re.compile(
        r"no such table|table with name .* does not exist|database .* does not exist", re.IGNORECASE
    ),
    "refused": re.compile(
        r"password authentication failed|no password supplied|authentication failed|pg_hba\.conf|role .* does not exist"
        r"|not authorized|access ?denied|forbidden|unauthori[sz]ed|\b40[13]\b|invalidaccesskeyid"
        r"|signaturedoesnotmatch|account must be specified|expiredtoken|credential|169\.254\.169\.254|metadata\.google",
        re.IGNORECASE,
    ),
    "unreachable": re.compile(
        r"could not connect|connection (?:refused|reset|timed out)|could not translate host|dns error|tcp connect error"
        r"|error sending request|timed? ?out|no route to host|network is unreachable|is the server running"
        r"|name or service not|server closed the connection|terminating connection|could not receive data",
        re.IGNORECASE,
    ),
    "nothing": re.compile(
        r"expanded paths were empty|nosuchkey|nosuchbucket|\b404\b|nosuchtable|tablenotfound|no such file|does not exist"
        r"|no files in log segment|object at location",
        re.IGNORECASE,
    ),
}
"""The first that fits, in this order."""

_BEYOND_USE = re.compile(
    r"\n\s*Query was:|\nLINE \d+:|\n\s*\^|: <\?xml| \(path expansion input|This error occurred with the"
)
"""From here on a driver repeats the query, or shows what only its authors can read."""


@contextmanager
def drivers_errors(address: RemoteAddress) -> Iterator[None]:
    """Turn what a library raises while it reads this address into a sentence without secrets.

    Raises:
        BadLogError: the log cannot be read as it is.
        DownloadError: it cannot be reached at the moment.
    """
    try:
        yield
    except LoopbackError:
        raise
    except Exception as error:
        raise _sentence(error, address) from None  # the error itself may hold a password


def _sentence(error: Exception, address: RemoteAddress) -> LoopbackError:
    detail, where = _detail(error, address), address.shown
    is_database = address.kind in DATABASES.values()
    cause = _cause(error)
    if cause == "locked":
        return BadLogError(f"{where} is locked by another program ({detail}): end it, or copy the file, and run again.")
    if cause == "no table" and is_database:
        return BadLogError(f"{where} has no such table or database ({detail}): correct source.name, table or query.")
    if cause == "refused":
        remedy = (
            "set LOOPBACK_SOURCE_PASSWORD or PGPASSWORD, and give a user who may read it"
            if is_database
            else "set the variables of its store in the environment (AWS_..., GOOGLE_... or AZURE_...) to a key that may read it"
        )
        return BadLogError(f"{where} refuses the credentials ({detail}): {remedy}.")
    if cause == "unreachable":
        return DownloadError(
            f"{where} cannot be reached ({detail}): check its host and port, and whether it runs and lets this machine in."
        )
    if cause in ("no table", "nothing") and not is_database:
        return BadLogError(f"There is nothing at {where} ({detail}): correct source.name.")
    if is_database:
        return BadLogError(f"{where} cannot be read ({detail}): correct source.name, table or query.")
    return BadLogError(f"{where} cannot be read ({detail}): give Parquet files, or a table of a kind that can be read.")


def _cause(error: Exception) -> str:
    """The kind of what went wrong; "" where it is none of those that have a sentence."""
    if state := getattr(error, "sqlstate", None):  # PostgreSQL says it; its text may hold any word of the query
        return next((cause for prefix, cause in _CAUSE_OF_SQLSTATE.items() if state.startswith(prefix)), "")
    text = f"{type(error).__name__} {_BEYOND_USE.split(str(error))[0]}"
    return next((cause for cause, words in _WORDS_OF_CAUSE.items() if words.search(text)), "")


def _detail(error: Exception, address: RemoteAddress) -> str:
    """What the driver says, in one line, without what follows."""
    text = _BEYOND_USE.split(str(error))[0]
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)  # colours
    text = " ".join(address.hides(text).split()).rstrip(".")
    return text if len(text) <= LONGEST_DETAIL else text[:LONGEST_DETAIL] + "..."
