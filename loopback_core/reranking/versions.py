"""Which tracks are versions of one work: remixes, live versions and re-releases of a title by the same artist."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loopback_core.data import Ids

VERSION_WORDS = (
    "acoustic|acapella|bonus|clean|club|cover|deluxe|demo|dub|edit|edition|explicit|extended|feat|featuring|ft|instrumental|"
    "karaoke|live|mix|mono|original|radio|re-?edit|re-?master(?:ed)?|reissue|remix(?:ed)?|reprise|rmx|session|sessions|single|"
    "stereo|take|unplugged|ver|version|vip|vocal"
)
"""Words that make the end of a title, in brackets or after a dash, the name of a version."""

IN_BRACKETS = rf"\s*[(\[][^)\]]*\b(?:{VERSION_WORDS})\b[^)\]]*[)\]]"
AFTER_DASH = rf"\s+[-–—]\s+[^-–—]*\b(?:{VERSION_WORDS})\b[^-–—]*$"
GUESTS = r"\s+(?:feat|ft|featuring)\b\.?.*$"


def work_title(titles: pl.Series) -> pl.Series:
    """What all versions of a title share: lower case, without accents, punctuation and the name of the version.

    A title of which nothing would be left is only put in lower case.
    """
    whole = titles.str.to_lowercase()
    short = (
        whole.str.normalize("NFKD")
        .str.replace_all(r"\p{M}", "")
        .str.replace_all(IN_BRACKETS, "")
        .str.replace(AFTER_DASH, "")
        .str.replace(GUESTS, "")
        .str.replace_all(r"[^\p{L}\p{N}]+", " ")
        .str.strip_chars()
    )
    return pl.select(pl.when(short == "").then(whole).otherwise(short)).to_series()


def works_of(titles: pl.Series, artist: NDArray[np.int32]) -> Ids:
    """(n_tracks,) the number of the work of every track: the same for two tracks that are versions of it.

    titles: (n_tracks,). artist: (n_tracks,) id of the artist.
    """
    keys = pl.DataFrame({"artist": artist, "title": work_title(titles)})
    works: Ids = keys.select(pl.struct("artist", "title").rank("dense")).to_series().to_numpy().astype(np.int64) - 1
    return works
