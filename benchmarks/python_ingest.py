"""The work of the first three steps in plain Python, row by row: what a script without a dataframe library would do.

    python benchmarks/python_ingest.py LOG.tsv OUT [LINES]

Reads a log in the layout of Last.fm-1K: reject reasons, names in normal form, dates, exact duplicates, order by user
and time, dense ids, three parts by time, Parquet. Prints JSON: rows and seconds.
"""

import json
import sys
import time
import unicodedata
from datetime import UTC, datetime
from itertools import islice, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

EARLIEST = datetime(2002, 1, 1, tzinfo=UTC)


def read(lines, latest):
    """(user, time, artist, title, artist mbid, track mbid) of the usable rows; (line, reason) of the others."""
    kept, rejected, seen = [], [], set()
    for number, line in enumerate(lines, 1):
        try:
            fields = line.decode("utf-8").rstrip("\r\n").split("\t")
        except UnicodeDecodeError:
            rejected.append((number, "undecodable_bytes"))
            continue
        if len(fields) != 6:
            rejected.append((number, "wrong_field_count"))
            continue
        if line in seen:
            rejected.append((number, "exact_duplicate"))
            continue
        seen.add(line)
        user, when, artist_mbid, artist, track_mbid, title = fields
        user, artist, title = (" ".join(unicodedata.normalize("NFC", name).split()) for name in (user, artist, title))
        missing = [what for what, name in (("user", user), ("artist", artist), ("title", title)) if not name]
        if missing:
            rejected.append((number, f"missing_{missing[0]}"))
            continue
        try:
            moment = datetime.strptime(when, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            rejected.append((number, "unreadable_timestamp"))
            continue
        if not EARLIEST <= moment <= latest:
            rejected.append((number, "implausible_date"))
            continue
        kept.append((user, moment, artist, title, artist_mbid or None, track_mbid or None))
    kept.sort(key=lambda row: (row[0], row[1]))
    return kept, rejected


def split(kept):
    """Rows (user id, track id, seconds) of train, validation and test; ids by the part in which each first occurs."""
    in_time = sorted(kept, key=lambda row: row[1])
    n = len(in_time)
    cuts = 0, int(0.8 * n), int(0.9 * n), n
    users, tracks, artists, parts = {}, {}, {}, []
    for low, high in pairwise(cuts):
        rows = []
        for user, moment, artist, title, _, _ in in_time[low:high]:
            artists.setdefault(artist, len(artists))
            track = tracks.setdefault((artist, title), len(tracks))
            rows.append((users.setdefault(user, len(users)), track, int(moment.timestamp())))
        parts.append(rows)
    return parts


def main() -> None:
    """Read, split, write."""
    log, out = Path(sys.argv[1]), Path(sys.argv[2])
    limit = int(sys.argv[3]) if len(sys.argv) > 3 else None
    started = time.perf_counter()
    with log.open("rb") as file:
        kept, rejected = read(islice(file, limit), datetime.now(UTC))
    out.mkdir(parents=True, exist_ok=True)
    names = ("user_id", "timestamp", "artist_name", "track_name", "artist_mbid", "track_mbid")
    columns = dict(zip(names, map(list, zip(*kept, strict=True)), strict=True))
    pq.write_table(pa.table(columns), out / "interactions.parquet", compression="zstd")
    for name, rows in zip(("train", "validation", "test"), split(kept), strict=True):
        of_part = dict(zip(("user", "track", "timestamp"), map(list, zip(*rows, strict=True)), strict=True))
        pq.write_table(pa.table(of_part), out / f"{name}.parquet", compression="zstd")
    print(json.dumps({"rows": len(kept) + len(rejected), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
