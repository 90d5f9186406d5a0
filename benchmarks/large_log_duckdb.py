"""The work of `interactions` and `temporal_splits` (strategy global) in SQL, out of core by DuckDB, for `large_log.py`.

It does less: no damage of a file is looked for, no line is conserved, nothing is validated, and names are only trimmed and brought
into NFC. The counts that both print must be equal.
"""

import os
from pathlib import Path

import duckdb

CLEAN = """
CREATE TABLE cleaned AS
SELECT *, row_number() OVER (PARTITION BY user_id, timestamp, artist_mbid, artist_name, track_mbid, track_name
                             ORDER BY file, line) AS copy
FROM (SELECT nfc_normalize(trim(user_id)) AS user_id, timestamp, nullif(trim(artist_mbid), '') AS artist_mbid,
             nfc_normalize(trim(artist_name)) AS artist_name, nullif(trim(track_mbid), '') AS track_mbid,
             nfc_normalize(trim(track_name)) AS track_name,
             regexp_extract(filename, 'part-(\\d+)', 1)::USMALLINT AS file, (file_row_number + 1)::UINTEGER AS line
      FROM read_parquet('{log}/part-*.parquet', filename = true, file_row_number = true))
"""
USABLE = "user_id <> '' AND artist_name <> '' AND track_name <> '' AND timestamp >= '2000-01-01'"

LISTENS = f"""
COPY (SELECT user_id, timestamp, artist_name, track_name, artist_mbid, track_mbid, file, line FROM cleaned
      WHERE copy = 1 AND {USABLE} ORDER BY user_id, timestamp, file, line)
TO '{{folder}}/interactions.parquet' (FORMAT parquet, COMPRESSION zstd)
"""
REJECTS = f"""
COPY (SELECT file, line, CASE WHEN {USABLE} THEN 'exact duplicate' ELSE 'missing' END AS reason,
             concat_ws('\t', user_id, timestamp::VARCHAR, artist_mbid, artist_name, track_mbid, track_name) AS text
      FROM cleaned WHERE copy > 1 OR NOT ({USABLE}) ORDER BY file, line)
TO '{{folder}}/rejects.parquet' (FORMAT parquet, COMPRESSION zstd)
"""

SPLIT = """
CREATE TABLE names AS
  SELECT artist_name, track_name, min(track_mbid) AS track_mbid, min(artist_mbid) AS artist_mbid
  FROM listens GROUP BY ALL;
CREATE TABLE tracks AS SELECT *, row_number() OVER (ORDER BY artist_name, track_name) - 1 AS track_row,
  dense_rank() OVER (ORDER BY artist_name) - 1 AS artist_row FROM names;
DROP TABLE names;
CREATE TABLE users AS SELECT user_id, row_number() OVER (ORDER BY user_id) - 1 AS user_row
  FROM (SELECT DISTINCT user_id FROM listens);
CREATE TABLE rows AS
  SELECT user_row::INTEGER AS u, track_row::INTEGER AS t, artist_row::INTEGER AS a, epoch(timestamp)::UINTEGER AS s,
         file AS f, line AS l
  FROM listens JOIN users USING (user_id) JOIN tracks USING (artist_name, track_name);
CREATE TABLE ends AS SELECT quantile_disc(s, {train}) AS train, quantile_disc(s, {validation}) AS validation FROM rows;
CREATE TABLE cut AS SELECT *, ((s > (SELECT train FROM ends))::TINYINT + (s > (SELECT validation FROM ends))::TINYINT) AS p FROM rows;
DROP TABLE rows;
CREATE TABLE track_ids AS SELECT t, any_value(a) AS a, min(p) AS first_part,
  row_number() OVER (ORDER BY min(p), -count(*) FILTER (p = 0), t) - 1 AS id FROM cut GROUP BY t;
CREATE TABLE artist_ids AS SELECT a, min(p) AS first_part,
  row_number() OVER (ORDER BY min(p), -count(*) FILTER (p = 0), a) - 1 AS id FROM cut GROUP BY a;
CREATE TABLE user_ids AS SELECT u, min(p) AS first_part, row_number() OVER (ORDER BY min(p), u) - 1 AS id FROM cut GROUP BY u;
CREATE TABLE events AS SELECT user_ids.id::INTEGER AS u, track_ids.id::INTEGER AS t, artist_ids.id::INTEGER AS a, s, f, l, p
  FROM cut JOIN user_ids USING (u) JOIN track_ids USING (t) JOIN artist_ids ON cut.a = artist_ids.a;
DROP TABLE cut;
"""
PART = """
COPY (SELECT u AS user, t AS track, make_timestamp(s::BIGINT * 1000000) AS timestamp FROM events WHERE p = {part}
      ORDER BY s, u, f, l) TO '{folder}/{name}.parquet' (FORMAT parquet, COMPRESSION zstd)
"""
HISTORIES = """
COPY (SELECT u, t, s FROM events WHERE p < 2 ORDER BY u, s, f, l)
TO '{folder}/histories.parquet' (FORMAT parquet, COMPRESSION uncompressed)
"""
CATALOG = """
COPY (SELECT {item}, count(*) AS plays, count(DISTINCT u) AS listeners, min(s) AS first_seen FROM events WHERE p <= {part}
      GROUP BY {item} ORDER BY {item}) TO '{folder}/{phase}_{item}.parquet' (FORMAT parquet)
"""


