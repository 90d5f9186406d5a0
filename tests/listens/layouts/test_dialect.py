"""How text is separated, told by its first lines."""

import pytest

from loopback_core.listens.layouts import DELIMITED_TEXT, LASTFM_LINES
from loopback_core.listens.layouts.dialect import Dialect, dialect_of
from loopback_core.listens.layouts.layout import HEAD_BYTES, Head
from loopback_core.listens.layouts.recognition import layout_by_name, layout_of
from loopback_core.settings import SourceSettings

LASTFM = b"u1\t2009-05-04T23:08:57Z\t\tA\t\tT\n"
OURS = ("user_id", "timestamp", "artist_name", "track_name")


def head(text: str | bytes, name: str = "log.csv", **source: object) -> Head:
    content = text.encode() if isinstance(text, str) else text
    return Head(name, content, SourceSettings.model_validate(source))


def test_a_delimiter_under_which_our_columns_are_there_comes_before_one_that_is_more_frequent() -> None:
    text = "user_id;timestamp;artist_name;track_name\n" + "u,v,w;t;a,b;c,d,e\n" * 5
    assert dialect_of(head(text)) == Dialect(";", OURS, 1)


def test_of_unknown_columns_the_delimiter_that_the_rows_share_is_taken() -> None:
    assert dialect_of(head("a;b,c;d\n" + "1;2;3\n" * 5)) == Dialect(";", ("a", "b,c", "d"), 1)


@pytest.mark.parametrize(
    ("text", "lines"), [("\n\nA,B\n", 3), ("sep=,\nA,B\n", 2), ('"A\nA",B\n', 2), ("A,B", 1), (" A , B \n1,2\n", 1)]
)
def test_the_lines_before_the_first_row_are_counted(text: str, lines: int) -> None:
    dialect = dialect_of(head(text))
    assert dialect is not None
    assert (dialect.header[-1], dialect.lines_before) == ("B", lines)


@pytest.mark.parametrize("text", ["", "\n", "words\n", "a\nb\nc\n"])
def test_text_of_one_column_has_no_dialect(text: str) -> None:
    assert dialect_of(head(text)) is None


def test_a_last_line_that_is_cut_off_is_not_looked_at() -> None:
    whole = head(b"x" * 10 + b"\n" + b"y" * HEAD_BYTES)
    assert whole.lines == ["x" * 10]
    assert head("a\r\nb").lines == ["a", "b"]


def test_six_fields_are_lastfm_lines_unless_the_first_line_names_columns_of_the_mapping() -> None:
    named = b"who\tat\tx\tartist\ty\tsong\n"
    mapping = {"user_id": "who", "timestamp": "at", "artist_name": "artist", "track_name": "song"}
    assert layout_of(head(LASTFM * 3)) is LASTFM_LINES
    assert layout_of(head(LASTFM * 3, columns=mapping)) is LASTFM_LINES
    assert layout_of(head(named + LASTFM * 3, columns=mapping)) is DELIMITED_TEXT
    other = head(named + LASTFM * 3, name="log.tsv", columns=mapping | {"track_name": "title"})
    assert layout_of(other) is None
    assert layout_by_name(other) is DELIMITED_TEXT


@pytest.mark.parametrize(
    ("name", "text", "layout"),
    [
        ("log.csv", "words\n", DELIMITED_TEXT),
        ("LOG.CSV.gz", "words\n", DELIMITED_TEXT),
        ("log.tsv", "words\n", LASTFM_LINES),
        ("log.tsv", "user\ttime\tartist\ttrack\n", DELIMITED_TEXT),
        ("log.txt", "user\ttime\tartist\ttrack\n", None),
        ("log.csv", "\0\1\2\3", None),
    ],
)
def test_a_name_promises_a_layout_for_text_that_none_recognises(name: str, text: str, layout: object) -> None:
    assert layout_of(head(text, name)) is None
    assert layout_by_name(head(text, name)) is layout
