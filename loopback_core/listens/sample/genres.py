"""The sub-genres of the sample: which are neighbours, their words, their home countries."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Genre:
    """One sub-genre. It has a word for each place on its ring of sounds."""

    name: str
    family: str
    words: tuple[str, ...]  # (SOUNDS,)
    script: str = "latin"
    home: tuple[str, ...] = ()  # countries in which it is heard more


def _genre(family: str, name: str, words: str, script: str = "latin", home: tuple[str, ...] = ()) -> Genre:
    return Genre(name, family, tuple(words.split()), script, home)


GENRES = (
    _genre("rock", "indie rock", "Parade Postcard Sweater Cassette Suburb Bicycle Polaroid Attic"),
    _genre("rock", "garage rock", "Fuzz Motor Leather Riot Gasoline Switchblade Voodoo Alley"),
    _genre("rock", "post-rock", "Horizon Satellite Glacier Signal Beacon Expanse Aurora Monolith", "nordic"),
    _genre("rock", "shoegaze", "Haze Blur Swirl Pedal Drift Slumber Halo Feedback"),
    _genre("metal", "black metal", "Frost Raven Funeral Wolf Abyss Blasphemy Winter Crypt", "nordic", ("Norway",)),
    _genre("metal", "doom metal", "Tomb Monolithic Sabbath Burial Smoke Wizard Altar Obelisk"),
    _genre("metal", "thrash metal", "Carnage Hammer Warhead Venom Toxic Slaughter Razor Mosh", "latin", ("Brazil",)),
    _genre("metal", "metalcore", "Breakdown Scars Betrayal Ashes Vengeance Anchors Martyr Ruin"),
    _genre("electronic", "ambient", "Drone Tundra Mist Stillness Tape Tide Reverie Nocturne", "nordic", ("Iceland",)),
    _genre(
        "electronic", "techno", "Modular Warehouse Acid Circuit Strobe Kontakt Maschine Takt", "german", ("Germany",)
    ),
    _genre("electronic", "house", "Disco Groove Deep Sunset Club Terrace Vinyl Loop"),
    _genre(
        "electronic",
        "drum and bass",
        "Jungle Subsonic Rinse Amen Breakbeat Rollers Neuro Dub",
        "latin",
        ("United Kingdom",),
    ),
    _genre("hip-hop", "boom bap", "Cipher Crates Mic Sampler Brooklyn Verse Turntable Loose-Leaf"),
    _genre("hip-hop", "crunk", "Trunk Grind Hustle Bounce Dirty Chrome Block Ballin'", "latin", ("United States",)),
    _genre("hip-hop", "trip-hop", "Velvet Nicotine Downtempo Bristol Smoked Portrait Mezzo Undertow"),
    _genre(
        "hip-hop", "grime", "Endz Riddim Bassline Pirate Estate Eskimo Clash Dubplate", "latin", ("United Kingdom",)
    ),
    _genre("folk", "songwriter", "Porch Letter Window Rowboat Kitchen Lantern Orchard Sparrow"),
    _genre(
        "folk",
        "british folk",
        "Thistle Ballad Maid Meadow Heather Fiddle Harbour Hawthorn",
        "latin",
        ("United Kingdom",),
    ),
    _genre(
        "folk", "country", "Whiskey Highway Pickup Honky Tennessee Rodeo Saddle Heartache", "latin", ("United States",)
    ),
    _genre("folk", "chanson", "Amour Café Été Forêt Rêve Fenêtre Manège Garçon", "french", ("France",)),
    _genre("pop", "synthpop", "Neon Robot Computer Plastic Laser Mirror Arcade Android"),
    _genre("pop", "dance pop", "Dancefloor Tonight Crush Glitter Heartbeat DJ Baby Fever"),
    _genre("pop", "j-pop", "Sakura Tokyo Kirei Hoshi Neko Hanabi Mirai Yume", "japanese", ("Japan",)),
    _genre("pop", "k-pop", "Seoul Oppa Lollipop Sorry Gee Bonamana Nobody Mirotic", "korean", ("Canada",)),
    _genre("soul", "bebop", "Quartet Blues Bop Minor Standard Monk's Uptown Ornithology"),
    _genre("soul", "soul", "Lovin' Honey Gospel Tears Woman Brotherman Believe Sugar"),
    _genre("soul", "funk", "Funky Boogie Mothership Strut Bump Soulful Brass Getdown"),
    _genre(
        "soul", "bossa nova", "Samba Corcovado Saudade Coração Manhã Praia Violão Canção", "portuguese", ("Brazil",)
    ),
    _genre(
        "world", "russian rock", "Zvezda Kino Gorod Zima Doroga Nebo Okno Vremya", "cyrillic", ("Russian Federation",)
    ),
    _genre("world", "reggae", "Zion Roots Rasta Babylon Irie Lion Skank Sunsplash"),
    _genre(
        "world", "rebetiko", "Bouzouki Thalassa Agapi Hasapiko Kafeneio Nyhta Fengari Piraeus", "greek", ("Greece",)
    ),
    _genre("world", "tango", "Milonga Corazón Bandoneón Arrabal Adiós Canción Niña Soledad", "spanish", ("Mexico",)),
)

PER_FAMILY = 4
BRIDGES = {2: 8, 5: 2, 6: 7, 10: 21, 11: 15, 14: 8, 16: 17, 20: 9, 22: 23, 25: 26, 27: 24, 29: 11}
"""Neighbours across families: post-rock and ambient, doom and post-rock, house and dance pop, ..."""


def neighbours(genre: int) -> tuple[int, ...]:
    """Indices of the other sub-genres of the family, and of the one across a bridge if there is one."""
    family = genre // PER_FAMILY * PER_FAMILY
    siblings = tuple(g for g in range(family, family + PER_FAMILY) if g != genre)
    return siblings + ((BRIDGES[genre],) if genre in BRIDGES else ())
