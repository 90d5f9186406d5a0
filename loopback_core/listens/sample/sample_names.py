"""Names that carry signal: the words of a sub-genre in artists and titles, versions of a title, collaborations."""

from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np

from loopback_core.listens.sample.genres import GENRES, Genre
from loopback_core.listens.sample.scripts import ADJECTIVES, CITIES, GIVEN, JOINED, NOUNS, SCRIPTS, STOCK, SYLLABLES
from loopback_core.listens.sample.world import World

DRAWS = 8  # uniform numbers that make one name
IN_SCRIPT = 0.25  # of the artists of a sub-genre that has a script of its own; most of their titles are in it too
OWN_WORD = 0.6  # of the genre words that fit the artist's sound; the others are any of the sub-genre's eight
COLLABORATION, FEATURING = 0.03, 0.03
LIVE, REMIX, TWELVE_INCH = 0.035, 0.035, 0.006
QUOTED = 0.008


def artist_names(rng: np.random.Generator, world: World) -> list[str]:
    """One name per artist, all different."""
    draws = rng.random((len(world.genre), DRAWS))
    begins = world.genre_start[world.genre].tolist()
    taken: set[str] = set()
    names: list[str] = []
    for artist, (genre, sound, begin) in enumerate(
        zip(world.genre.tolist(), world.sound.tolist(), begins, strict=True)
    ):
        u = draws[artist].tolist()
        name = _artist(u, GENRES[genre], sound)
        if artist > begin and u[7] < COLLABORATION:  # with one that is better known
            name = f"{_one_of(names[begin:artist], u[6] * u[6])} feat. {name}"
        names.append(_untaken(name, taken, _surnames(u)))
    return names


def track_titles(rng: np.random.Generator, world: World, artists: Sequence[str]) -> list[str]:
    """One title per track, all different within an artist."""
    genre_start, track_start = world.genre_start.tolist(), world.track_start.tolist()
    titles: list[str] = []
    for artist, (genre, sound) in enumerate(zip(world.genre.tolist(), world.sound.tolist(), strict=True)):
        scene = artists[genre_start[genre] : genre_start[genre + 1]]
        script = () if artists[artist].isascii() else SCRIPTS.get(GENRES[genre].script, ())
        taken: set[str] = set()
        plain: list[str] = []
        for u in rng.random((track_start[artist + 1] - track_start[artist], DRAWS)).tolist():
            title = _version(u, plain, scene) if plain else ""
            if not title:
                title = _title(u, GENRES[genre], sound, script)
                plain.append(title)
                if u[7] < FEATURING:
                    title = f"{title} (feat. {_one_of(scene, u[6] * u[6])})"
                elif u[7] > 1 - QUOTED:
                    title = f'"{title}"'
            titles.append(_untaken(title, taken, (f", Pt. {part}" for part in count(2))))
    return titles


def _artist(u: Sequence[float], genre: Genre, sound: int) -> str:
    if genre.script in SCRIPTS and u[0] < IN_SCRIPT:
        words = [_one_of(SCRIPTS[genre.script], draw) for draw in u[1 : 3 + (u[4] < 0.4)]]
        return _joined(words, genre.script)
    if u[1] < 0.28:
        return f"The {_one_of(ADJECTIVES, u[2])} {_word(genre, sound, u[3])}"
    if u[1] < 0.50:
        return f"{_word(genre, sound, u[3])} {_one_of(NOUNS, u[2])}"
    if u[1] < 0.74:
        return f"{_one_of(GIVEN, u[2])} {_surname(u[3], u[4])}"
    if u[1] < 0.90:
        return f"{_one_of(ADJECTIVES, u[2])} {_one_of(NOUNS, u[3])}s"
    if u[1] < 0.985:
        return _surname(u[2], u[3])
    return f'"{_one_of(ADJECTIVES, u[2])}" {_one_of(GIVEN, u[3])} {_surname(u[4], u[5])}'


def _title(u: Sequence[float], genre: Genre, sound: int, script: Sequence[str]) -> str:
    if script and u[1] < 0.8:
        return _joined([_one_of(script, draw) for draw in u[2 : 4 + (u[5] < 0.5)]], genre.script)
    kind = u[1] if not script else (u[1] - 0.8) / 0.2
    if kind < 0.02:
        return _one_of(STOCK, u[2])
    if kind < 0.24:
        return f"{_one_of(ADJECTIVES, u[2])} {_word(genre, sound, u[3])}"
    if kind < 0.40:
        return f"{_word(genre, sound, u[3])} {_one_of(NOUNS, u[2])}"
    if kind < 0.52:
        return f"{_one_of(NOUNS, u[2])} of the {_one_of(NOUNS, u[3])}"
    if kind < 0.60:
        return f"Don't {_one_of(NOUNS, u[2])} My {_one_of(NOUNS, u[3])}"
    if kind < 0.76:
        return f"{_one_of(ADJECTIVES, u[2])} {_one_of(NOUNS, u[3])} {_one_of(NOUNS, u[4])}"
    if kind < 0.82:
        return _one_of(NOUNS, u[2])
    return f"{_one_of(ADJECTIVES, u[2])} {_one_of(NOUNS, u[3])}"


def _version(u: Sequence[float], plain: Sequence[str], scene: Sequence[str]) -> str:
    """A live recording, a remix or a long mix of an earlier title of the artist; "" when it is none of them."""
    original = _one_of(plain, u[1])
    if u[0] < LIVE:
        return f"{original} (Live)" if u[2] < 0.5 else f"{original} (Live in {_one_of(CITIES, u[3])})"
    if u[0] < LIVE + REMIX:
        return f"{original} ({_one_of(scene, u[2] * u[2])} Remix)"
    return f'{original} (12" Mix)' if u[0] < LIVE + REMIX + TWELVE_INCH else ""


def _word(genre: Genre, sound: int, uniform: float) -> str:
    if uniform < OWN_WORD:
        return genre.words[sound]
    return _one_of(genre.words, (uniform - OWN_WORD) / (1 - OWN_WORD))


def _surname(first: float, second: float) -> str:
    middle = _one_of(SYLLABLES, first * 977 % 1) if second < 0.5 else ""
    return f"{_one_of(SYLLABLES, first)}{middle}{_one_of(SYLLABLES, second)}".capitalize()


def _surnames(u: Sequence[float]) -> Iterator[str]:
    return (" " + _surname((u[5] * n) % 1, (u[6] * n) % 1) for n in count(1))


def _joined(words: Sequence[str], script: str) -> str:
    return ("" if script in JOINED else " ").join(words)


def _one_of(choices: Sequence[str], uniform: float) -> str:
    return choices[int(uniform * len(choices))]


def _untaken(name: str, taken: set[str], endings: Iterator[str]) -> str:
    """`name`, with the first ending that makes it new when it is taken; taken from now on."""
    unique = name
    while unique in taken:
        unique = name + next(endings)
    taken.add(unique)
    return unique
