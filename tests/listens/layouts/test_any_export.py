"""What holds of any export: plays come back as they were written, and damage ends in counted rows or in one sentence."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_recognition import SAMPLES

from loopback_core.errors import BadLogError
from loopback_core.listens.cleaning import clean
from loopback_core.listens.layouts import LAYOUTS
from loopback_core.listens.layouts.layout import HEAD_BYTES, Head, Layout, LayoutFile
from loopback_core.listens.log_rules import LAST_TIME, RAW_SCHEMA, Reason
from loopback_core.listens.time_forms import parse_times
from loopback_core.settings import SourceSettings

Play = tuple[str, str, datetime]

quickly = settings(max_examples=25, deadline=None)

BEGIN_OF_ALL = datetime(2006, 1, 1, tzinfo=UTC)
moments = st.integers(0, 5 * 10**8).map(lambda seconds: BEGIN_OF_ALL + timedelta(seconds=seconds))
names = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from("\"',;[]{}\\ é"), min_size=1, max_size=9
)
plays = st.lists(st.tuples(names, names, moments), min_size=1, max_size=6)


def table(header: str, delimiter: str, rows: list[tuple[object, ...]]) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return f"{header}\n{out.getvalue()}"


def epoch(at: datetime) -> int:
    return int(at.timestamp())


def spotify(listens: list[Play]) -> str:
    keys = ("master_metadata_album_artist_name", "master_metadata_track_name")
    return json.dumps(
        [
            {
                "ts": f"{at + timedelta(minutes=3):%Y-%m-%dT%H:%M:%SZ}",
                "ms_played": 180_000,
                keys[0]: artist,
                keys[1]: title,
            }
            for artist, title, at in listens
        ],
        indent=1,
    )


def listenbrainz(listens: list[Play]) -> str:
    return "".join(
        json.dumps({"listened_at": epoch(at), "track_metadata": {"artist_name": artist, "track_name": title}}) + "\n"
        for artist, title, at in listens
    )


def pages(listens: list[Play]) -> str:
    tracks = [
        {"artist": {"#text": artist}, "name": title, "date": {"uts": str(epoch(at))}} for artist, title, at in listens
    ]
    return json.dumps([{"track": tracks[:2], "@attr": {}}, {"track": tracks[2:], "@attr": {}}], ensure_ascii=False)


WRITERS: dict[str, Callable[[list[Play]], str]] = {
    "Spotify extended streaming history": spotify,
    "ListenBrainz export": listenbrainz,
    "Last.fm API pages": pages,
    "lastfmstats.com JSON": lambda listens: json.dumps(
        {"username": "anna", "scrobbles": [{"track": t, "artist": a, "date": 1000 * epoch(at)} for a, t, at in listens]}
    ),
    "lastfmstats.com CSV": lambda listens: table(
        "Artist;Track;Date#anna", ";", [(a, t, 1000 * epoch(at)) for a, t, at in listens]
    ),
    "Last.fm CSV with uts": lambda listens: table("uts,artist,track", ",", [(epoch(at), a, t) for a, t, at in listens]),
    "Audioscrobbler log of a portable player": lambda listens: (
        "#AUDIOSCROBBLER/1.1\n#TZ/UTC\n" + "".join(f"{a}\t\t{t}\t1\t9\tL\t{epoch(at)}\t\n" for a, t, at in listens)
    ),
    "Apple Music play activity": lambda listens: table(
        "Artist Name,Song Name,Event Start Timestamp,Play Duration Milliseconds",
        ",",
        [(a, t, f"{at:%Y-%m-%dT%H:%M:%S.000Z}", 180_000) for a, t, at in listens],
    ),
}


def rows_of(layout: Layout, content: bytes, block_bytes: int) -> pl.DataFrame:
    file = LayoutFile(Path("export"), SourceSettings(), name="export")
    frames = layout.rows(io.BytesIO(content), file, block_bytes)
    rows = pl.concat([pl.DataFrame(schema=RAW_SCHEMA), *frames])
    assert set(rows["problem"].drop_nulls()) <= {reason.value for reason in Reason}
    assert rows["text"].null_count() == 0
    return rows


@pytest.mark.parametrize("layout", WRITERS)
@quickly
@given(plays, st.sampled_from([1 << 20, 300, 7]))
def test_plays_come_back_as_they_were_written(layout: str, listens: list[Play], block_bytes: int) -> None:
    content = WRITERS[layout](listens).encode()
    (mine,) = (each for each in LAYOUTS if each.recognises(Head("export", content[:HEAD_BYTES])))
    assert mine.name == layout and mine.time_format is not None
    rows = rows_of(mine, content, block_bytes)
    times = parse_times(rows["timestamp"], mine.time_format)
    assert list(zip(rows["artist_name"], rows["track_name"], times, strict=True)) == listens
    assert rows["problem"].null_count() == rows.height


@pytest.mark.parametrize("layout", [name for name in SAMPLES if name != "Last.fm-360K plays"])
@quickly
@given(st.data())
def test_damage_ends_in_counted_rows_or_in_one_sentence(layout: str, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(SAMPLES[layout])).encode()[:5000])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        length = data.draw(st.integers(0, 9))
        content[at : at + length] = data.draw(
            st.binary(max_size=5) | st.sampled_from([b'"', b"[", b"]", b"}", b"\n", b"\t"])
        )
    (mine,) = (each for each in LAYOUTS if each.name == layout)
    if not mine.recognises(Head("export", bytes(content))):
        return
    try:
        rows = rows_of(mine, bytes(content), data.draw(st.sampled_from([1 << 20, 100])))
    except BadLogError as error:
        assert len(str(error).splitlines()) == 1
    else:
        source = SourceSettings().model_copy(update={"time_format": mine.time_format or "iso"})
        assert clean(rows, source, LAST_TIME).height == rows.height
