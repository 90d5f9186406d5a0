"""The music there is: sub-genres, artists with a catalog of albums, how popular they are and when they came out."""

from dataclasses import dataclass

import numpy as np

from loopback_core.listens.sample.draws import Doubles, Ints, bell, below, starts_of
from loopback_core.listens.sample.genres import GENRES

DAY = 86_400
YEAR = 365 * DAY
BEGIN = 1_108_339_200  # 2005-02-14T00:00:00Z; all times below are seconds since then
SPAN = 1586 * DAY  # to 2009-06-19

SOUNDS = 8
EVENTS_PER_ARTIST = 125
ALWAYS_THERE = 3
"""The most popular artists of a sub-genre: there before the log begins."""


@dataclass(frozen=True)
class World:
    """Artists are sorted by sub-genre, then popularity; tracks by artist, then album, then place on the album."""

    genre_start: Ints  # (genres + 1,) offsets into the artists
    genre_weight: Doubles  # (genres,)
    genre: Ints  # (artists,)
    sound: Ints  # (artists,) place on the ring of SOUNDS within the sub-genre
    artist_weight: Doubles  # (artists,)
    debut: Ints  # (artists,) seconds since BEGIN, negative before
    track_start: Ints  # (artists + 1,) offsets into the tracks
    artist: Ints  # (tracks,)
    album: Ints  # (tracks,) first track of the album
    track_weight: Doubles  # (tracks,) within the artist
    release: Ints  # (tracks,) seconds since BEGIN


def build_world(rng: np.random.Generator, events: int) -> World:
    """The catalog for a log of this many events: about one artist for 100 events, about ten tracks an artist."""
    n_genres = len(GENRES)
    genre_weight = 1.0 / np.power(2.0 + np.argsort(rng.random(n_genres)), 0.8)
    n_artists = max(ALWAYS_THERE * n_genres, events // EVENTS_PER_ARTIST)
    sizes = ALWAYS_THERE + np.floor(
        (n_artists - ALWAYS_THERE * n_genres) * genre_weight / np.cumsum(genre_weight)[-1]
    ).astype(np.int64)
    genre = np.repeat(np.arange(n_genres), sizes)
    n_artists = len(genre)
    genre_start = starts_of(genre, n_genres)
    rank = np.arange(n_artists) - genre_start[genre]
    depth = (rank + 0.5) / sizes[genre]  # 0: the star of the sub-genre, 1: its least known artist

    n_tracks = np.clip(np.floor(6.0 / np.sqrt(depth) * np.exp2(0.7 * bell(rng, n_artists))), 2, 900).astype(np.int64)
    artist = np.repeat(np.arange(n_artists), n_tracks)
    track_start = starts_of(artist, n_artists)
    place = np.arange(len(artist)) - track_start[artist]
    album_length = 8 + below(rng, 7, n_artists)
    album_number = place // album_length[artist]
    album = track_start[artist] + album_number * album_length[artist]

    late = (rng.random(n_artists) < 0.35) & (rank >= ALWAYS_THERE)
    career = np.where(late, rng.random(n_artists) * SPAN, -rng.random(n_artists) * 12 * YEAR)
    end = np.minimum(career + (1 + 15 * rng.random(n_artists)) * YEAR, 0.995 * SPAN)
    n_albums = -(-n_tracks // album_length)
    through = (album_number + rng.random(len(artist))[album] * (album_number > 0)) / n_albums[artist]
    release = np.floor(career[artist] + through * np.maximum(end - career, 0)[artist]).astype(np.int64)

    # Hits are anywhere in a catalog, so a track's popularity is a rank drawn at random within its artist.
    by_chance = np.lexsort((rng.random(len(artist)), artist))
    hit_rank = np.empty(len(artist), dtype=np.int64)
    hit_rank[by_chance] = place
    return World(
        genre_start=genre_start,
        genre_weight=genre_weight,
        genre=genre,
        sound=below(rng, SOUNDS, n_artists),
        artist_weight=1.0 / np.power(rank + 2.0, 1.25),
        debut=release[track_start[:-1]],
        track_start=track_start,
        artist=artist,
        album=album,
        track_weight=1.0 / np.power(hit_rank + 1.0, 1.35),
        release=release,
    )
