"""Writes the sample in the raw Last.fm layout, user by user."""

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl

from loopback_core.listens.sample.draws import Flags, Ints, stream
from loopback_core.listens.sample.listeners import COUNTRIES, draw_listener, draw_population
from loopback_core.listens.sample.mbids import mbids
from loopback_core.listens.sample.sample_names import artist_names, track_titles
from loopback_core.listens.sample.sample_plays import draw_plays
from loopback_core.listens.sample.sample_profiles import profile_lines, user_id
from loopback_core.listens.sample.sample_sessions import draw_sessions
from loopback_core.listens.sample.world import BEGIN, World, build_world
from loopback_core.listens.schema import RawLog
from loopback_core.runtime.progress import progress

SAMPLE_VERSION = 1
"""Part of every digest. A change of one byte of any log needs a new version."""

EVENTS_FILE = "userid-timestamp-artid-artname-traid-traname.tsv"
PROFILES_FILE = "userid-profile.tsv"

OBSCURE = 8
"""Artists of a sub-genre from this rank on may lack an MBID."""

NO_ARTIST_MBID, NO_TRACK_MBID = 0.03, 0.054  # shares of the obscure artists, and of all tracks
LINES_AT_ONCE = 100_000


def write_sample(folder: Path, *, events: int, users: int, seed: int) -> RawLog:
    """Generate a listening log of exactly `events` lines and the profiles of `users` users into `folder`.

    The same (SAMPLE_VERSION, events, users, seed) writes the same bytes. Users come in order, newest listen first. With
    fewer events than users some users have no line. Memory holds the catalog and a block of lines, not the log.
    """
    if events < 1 or users < 1 or seed < 0:
        raise ValueError(f"events and users must be at least 1 and seed at least 0, not {events}, {users}, {seed}.")
    folder.mkdir(parents=True, exist_ok=True)
    world = build_world(stream(SAMPLE_VERSION, seed, 0), events)
    population = draw_population(stream(SAMPLE_VERSION, seed, 1), events, users)
    tracks = _track_fields(world, seed)
    profiles = profile_lines(stream(SAMPLE_VERSION, seed, 3), population)
    (folder / PROFILES_FILE).write_bytes(("\n".join(profiles) + "\n").encode())

    with (folder / EVENTS_FILE).open("wb") as file, progress("generating the sample log", events, "events") as shown:
        block: list[pl.DataFrame] = []
        for user, count in enumerate(population.events.tolist()):
            if count == 0:
                continue
            rng = stream(SAMPLE_VERSION, seed, 4, user)
            country = int(population.country[user])
            utc_offset = COUNTRIES[country][2]
            listener = draw_listener(rng, world, country)
            sessions = draw_sessions(rng, count, int(population.start[user]), int(population.end[user]), utc_offset)
            played = draw_plays(rng, world, listener, sessions, utc_offset)
            block.append(_lines(user_id(user), sessions.time[::-1], tracks.gather(played[::-1])))
            if sum(map(len, block)) >= LINES_AT_ONCE:
                _write(block, file)
                block = []
            shown.advance(count)
        if block:
            _write(block, file)
    return RawLog("sample", (folder / EVENTS_FILE,), folder / PROFILES_FILE)


def _track_fields(world: World, seed: int) -> pl.Series:
    """The last four fields of a line for every track, joined by tabs, (tracks,)."""
    rng = stream(SAMPLE_VERSION, seed, 2)
    artists = artist_names(rng, world)
    titles = track_titles(rng, world, artists)
    artist_mbids = mbids(rng, _untagged_artists(rng, world))
    track_mbids = mbids(rng, rng.random(len(titles)) < NO_TRACK_MBID)
    by_artist = [f"{mbid}\t{name}\t" for mbid, name in zip(artist_mbids, artists, strict=True)]
    fields = (
        f"{by_artist[artist]}{mbid}\t{title}"
        for artist, mbid, title in zip(world.artist.tolist(), track_mbids, titles, strict=True)
    )
    return pl.Series("track", fields, dtype=pl.String)


def _untagged_artists(rng: np.random.Generator, world: World) -> Flags:
    """Every n-th of the obscure artists, in the order of popularity, so that no single hit decides, (artists,)."""
    rank = np.arange(len(world.genre)) - world.genre_start[world.genre]
    others = np.lexsort((rng.random(len(rank)), rank))[int((rank < OBSCURE).sum()) :]
    every = round(1 / NO_ARTIST_MBID)
    untagged = np.zeros(len(rank), dtype=bool)
    untagged[others[every // 2 :: every]] = True
    return untagged


def _lines(user: str, time: Ints, tracks: pl.Series) -> pl.DataFrame:
    moment = pl.from_epoch(pl.Series("timestamp", time + BEGIN), time_unit="s")
    return pl.DataFrame(
        {
            "user": pl.repeat(user, len(time), eager=True),
            "timestamp": moment.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "track": tracks,
        }
    )


def _write(block: Sequence[pl.DataFrame], file: BinaryIO) -> None:
    pl.concat(block).write_csv(file, include_header=False, separator="\t", quote_style="never", line_terminator="\n")
