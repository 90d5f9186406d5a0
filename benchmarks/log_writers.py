"""Writes logs for `logs.py`: lines, JSON, Parquet and workbooks, as they should be or with every fifth row damaged."""

import csv
import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from string import ascii_uppercase
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import polars as pl

DAMAGED = 0.2

ODD = ("\x00", '"', "\t", ",", ";", "\u200b", "\ufeff", "é", "\\", "::", "\r", "1e999", "None", "[", "{")

ODD_VALUES = (None, -1, 1e300, [], {}, "\u0000", "x" * 999)
"""Of JSON."""

ODD_CELLS = (None, "", " ", True, -1, 1e300, 45_000.5, math.nan, "=1/0", datetime(1900, 1, 1), "\u200b", "x" * 999)
"""Of a workbook: NaN becomes an error, a text that begins with "=" a formula."""

FIRST_OF_SHEETS = datetime(1899, 12, 30)

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"

WORKBOOK = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
    'ContentType="application/xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" '
    'Type="{relations}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": '<workbook xmlns="{main}" xmlns:r="{relations}"><sheets><sheet name="{sheet}" sheetId="1" r:id="rId1"/>'
    "</sheets></workbook>",
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" '
    'Type="{relations}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="{relations}/styles" '
    'Target="styles.xml"/></Relationships>',
    "xl/styles.xml": '<styleSheet xmlns="{main}"><cellXfs><xf numFmtId="0"/><xf numFmtId="22"/></cellXfs></styleSheet>',
}
"""The parts of a workbook besides its sheet. Style 1 is that of dates."""

ODD_NUMBERS = (None, -1, 0, 2**53, 2**63 - 1, -(2**63))

Row = tuple[int, int, int, int]
"""Numbers of the user, the artist and the track, and the time in seconds."""

Write = Callable[[Path, int, np.random.Generator | None], None]
"""Writes so many rows; with a generator of numbers every fifth of them damaged."""


def rows(n: int) -> Iterator[Row]:
    """Listens of 1,000 users to 20,000 tracks."""
    rng = np.random.default_rng(0)
    track = rng.zipf(1.3, n) % 20_000
    user, seconds = rng.integers(1_000, size=n), 1_400_000_000 + rng.integers(300_000_000, size=n)
    yield from zip(user.tolist(), (track % 900).tolist(), track.tolist(), seconds.tolist(), strict=True)


