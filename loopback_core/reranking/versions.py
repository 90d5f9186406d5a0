"""Which tracks are versions of one work: remixes, live versions and re-releases of a title by the same artist."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data import Ids

VERSION_SHAPES = (
    r"(?:\d{4} )?(?:digital(?:ly)? )?re-?master(?:ed)?(?: (?:version|edition|mix))?(?: \d{4})?",
    r"(?:[^()\[\]]* )?(?:remix|mix|rmx|edit|version|demo|dub|re-?work(?:ed)?)(?: \d{4})?",
    r"live(?:[ ,]+(?:at|in|from|on|@)\b[^()\[\]]*|[ _,]+\d[\d_./ -]*)?",
    r"(?:acoustic|instrumental|a cappella|acapella|mono|stereo|unplugged|reprise|karaoke|bonus track|outtake|explicit|clean)",
    r"(?:feat\.?|featuring|ft\.?|with) [^()\[\]]*",
)
"""What stands in brackets, or after a dash at the end of a title, and names a version of it. Whole phrases: in "Live Wire" or
"Part 2" a word of theirs is part of the title."""

_SHAPE = f"(?:{'|'.join(VERSION_SHAPES)})"

IN_BRACKETS = rf"\s*[(\[]\s*{_SHAPE}\s*[)\]]"
AFTER_DASH = rf"\s+[-–—~]\s+{_SHAPE}\s*$"
GUESTS = r"\s+(?:feat\.?|featuring|ft\.)\s[^-–—/()\[\]]*$"

MOST_PARTS = 3
"""Names of versions after each other: "Title - Live - 2011 Remaster"."""


def work_title(titles: pl.Series) -> pl.Series:
    """What all versions of a title share: lower case, Latin letters without accents, no punctuation, no name of a version.

    Marks of other scripts are letters of their own. A title of which nothing would be left is only put in lower case.
    """
    whole = titles.fill_null("").str.to_lowercase()
    short = whole.str.normalize("NFKD").str.replace_all(r"(\p{Latin})[\u0300-\u036f]+", "${1}")
    short = short.str.replace_all(IN_BRACKETS, "")
    for _ in range(MOST_PARTS):
        short = short.str.replace(AFTER_DASH, "")
    short = short.str.replace(GUESTS, "").str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars()
    return pl.select(pl.when(short == "").then(whole).otherwise(short)).to_series()


def works_of(titles: pl.Series, artist: NDArray[np.int32]) -> Ids:
    """(n_tracks,) the number of the work of every track: the same for two tracks that are versions of it.

    titles: (n_tracks,). artist: (n_tracks,) id of the artist.
    """
    keys = pl.DataFrame({"artist": artist, "title": work_title(titles)})
    works: Ids = keys.select(pl.struct("artist", "title").rank("dense")).to_series().to_numpy().astype(np.int64) - 1
    return works