def duckdb_step(step: str, log: Path, home: Path, limit_gb: float) -> dict[str, object]:
    """One of the steps; returns the counts that :func:`large_log.loopback_step` returns."""
    folder = home / step
    folder.mkdir(parents=True)
    work = folder / "work.duckdb"
    with duckdb.connect(work) as base:
        limit = f"{0.5 * limit_gb if limit_gb else 8:.1f}GB"  # it takes more than it is allowed: with 0.7 it fails at 19 million
        base.execute(
            f"SET memory_limit = '{limit}'; SET threads = {os.cpu_count()}; SET preserve_insertion_order = false"
        )
        made = _interactions(base, log, folder) if step == "interactions" else _splits(base, home, folder)
    work.unlink()
    return made


def _interactions(base: duckdb.DuckDBPyConnection, log: Path, folder: Path) -> dict[str, object]:
    base.execute(CLEAN.format(log=log))
    base.execute(LISTENS.format(folder=folder))
    base.execute(REJECTS.format(folder=folder))
    counts = base.sql(
        f"SELECT (SELECT count(*) FROM cleaned), count(*), count(DISTINCT (artist_name, track_name)), count(DISTINCT user_id) "
        f"FROM '{folder}/interactions.parquet'"
    ).fetchall()[0]
    return dict(zip(("rows", "kept", "tracks", "users"), counts, strict=True))


def _splits(base: duckdb.DuckDBPyConnection, home: Path, folder: Path) -> dict[str, object]:
    base.execute(f"CREATE VIEW listens AS FROM '{home}/interactions/interactions.parquet'")
    n = base.sql("SELECT count(*) FROM listens").fetchall()[0][0]
    last_of_train, last_of_validation = n - 2 * (n // 10), n - n // 10  # counted from 1
    quantiles = {"train": (last_of_train - 0.5) / n, "validation": (last_of_validation - 0.5) / n}
    for statement in SPLIT.format(**quantiles).split(";"):
        if statement.strip():
            base.execute(statement)
    names = ("train", "validation", "test")
    for part, name in enumerate(names):
        base.execute(PART.format(part=part, name=name, folder=folder))
    base.execute(HISTORIES.format(folder=folder))
    for part, phase in enumerate(("tuning", "testing")):
        for item in ("t", "a"):
            base.execute(CATALOG.format(item=item, part=part, phase=phase, folder=folder))
    events = dict(base.sql("SELECT p, count(*) FROM events GROUP BY p").fetchall())
    tracks = dict(base.sql("SELECT first_part, count(*) FROM track_ids GROUP BY first_part").fetchall())
    return {
        **{name: events.get(part, 0) for part, name in enumerate(names)},
        "tracks": {name: tracks.get(part, 0) for part, name in enumerate(names)},
    }