def iso(seconds: int, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """A time as text."""
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


def lines(line: Callable[[Row], str], header: str = "") -> Write:
    """Writes a text of lines."""

    def write(path: Path, n: int, rng: np.random.Generator | None) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(header)
            for row in rows(n):
                file.write(spoiled(line(row), rng) + "\n")

    return write


def spoiled(text: str, rng: np.random.Generator | None) -> str:
    """One in five with something odd at a random place, or cut there."""
    if rng is None or rng.random() > DAMAGED:
        return text
    place = int(rng.integers(len(text) + 1))
    return text[:place] if rng.random() < 0.3 else text[:place] + ODD[rng.integers(len(ODD))] + text[place:]


def quoted(*fields: object, delimiter: str = ",") -> str:
    """A line of a .csv, all fields quoted."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="").writerow(fields)
    return text.getvalue()


def records(record: Callable[[Row], dict[str, Any]], before: str = "[", between: str = ",", after: str = "]") -> Write:
    """Writes a JSON array of records, or lines of them."""

    def write(path: Path, n: int, rng: np.random.Generator | None) -> None:
        with path.open("w", encoding="utf-8") as file:
            file.write(before)
            for number, row in enumerate(rows(n)):
                file.write(between * (number > 0) + json.dumps(damaged(record(row), rng)) + "\n")
            file.write(after)

    return write


def pages(record: Callable[[Row], dict[str, Any]], per_page: int = 200) -> Write:
    """Writes a JSON array of the answers of an API, each of which holds a page of records as `track`."""

    def write(path: Path, n: int, rng: np.random.Generator | None) -> None:
        with path.open("w", encoding="utf-8") as file:
            file.write("[")
            listens = rows(n)
            for number in range(-(-n // per_page)):
                tracks = [damaged(record(row), rng) for row in islice(listens, per_page)]
                about = {"user": "anna", "page": str(number + 1), "perPage": str(per_page)}
                file.write("," * (number > 0) + json.dumps({"recenttracks": {"track": tracks, "@attr": about}}) + "\n")
            file.write("]")

    return write


def damaged(record: dict[str, Any], rng: np.random.Generator | None) -> dict[str, Any]:
    """One in five with one value of another kind, at any depth."""
    if rng is not None and rng.random() < DAMAGED:
        places = list(places_of(record))
        holder, key = places[rng.integers(len(places))]
        holder[key] = ODD_VALUES[rng.integers(len(ODD_VALUES))]
    return record


def places_of(value: Any) -> Iterator[tuple[Any, Any]]:
    """Where a value holds others: each object or array in it, with each key or index."""
    keys: list[Any] = (
        list(value) if isinstance(value, dict) else [*range(len(value))] if isinstance(value, list) else []
    )
    for key in keys:
        yield value, key
        yield from places_of(value[key])


def parquet(path: Path, n: int, rng: np.random.Generator | None) -> None:
    """Writes a Parquet file; damaged rows lack a value."""
    columns = list(zip(*rows(n), strict=True))
    frame = pl.DataFrame(
        {
            "user_id": [f"u{user}" for user in columns[0]],
            "timestamp": [iso(seconds) for seconds in columns[3]],
            "artist_name": [f"Artist {artist}" for artist in columns[1]],
            "track_name": [f"Song {track}" for track in columns[2]],
        }
    )
    if rng is not None:
        out = pl.Series(rng.random(n) < DAMAGED)
        frame = frame.with_columns(pl.when(out).then(None).otherwise(pl.col("artist_name")).alias("artist_name"))
    frame.write_parquet(path)


def numbers(record: Callable[[Row], dict[str, int]]) -> Write:
    """Writes a Parquet file of numbers: small ones as long as none is damaged."""

    def write(path: Path, n: int, rng: np.random.Generator | None) -> None:
        made = [damaged_number(record(row), rng) for row in rows(n)]
        kind = pl.UInt32 if rng is None else pl.Int64
        pl.DataFrame(made, dict.fromkeys(made[0], kind)).write_parquet(path)

    return write


def damaged_number(record: dict[str, Any], rng: np.random.Generator | None) -> dict[str, Any]:
    """One in five with one number that is missing or out of range."""
    if rng is not None and rng.random() < DAMAGED:
        record[list(record)[rng.integers(len(record))]] = ODD_NUMBERS[rng.integers(len(ODD_NUMBERS))]
    return record


def workbook(sheet: str, record: Callable[[Row], dict[str, object]]) -> Write:
    """Writes an .xlsx whose sheet has the keys of the records as its first row; cells of a damaged row are of other types.

    By hand: a library takes ten times as long to write a million rows.
    """

    def write(path: Path, n: int, rng: np.random.Generator | None) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
            for name, content in WORKBOOK.items():
                book.writestr(name, content.format(main=MAIN, relations=RELATIONS, sheet=sheet))
            with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as file:
                file.write(f'<worksheet xmlns="{MAIN}"><sheetData>'.encode())
                for number, row in enumerate(rows(n), 2):
                    cells = record(row)
                    if number == 2:
                        file.write(cells_of(1, dict(zip(cells, cells, strict=True))))
                    if rng is not None and rng.random() < DAMAGED:
                        cells[list(cells)[rng.integers(len(cells))]] = ODD_CELLS[rng.integers(len(ODD_CELLS))]
                    file.write(cells_of(number, cells))
                file.write(b"</sheetData></worksheet>")

    return write


def cells_of(number: int, cells: dict[str, object]) -> bytes:
    """A row of a sheet."""
    made = "".join(
        cell(f"{letter}{number}", value) for letter, value in zip(ascii_uppercase, cells.values(), strict=False)
    )
    return f'<row r="{number}">{made}</row>'.encode()


def cell(place: str, value: object) -> str:
    """A cell of a sheet: text, a number, a date, a formula, an error or nothing."""
    if isinstance(value, str):
        if value.startswith("="):
            return f'<c r="{place}"><f>{value[1:]}</f><v>0</v></c>'
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    if isinstance(value, bool):
        return f'<c r="{place}" t="b"><v>{value:d}</v></c>'
    if isinstance(value, datetime):
        return f'<c r="{place}" s="1"><v>{(value - FIRST_OF_SHEETS).days}</v></c>'
    if isinstance(value, float) and math.isnan(value):
        return f'<c r="{place}" t="e"><v>#N/A</v></c>'
    return "" if value is None else f'<c r="{place}"><v>{value}</v></c>'
