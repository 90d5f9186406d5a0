"""Deezer's workbook: one sheet of it is the history."""

import io
import zipfile
from collections.abc import Sequence
from datetime import datetime

import pytest
import xlsxwriter

from loopback_core.errors import BadLogError
from loopback_core.listens.ingest import ingest
from loopback_core.listens.sources import find_log
from loopback_core.settings import SourceSettings

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
    with pytest.raises(BadLogError, match="data; it has none"):
        none = with_part(content, "xl/workbook.xml", '<sheet name="Sheet1" sheetId="1" r:id="rId1"/>', "")
        read_stream("Deezer data", none, name="book.xlsx")
    with pytest.raises(BadLogError, match="is not a readable workbook"):
        read_stream("Deezer data", content[:-100], name="book.xlsx")
    with pytest.raises(BadLogError, match="has no column Artist"):
        columns = [[name for name in HEADER if name != "Artist"]]
        read_stream("Deezer data", workbook({"10_listeningHistory": columns}), name="book.xlsx")


def with_part(content: bytes, name: str, old: str, new: str) -> bytes:
    """A workbook of which a part was changed."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as after:
        for part in before.namelist():
            text = before.read(part).decode()
            assert part != name or old in text
            after.writestr(part, text.replace(old, new) if part == name else text)
    return changed.getvalue()


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (
            "xl/worksheets/sheet1.xml",
            "</row></sheetData>",
            '</row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>',
        ),
        ("xl/worksheets/sheet1.xml", 'r="A2"', 'r="A4294967295"'),
        ("xl/sharedStrings.xml", 'uniqueCount="', 'uniqueCount="9999999999'),
    ],
)
def test_a_workbook_that_takes_all_memory_ends_in_a_sentence_and_not_the_process(read_stream, part, old, new):
    content = workbook({"10_listeningHistory": [HEADER, row("Da Funk", "Daft Punk", 329, "2023-05-01 10:00:00")]})
    with pytest.raises(
        BadLogError, match="is a workbook that takes over 4 GiB of memory to read: it is damaged, or has cells far"
    ):
        read_stream("Deezer data", with_part(content, part, old, new), name="book.xlsx")


@pytest.mark.parametrize(("old", "new"), [('t="s"', 't="q"'), ("<v>5</v>", "<v>99</v>")])
def test_a_damaged_sheet_ends_in_a_sentence(read_stream, old, new):
    content = workbook({"10_listeningHistory": [HEADER, row("Da Funk", "Daft Punk", 329, "2023-05-01 10:00:00")]})
    with pytest.raises(BadLogError, match=r"is not a readable workbook \(.+\): export it again\.$"):
        read_stream("Deezer data", with_part(content, "xl/worksheets/sheet1.xml", old, new), name="book.xlsx")


def test_cells_of_other_types_are_text_and_no_row_is_lost(read_stream, fields):
    history = [
        HEADER,
        row("One", "A", "long", 45047.5),
        row("", "A", True, "2023-05-01 10:00:00"),
        (None,) * 9,
        row(1999, True, -1, datetime(1900, 1, 1)),  # type: ignore[arg-type]
    ]
    content = workbook({"10_listeningHistory": history})
    rows = read_stream("Deezer data", content, name="book.xlsx", block_bytes=1024)
    assert fields(rows) == [
        (None, "45047.5", None, "A", None, "One", None),
        (None, "2023-05-01 10:00:00", None, "A", None, None, None),
        (None, None, None, None, None, None, None),
        (None, "1899-12-31 00:00:00", None, "true", None, "1999", "played too short"),
    ]
    assert rows["line"].to_list() == [2, 3, 4, 5]


def test_the_whole_ingest_reads_a_workbook_and_expects_it_to_unpack(tmp_path, monkeypatch):
    path, needed = tmp_path / "deezer-data_1.xlsx", []
    history = [
        HEADER,
        row("One", "A", 99, "2023-05-01 10:00:00"),
        (None,) * 9,
        row("Two", "A", 9, "2023-05-01 10:09:00"),
    ]
    path.write_bytes(workbook({"10_listeningHistory": history}))
    monkeypatch.setattr("loopback_core.listens.ingest.need_disk", lambda folder, size, what: needed.append(size))
    source = SourceSettings(name=str(path))
    summary = ingest(find_log(source, tmp_path), tmp_path / "out", source)
    assert (summary.rows, summary.kept, summary.rejected["missing artist"], summary.rejected["played too short"]) == (
        3,
        1,
        1,
        1,
    )
    assert needed == [6 * path.stat().st_size]
