"""Rows per second of every layout of a log, sound and damaged: nothing may be lost, memory stays bounded.

    uv run python benchmarks/logs.py --rows 1000000

Each log is read twice in a process of its own: as it should be, and with every fifth row damaged at random. A row is printed for
each: what was kept and rejected (together all rows, or the ingest itself ends in an error), the rows per second of CPU time, which
other processes disturb less than the time of the clock, and the peak memory.
"""

import argparse
import csv
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

DAMAGED = 0.2

ODD = ("\x00", '"', "\t", ",", ";", "\u200b", "\ufeff", "é", "\\", "::", "\r", "1e999", "None", "[", "{")

Row = tuple[int, int, int, int]
"""Numbers of the user, the artist and the track, and the time in seconds."""


def rows(n: int) -> Iterator[Row]:
    """Listens of 1,000 users to 20,000 tracks."""
    rng = np.random.default_rng(0)
    track = rng.zipf(1.3, n) % 20_000
    user, seconds = rng.integers(1_000, size=n), 1_400_000_000 + rng.integers(300_000_000, size=n)
    yield from zip(user.tolist(), (track % 900).tolist(), track.tolist(), seconds.tolist(), strict=True)


def iso(seconds: int, form: str = "%Y-%m-%dT%H:%M:%SZ") -> str:
    """A time as text."""
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


def lines(line: Callable[[Row], str], header: str = "") -> Callable[..., None]:
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


def records(record: Callable[[Row], dict[str, Any]], before: str = "[", between: str = ",", after: str = "]") -> Any:
    """Writes a JSON array of records, or lines of them."""

    def write(path: Path, n: int, rng: np.random.Generator | None) -> None:
        with path.open("w", encoding="utf-8") as file:
            file.write(before)
            for number, row in enumerate(rows(n)):
                made = record(row)
                if rng is not None and rng.random() < DAMAGED:
                    key = list(made)[rng.integers(len(made))]
                    made[key] = (None, -1, 1e300, [], {}, "\u0000", "x" * 999)[rng.integers(7)]
                file.write(between * (number > 0) + json.dumps(made) + "\n")
            file.write(after)

    return write


