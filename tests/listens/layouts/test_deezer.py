"""Deezer's workbook: one sheet of it is the history."""

import io
from collections.abc import Sequence
from datetime import datetime

import pytest
import xlsxwriter

from loopback_core.errors import BadLogError

HEADER = (
    "Song Title",
    "Artist",
    "ISRC",
    "Album Title",
    "IP Address",
    "Listening Time",
    "Platform Name",
    "Platform Model",
    "Date",
)


def row(title: str, artist: str | None, seconds: object, time: object) -> tuple[object, ...]:
    return (title, artist, "FR1", "Album", "192.0.2.1", seconds, "web", "", time)


def workbook(sheets: dict[str, Sequence[Sequence[object]]]) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"default_date_format": "yyyy-mm-dd hh:mm:ss"}) as book:
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            for number, values in enumerate(rows):
                sheet.write_row(number, 0, values)
    return content.getvalue()


def test_the_history_is_one_sheet_of_the_workbook(read_stream, fields):
    history = [
        HEADER,
        row("Da Funk", "Daft Punk", 329, "2023-05-01 10:00:00"),
        row("Da Funk", "Daft Punk", 12, "2023-05-01 10:06:00"),
        row("1999", "Charli XCX, Troye Sivan", "189", datetime(2023, 5, 1, 11)),
        row("Untitled", None, None, "2023-05-01 12:00:00"),
    ]
    content = workbook({"01_account": [["Name"], ["x"]], "10_listeningHistory": history})
    rows = read_stream("Deezer data", content, name="deezer-data_1.xlsx")
    assert fields(rows) == [
        (None, "2023-05-01 10:00:00", None, "Daft Punk", None, "Da Funk", None),
        (None, "2023-05-01 10:06:00", None, "Daft Punk", None, "Da Funk", "played too short"),
        (None, "2023-05-01 11:00:00", None, "Charli XCX, Troye Sivan", None, "1999", None),
        (None, "2023-05-01 12:00:00", None, None, None, "Untitled", None),
    ]
    assert rows["line"].to_list() == [2, 3, 4, 5]
    assert rows["text"][0] == "Da Funk\tDaft Punk\tFR1\tAlbum\t192.0.2.1\t329\tweb\t\t2023-05-01 10:00:00"


def test_another_workbook_ends_in_a_sentence(read_stream):
    content = workbook({"Sheet1": [["a"], ["b"]]})
    with pytest.raises(BadLogError, match="without the sheet 10_listeningHistory of Deezer's data; it has Sheet1"):
        read_stream("Deezer data", content, name="book.xlsx")
    with pytest.raises(BadLogError, match="is not a readable workbook"):
        read_stream("Deezer data", content[:-100], name="book.xlsx")
    with pytest.raises(BadLogError, match="has no column Artist"):
        columns = [[name for name in HEADER if name != "Artist"]]
        read_stream("Deezer data", workbook({"10_listeningHistory": columns}), name="book.xlsx")
