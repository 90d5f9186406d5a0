"""What a user plays: a taste, an artist in it, a track of the artist; new ones and, more often, known ones."""

import numpy as np

from loopback_core.listens.sample.draws import (
    Flags,
    Ints,
    carried_forward,
    first_meetings,
    origins,
    race,
    starts_of,
    weighted,
)
from loopback_core.listens.sample.genres import GENRES, neighbours
from loopback_core.listens.sample.listeners import KNOT, Listener
from loopback_core.listens.sample.sample_sessions import Sessions
from loopback_core.listens.sample.world import ALWAYS_THERE, DAY, SOUNDS, World

NEXT_DOOR = 0.15  # share of explored artists that come from a neighbouring sub-genre
NOISE = 0.1  # and from anywhere
SAME_TASTE = 0.85  # a run stays with the taste of the run before it in the session
STAY_ALBUM, STAY_SHUFFLE = 0.84, 0.15  # the next song is by the same artist
FREQUENT = 0.55  # share of returns to an artist by how often it was played; the others by how recently
NEW_IN_NOVEL, NEW_ELSE = 0.8, 0.15  # share of new tracks in a run for new tracks, and in any other
IN_ORDER = 0.5  # of the repeats in a row that follow the order of last time
ALBUM_WISE = 0.25  # of the artists that a user discovers album by album
AFFINITY = np.array([8.0, 3.0, 0.7, 0.3, 0.2])
"""How much an artist's weight changes with the distance of its sound from the user's favourite one."""

STAR_AFFINITY = 3.0  # at least this for the stars of a sub-genre, which all users like
NEIGHBOURS = np.array([(neighbours(genre) * 2)[:4] for genre in range(len(GENRES))])
N_NEIGHBOURS = np.array([len(neighbours(genre)) for genre in range(len(GENRES))])


def draw_plays(rng: np.random.Generator, world: World, listener: Listener, sessions: Sessions, utc_offset: int) -> Ints:
    """The track of every listen of one user, (events,). No track is played before its release."""
    n = len(sessions.time)
    session = np.cumsum(sessions.starts) - 1
    plays_albums = (rng.random(session[-1] + 1) < listener.albums)[session]
    stays = rng.random(n) < np.where(plays_albums, STAY_ALBUM, STAY_SHUFFLE)
    run_starts = sessions.starts | ~stays
    run = np.cumsum(run_starts) - 1
    first = np.flatnonzero(run_starts)

    time = sessions.time[first]
    taste = _tastes(rng, listener, time, sessions.starts[first], utc_offset)
    artist, explored = _artists(rng, world, listener, time, taste)
    novel = explored | (rng.random(len(first)) < listener.novel)
    wants_new = rng.random(n) < np.where(novel[run], NEW_IN_NOVEL, NEW_ELSE)
    return _tracks(rng, world, sessions.time, artist[run], run, wants_new)


