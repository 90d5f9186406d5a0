"""The profiles of the listeners, as incomplete and odd as the original's."""

from datetime import UTC, datetime, timedelta

import numpy as np

from loopback_core.listens.sample.draws import below
from loopback_core.listens.sample.listeners import COUNTRIES, Population
from loopback_core.listens.sample.world import BEGIN, YEAR

HEADER = "#id\tgender\tage\tcountry\tregistered"
MONTHS = [
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
]  # strftime would ask the locale
ODD_AGES = (3, 4, 7, 103)
NO_GENDER, NO_AGE, NO_COUNTRY, NO_DATE, ODD_AGE = 0.11, 0.71, 0.086, 0.008, 0.012


def profile_lines(rng: np.random.Generator, population: Population) -> list[str]:
    """The header and one tab-separated line per user: id, gender, age, country, day of registration."""
    n = len(population.events)
    missing = rng.random((n, 4)) < (NO_GENDER, NO_AGE, NO_COUNTRY, NO_DATE)
    woman, odd, before = rng.random((3, n))
    age = 15 + np.floor(40 * rng.random(n) * rng.random(n)).astype(np.int64)
    odd_age = np.array(ODD_AGES)[below(rng, len(ODD_AGES), n)]
    odd = odd < ODD_AGE
    age, missing[:, 1] = np.where(odd, odd_age, age), missing[:, 1] & ~odd
    registered = population.start - np.floor(before * before * YEAR).astype(np.int64)
    lines = [HEADER]
    for user in range(n):
        fields = (
            "f" if woman[user] < 0.43 else "m",
            str(age[user]),
            COUNTRIES[population.country[user]][0],
            _day(int(registered[user])),
        )
        shown = ("" if gone else field for field, gone in zip(fields, missing[user], strict=True))
        lines.append("\t".join([user_id(user), *shown]))
    return lines


def user_id(user: int) -> str:
    """user_000001 for user 0."""
    return f"user_{user + 1:06d}"


def _day(seconds: int) -> str:
    """Aug 13, 2006."""
    day = datetime.fromtimestamp(BEGIN, UTC) + timedelta(seconds=seconds)
    return f"{MONTHS[day.month - 1]} {day.day}, {day.year}"
