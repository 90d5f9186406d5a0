"""Who listens: how much, from when to when, where, and to what: several tastes that drift."""

from dataclasses import dataclass

import numpy as np

from loopback_core.listens.sample.draws import Doubles, Ints, bell, below, weighted
from loopback_core.listens.sample.genres import GENRES, neighbours
from loopback_core.listens.sample.world import DAY, SOUNDS, SPAN, World

COUNTRIES = (  # name, share in the original, hours from UTC
    ("United States", 228, -6),
    ("United Kingdom", 126, 0),
    ("Poland", 50, 1),
    ("Germany", 36, 1),
    ("Norway", 36, 1),
    ("Canada", 32, -5),
    ("Turkey", 28, 2),
    ("Italy", 27, 1),
    ("Sweden", 24, 1),
    ("Brazil", 23, -3),
    ("Russian Federation", 22, 3),
    ("France", 20, 1),
    ("Japan", 17, 9),
    ("Mexico", 13, -6),
    ("Greece", 9, 2),
    ("Iceland", 4, 0),
)
AT_HOME = 5.0  # a sub-genre weighs this much more in its home countries
KNOT = 120 * DAY  # tastes change between levels this far apart
TASTE_HOURS = np.array([[1.0, 1.0, 1.0, 1.0], [2.0, 0.7, 0.7, 1.2], [0.6, 1.6, 1.4, 0.7]])  # any, night, day


@dataclass(frozen=True)
class Population:
    """One row per user. Times are seconds since BEGIN."""

    events: Ints
    start: Ints
    end: Ints
    country: Ints  # index into COUNTRIES


@dataclass(frozen=True)
class Listener:
    """The habits of one user."""

    genres: Ints  # (tastes,)
    levels: Doubles  # (tastes, knots) how much each taste weighs over the months
    hours: Doubles  # (tastes, 4) how much it weighs in each quarter of the day
    sounds: Ints  # (genres,) the sound this user likes best in each sub-genre
    albums: float  # share of the sessions that play albums
    explore: float  # share of the runs that go to an artist never played before
    novel: float  # share of the runs that go to new tracks of a known artist


def draw_population(rng: np.random.Generator, events: int, users: int) -> Population:
    """How much each user listens and when; the events add up exactly."""
    kind, place, stay, length = rng.random((4, users))
    start = np.select(
        [kind < 0.68, kind < 0.92],
        [0.8 * place, 0.5 + 0.42 * place],
        0.95 + 0.045 * place,  # first heard of near the end, mostly in what a split in time takes for the test
    )
    end = np.where(stay < 0.72, 1.0, start + (1.0 - start) * (0.35 + 0.65 * length))
    weight = np.exp2(1.35 * bell(rng, users)) * np.sqrt(np.sqrt((end - start) ** 3))
    country = weighted(rng.random(users), np.array([float(share) for _, share, _ in COUNTRIES]))
    return Population(
        _shares(weight, events), np.floor(start * SPAN).astype(np.int64), np.floor(end * SPAN).astype(np.int64), country
    )


def draw_listener(rng: np.random.Generator, world: World, country: int) -> Listener:
    """Three to five tastes: the first by what is popular at home, later ones often in a neighbour of an earlier one."""
    at_home = np.array([AT_HOME if COUNTRIES[country][0] in genre.home else 1.0 for genre in GENRES])
    weights = world.genre_weight * at_home
    n_tastes = 3 + int(below(rng, 3, 1)[0])
    genres: list[int] = []
    for next_door, which, uniform in rng.random((n_tastes, 3)):
        near = neighbours(genres[-1]) if genres and next_door < 0.5 else ()
        genres.append(near[int(which * len(near))] if near else int(weighted(uniform[None], weights)[0]))
    tastes = np.array(list(dict.fromkeys(genres)), dtype=np.int64)

    n_knots = SPAN // KNOT + 2
    walk = np.clip(np.cumsum(0.8 * bell(rng, len(tastes), n_knots), axis=1), -2.5, 2.5)
    base = 1.0 / np.sqrt(1.0 + np.arange(len(tastes)))
    albums, explore, novel = rng.random(3)
    return Listener(
        genres=tastes,
        levels=base[:, None] * np.exp2(walk),
        hours=TASTE_HOURS[below(rng, len(TASTE_HOURS), len(tastes))],
        sounds=below(rng, SOUNDS, len(GENRES)),
        albums=0.1 + 0.5 * float(albums),
        explore=0.07 + 0.14 * float(explore),
        novel=0.2 + 0.4 * float(novel),
    )


def _shares(weight: Doubles, total: int) -> Ints:
    """Whole numbers in proportion to `weight` that add up to `total`; at least one each when there are enough."""
    at_least = 1 if total >= len(weight) else 0
    exact = weight / np.cumsum(weight)[-1] * (total - at_least * len(weight))
    whole: Ints = np.floor(exact).astype(np.int64)
    left = total - at_least * len(weight) - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:left]] += 1
    return whole + at_least