def quoted(*fields: object) -> str:
    """A line of a .csv, all fields quoted."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="").writerow(fields)
    return text.getvalue()


def parquet(path: Path, n: int, rng: np.random.Generator | None) -> None:
    """Writes a Parquet file; damaged rows lack a value."""
    import polars as pl

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


LOGS: dict[str, tuple[str, Callable[..., None]]] = {
    "Last.fm lines": ("log.tsv", lines(lambda r: f"u{r[0]}\t{iso(r[3])}\t\tArtist {r[1]}\t\tSong {r[2]}")),
    "text with a header (.csv)": (
        "log.csv",
        lines(lambda r: f"u{r[0]},{iso(r[3])},Artist {r[1]},Song {r[2]}", "user_id,timestamp,artist_name,track_name\n"),
    ),
    "text with a header, all quoted": (
        "log.csv",
        lines(
            lambda r: quoted(f"u{r[0]}", iso(r[3]), f"Artist {r[1]}", f"Song {r[2]}"),
            quoted("user_id", "timestamp", "artist_name", "track_name") + "\n",
        ),
    ),
    "Parquet": ("log.parquet", parquet),
    "Spotify extended streaming history": (
        "Streaming_History_Audio_0.json",
        records(
            lambda r: {
                "ts": iso(r[3]),
                "username": f"u{r[0]}",
                "ms_played": 200_000,
                "master_metadata_track_name": f"Song {r[2]}",
                "master_metadata_album_artist_name": f"Artist {r[1]}",
                "spotify_track_uri": f"spotify:track:{r[2]}",
                "episode_name": None,
            }
        ),
    ),
    "Spotify account data": (
        "StreamingHistory_music_0.json",
        records(
            lambda r: {
                "endTime": iso(r[3], "%Y-%m-%d %H:%M"),
                "artistName": f"Artist {r[1]}",
                "trackName": f"Song {r[2]}",
                "msPlayed": 200_000,
            }
        ),
    ),
    "ListenBrainz export": (
        "1.jsonl",
        records(
            lambda r: {
                "listened_at": r[3],
                "user_name": f"u{r[0]}",
                "track_metadata": {"artist_name": f"Artist {r[1]}", "track_name": f"Song {r[2]}"},
            },
            before="",
            between="",
            after="",
        ),
    ),
    "YouTube Music watch history": (
        "watch-history.json",
        records(
            lambda r: {
                "header": "YouTube Music",
                "title": f"Watched Song {r[2]}",
                "subtitles": [{"name": f"Artist {r[1]} - Topic"}],
                "time": iso(r[3]),
            }
        ),
    ),
    "Last.fm CSV with uts": (
        "anna.csv",
        lines(
            lambda r: quoted(r[3], iso(r[3], "%d %b %Y, %H:%M"), f"Artist {r[1]}", "", "", "", f"Song {r[2]}", ""),
            quoted("uts", "utc_time", "artist", "artist_mbid", "album", "album_mbid", "track", "track_mbid") + "\n",
        ),
    ),
    "Last.fm CSV without a header": (
        "anna.csv",
        lines(lambda r: f"Artist {r[1]},Album,Song {r[2]},{iso(r[3], '%d %b %Y %H:%M')}"),
    ),
    "Audioscrobbler log": (
        "player.scrobbler.log",
        lines(
            lambda r: f"Artist {r[1]}\tAlbum\tSong {r[2]}\t1\t200\tL\t{r[3]}\t",
            "#AUDIOSCROBBLER/1.1\n#TZ/UTC\n#CLIENT/Rockbox\n",
        ),
    ),
    "LFM-1b listening events": ("events.tsv", lines(lambda r: f"{r[0]}\t{r[1]}\t7\t{r[2]}\t{r[3]}")),
    "LFM-2b listening events": (
        "events.tsv",
        lines(
            lambda r: f"{r[0]}\t{r[2]}\t7\t{iso(r[3], '%Y-%m-%d %H:%M:%S')}", "user_id\ttrack_id\talbum_id\ttimestamp\n"
        ),
    ),
    "MovieLens ratings.dat": ("ratings.dat", lines(lambda r: f"{r[0]}::{r[2]}::5::{r[3]}")),
    "MovieLens ratings.csv": (
        "ratings.csv",
        lines(lambda r: f"{r[0]},{r[2]},5.0,{r[3]}", "userId,movieId,rating,timestamp\n"),
    ),
}


def read(path: Path) -> None:
    """Ingest a log, and print what became of it."""
    from loopback_core.listens.ingest import ingest
    from loopback_core.listens.sources import find_log
    from loopback_core.settings import SourceSettings

    source, folder = SourceSettings(name=str(path)), path.parent / "out"
    started = time.process_time()
    summary = ingest(find_log(source, path.parent), folder, source)
    seconds = time.process_time() - started
    rejected = sum(summary.rejected.values())
    print(
        json.dumps(
            {
                "rows": summary.rows,
                "kept": summary.kept,
                "rejected": rejected,
                "rows_per_second": summary.rows / seconds,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def main() -> None:
    """All layouts, or one log where it is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--read", type=Path, help="used for the process that reads one log")
    options = parser.parse_args()
    if options.read:
        read(options.read)
        return
    print("| layout | rows/s of CPU | peak MB | every fifth row damaged: rows/s | kept | rejected | peak MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for layout, (name, write) in LOGS.items():
        found = []
        for rng in (None, np.random.default_rng(1)):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / name
                write(path, options.rows, rng)
                command = [sys.executable, __file__, "--read", str(path)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                found.append(json.loads(done.stdout.splitlines()[-1]))
        sound, damaged = found
        assert (
            sound["kept"] + sound["rejected"] == sound["rows"]
            and damaged["kept"] + damaged["rejected"] == damaged["rows"]
        )
        print(
            f"| {layout} | {sound['rows_per_second']:,.0f} | {sound['peak_mb']:,.0f} | {damaged['rows_per_second']:,.0f} | "
            f"{damaged['kept']:,} | {damaged['rejected']:,} | {damaged['peak_mb']:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
