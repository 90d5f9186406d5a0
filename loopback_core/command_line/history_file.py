"""A history from a file."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
from pydantic import TypeAdapter, ValidationError

from loopback_core.errors import BadLogError, RequestError
from loopback_core.listens.cleaning import clean
from loopback_core.listens.layouts import DELIMITED_TEXT, LASTFM_LINES
from loopback_core.listens.log_rules import RAW_COLUMNS
from loopback_core.listens.reading import read_rows
from loopback_core.listens.survey import survey
from loopback_core.serving.api.request_models import HistoryListen, RecommendationRequest
from loopback_core.serving.question import LONGEST_HISTORY, HeardTrack
from loopback_core.settings import SourceSettings

HISTORY_FORMS = (
    ".csv with a header (artist, track, time), .json as in the API, .tsv in the Last.fm layout, or an export that "
    "docs/logs.md names"
)

_LISTENS = TypeAdapter(list[HistoryListen])


def read_history(path: Path) -> tuple[HeardTrack, ...]:
    """The last LONGEST_HISTORY listens of a file.

    Raises:
        RequestError: it is of no known form; the message says what is.
        BadLogError: an export is damaged, or lacks what is needed.
    """
    try:
        exported = _rows_of_export(path)
        rows = (_rows(path) if exported is None else exported)[-LONGEST_HISTORY:]
        return RecommendationRequest(history=_LISTENS.validate_python(rows)).question().history
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise RequestError(
            f"{path} cannot be read as a history ({where}: {first['msg']}): give {HISTORY_FORMS}."
        ) from None
    except (OSError, ValueError, RecursionError, pl.exceptions.PolarsError) as error:
        raise RequestError(f"{path} cannot be read as a history ({error}): give {HISTORY_FORMS}.") from None


def _rows_of_export(path: Path) -> list[dict[str, object]] | None:
    """The listens of an export of a service, by time; None: the file is none. What the export leaves out is no listen here."""
    source = SourceSettings(user="file")
    try:
        surveyed = survey(path, source)
    except BadLogError:
        return None
    if surveyed.layout in (None, DELIMITED_TEXT, LASTFM_LINES):
        return None
    frames = read_rows(path, source, lambda _: None, surveyed=surveyed)
    latest = datetime.now(UTC) + timedelta(days=1)
    clean_rows = [clean(rows, surveyed.settings(source), latest).filter(pl.col("reason").is_null()) for rows in frames]
    if not clean_rows:
        return []
    listens = pl.concat(clean_rows).sort("timestamp").tail(LONGEST_HISTORY)
    names = {"artist_name": "artist", "track_name": "track", "timestamp": "time"}
    listens = listens.select(*names, "artist_mbid", "track_mbid").rename(names)
    return [{name: value for name, value in row.items() if value} for row in listens.iter_rows(named=True)]


def _rows(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".json":
        content = json.loads(path.read_text("utf-8"))
        rows = content.get("history") if isinstance(content, dict) else content
        if not isinstance(rows, list):
            raise ValueError("it holds no list of listens")
        return rows
    if path.suffix == ".csv":
        frame = pl.read_csv(path, infer_schema=False)
    elif path.suffix == ".tsv":
        frame = pl.read_csv(
            path, separator="\t", has_header=False, new_columns=list(RAW_COLUMNS), quote_char=None, infer_schema=False
        )
        frame = frame.rename({"artist_name": "artist", "track_name": "track", "timestamp": "time"}).sort("time")
    else:
        raise ValueError(f"files of the kind {path.suffix!r} are not known")
    known = [name for name in HistoryListen.model_fields if name in frame.columns]
    if not {"artist", "artist_mbid", "track_mbid"} & {*known}:
        raise ValueError("it has no column of artists or of MusicBrainz ids")
    return [{name: value for name, value in row.items() if value} for row in frame.select(known).iter_rows(named=True)]