def _tastes(rng: np.random.Generator, listener: Listener, time: Ints, session_starts: Flags, utc_offset: int) -> Ints:
    """The taste of every run, (runs,): drawn by its level at the time, then kept for a while."""
    knots = np.arange(listener.levels.shape[1]) * KNOT
    level = np.stack([np.interp(time, knots, levels) for levels in listener.levels])
    quarter = (time // (DAY // 24) + utc_offset) % 24 // 6
    cumulative = np.cumsum(level * listener.hours[:, quarter], axis=0)
    drawn = (rng.random(len(time)) * cumulative[-1] >= cumulative[:-1]).sum(axis=0)
    return carried_forward(drawn, session_starts | (rng.random(len(time)) >= SAME_TASTE))


def _artists(rng: np.random.Generator, world: World, listener: Listener, time: Ints, taste: Ints) -> tuple[Ints, Flags]:
    """The artist of every run, (runs,), and whether the user plays it for the first time."""
    n = len(time)
    order = np.argsort(taste, kind="stable")
    start = starts_of(taste[order], len(listener.genres))[taste]
    place = np.empty(n, dtype=np.int64)
    place[order] = np.arange(n)
    nth = place - start  # of the runs in this taste
    home = listener.genres[taste]
    explores = np.flatnonzero((rng.random(n) < listener.explore) | (nth == 0))
    source = np.where(nth[explores] == 0, home[explores], _sources(rng, world, home[explores]))
    new_artist = np.full(n, -1, dtype=np.int64)
    new_artist[explores] = _explored(rng, world, listener, time[explores], source)
    explored = new_artist >= 0

    # All others return to the artist of an earlier run in the same taste: an often played one or a recent one.
    kind, by_count, by_lag = rng.random((3, n))
    frequent = np.floor(nth * by_count).astype(np.int64)
    recent = nth - np.floor(np.power(np.maximum(nth, 1), by_lag)).astype(np.int64)
    back = np.where(kind < FREQUENT, frequent, recent)
    is_root = explored | (nth == 0)
    root = origins(np.where(is_root, np.arange(n), order[start + np.where(is_root, 0, back)]))
    stars = world.genre_start[home]  # where a taste begins with nothing left to explore
    return np.where(explored, new_artist, stars)[root], explored


def _sources(rng: np.random.Generator, world: World, home: Ints) -> Ints:
    """The sub-genre in which each exploration finds its artist: mostly the taste's own, (explorations,)."""
    kind, which, anywhere = rng.random((3, len(home)))
    next_door = NEIGHBOURS[home, np.floor(which * N_NEIGHBOURS[home]).astype(np.int64)]
    noise = weighted(anywhere, world.genre_weight)
    return np.select([kind < NEXT_DOOR, kind < NEXT_DOOR + NOISE], [next_door, noise], home)


def _explored(rng: np.random.Generator, world: World, listener: Listener, time: Ints, source: Ints) -> Ints:
    """The artist that each exploration finds in its sub-genre, (explorations,); -1 when none is left."""
    by_source = np.argsort(source, kind="stable")
    artists = np.concatenate(
        [np.arange(world.genre_start[genre], world.genre_start[genre + 1]) for genre in np.unique(source)]
    )
    genre = world.genre[artists]
    apart = np.abs(world.sound[artists] - listener.sounds[genre])
    affinity = AFFINITY[np.minimum(apart, SOUNDS - apart)]
    is_star = artists - world.genre_start[genre] < ALWAYS_THERE
    affinity = np.where(is_star, np.maximum(affinity, STAR_AFFINITY), affinity)
    finish = race(rng.random(len(artists)), world.artist_weight[artists] * affinity)
    met = first_meetings(finish, genre, world.debut[artists], source[by_source], time[by_source], len(GENRES))
    artist = np.empty(len(source), dtype=np.int64)
    artist[by_source] = np.where(met >= 0, artists[met], -1)
    return artist


def _tracks(rng: np.random.Generator, world: World, time: Ints, artist: Ints, run: Ints, wants_new: Flags) -> Ints:
    """The track of every listen, (events,): the next new one of the artist, or one that was played before."""
    n = len(time)
    order = np.argsort(artist, kind="stable")  # by artist, then time: everything below is in this order
    played, group = np.unique(artist[order], return_inverse=True)
    group_start = starts_of(group, len(played))
    nth = np.arange(n) - group_start[group]
    same_run = np.append(False, run[order][1:] == run[order][:-1]) & (nth > 0)
    wants = wants_new[order] | (nth < 2)

    slots = np.flatnonzero(wants)
    size = np.diff(world.track_start)[played]
    item_group = np.repeat(np.arange(len(played)), size)
    items_before = np.cumsum(size) - size
    shift = world.track_start[played] - items_before
    items = np.arange(len(item_group)) + shift[item_group]
    finish = race(rng.random(len(items)), world.track_weight[items])
    album_wise = (rng.random(len(played)) < ALBUM_WISE)[item_group]
    leader = world.album[items] - shift[item_group]
    finish = np.where(album_wise, finish[leader], finish)  # tracks of an album follow in its order: ties are kept
    met = first_meetings(finish, item_group, world.release[items], group[slots], time[order][slots], len(played))
    new = np.full(n, -1, dtype=np.int64)
    new[slots] = np.where(met >= 0, items[met], -1)

    # A repeat goes back to an earlier play of the artist, not the very last, or on from where the one before it went.
    is_new = new >= 0
    uniform, in_order = rng.random((2, n))
    back = np.floor(uniform * np.maximum(nth - 1, 1)).astype(np.int64)
    follows = same_run & ~is_new & np.append(False, ~is_new[:-1]) & (in_order < IN_ORDER)
    head = carried_forward(np.arange(n), ~follows)
    back = np.where(follows, back[head] + nth - nth[head], back)
    track = new[origins(np.where(is_new, np.arange(n), group_start[group] + back))]
    result = np.empty(n, dtype=np.int64)
    result[order] = track
    return result
