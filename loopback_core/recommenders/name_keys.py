"""From names, as people write them, to ids of the catalog: sorted 64-bit hashes, mapped into memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import xxhash
from numpy.typing import NDArray

from loopback_core.data import Ids
from loopback_core.errors import ArtifactError, RequestError
from loopback_core.listens.log_rules import ASCII_INVISIBLE, normal_form

BETWEEN = "\x1f"
"""Between the artist and the title of a track: a control character that names do not hold."""


@dataclass(frozen=True)
class Keys:
    """The ids of some texts. Of two texts among millions the hashes are equal once in some million catalogs."""

    hashes: NDArray[np.uint64]  # (n,) ascending, distinct
    ids: NDArray[np.int32]  # (n,)

    @classmethod
    def of(cls, texts: Iterable[str | None], ids: NDArray[np.integer]) -> Self:
        """Of equal texts the first counts; None and empty texts are left out. ids: (n,) one of each text."""
        hashes = np.fromiter((_hash(text) if text else 0 for text in texts), np.uint64, len(ids))
        given = hashes != 0
        distinct, first = np.unique(hashes[given], return_index=True)
        return cls(distinct, ids[given][first].astype(np.int32))

    def find(self, texts: Sequence[str]) -> Ids:
        """The id of each text, (len(texts),), -1 where there is none."""
        if not len(self.hashes) or not len(texts):
            return np.full(len(texts), -1, np.int64)
        hashes = np.fromiter(map(_hash, texts), np.uint64, len(texts))
        place = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        return np.where(self.hashes[place] == hashes, self.ids[place], -1).astype(np.int64)

    def hash_of_ids(self, n_ids: int) -> NDArray[np.uint64]:
        """The hash of the text of each id, (n_ids,); 0 where a text of an earlier id is the same."""
        hashes = np.zeros(n_ids, np.uint64)
        hashes[self.ids] = self.hashes
        return hashes

    def save(self, folder: Path, name: str) -> None:
        """Write both arrays."""
        np.save(folder / f"{name}.hashes.npy", self.hashes)
        np.save(folder / f"{name}.ids.npy", self.ids)

    @classmethod
    def load(cls, folder: Path, name: str) -> Self:
        """Map both into memory; nothing is unpickled.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        try:
            hashes, ids = (
                np.asarray(np.load(folder / f"{name}.{part}.npy", mmap_mode="r", allow_pickle=False))
                for part in ("hashes", "ids")
            )
        except (OSError, ValueError, EOFError) as error:
            raise ArtifactError(f"The names in {folder} cannot be read ({error}); build the bundle again.") from None
        if hashes.dtype != np.uint64 or ids.dtype != np.int32 or hashes.shape != ids.shape or hashes.ndim != 1:
            raise ArtifactError(f"The names in {folder} do not fit together; build the bundle again.")
        return cls(hashes, ids)


@dataclass(frozen=True)
class NameKeys:
    """The names of tracks and artists. They match as in ingest."""

    tracks: Keys
    artists: Keys

    @classmethod
    def of(cls, names: pl.DataFrame) -> Self:
        """names: artist (id), artist_name and track_name in normal form, row i for track i."""
        both = names.select(pl.concat_str("artist_name", "track_name", separator=BETWEEN)).to_series()
        artists = names.select("artist", "artist_name").unique("artist", keep="first", maintain_order=True)
        return cls(
            Keys.of(both.to_list(), np.arange(len(names))),
            Keys.of(artists["artist_name"].to_list(), artists["artist"].to_numpy()),
        )

    def find(self, artists: Sequence[Any], titles: Sequence[Any]) -> tuple[Ids, Ids]:
        """The ids of tracks and of their artists, as of the two methods below, which take longer together."""
        normal = _normal([*artists, *titles])
        of_artists, of_titles = normal[: len(artists)], normal[len(artists) :]
        tracks = [BETWEEN.join(pair) for pair in zip(of_artists, of_titles, strict=True)]
        return self.tracks.find(tracks), self.artists.find(of_artists)

    def find_tracks(self, artists: Sequence[Any], titles: Sequence[Any]) -> Ids:
        """The id of each track, (n,), -1 where the catalog does not know it.

        Raises:
            RequestError: a name is not a text.
        """
        return self.tracks.find([BETWEEN.join(pair) for pair in zip(_normal(artists), _normal(titles), strict=True)])

    def find_artists(self, artists: Sequence[Any]) -> Ids:
        """The id of each artist, (n,), -1 where the catalog does not know them. Errors as of :meth:`find_tracks`."""
        return self.artists.find(_normal(artists))


def track_hashes(artists: Sequence[Any], titles: Sequence[Any]) -> NDArray[np.uint64]:
    """The hash of each track, (n,), by which every catalog knows it. Errors as of :meth:`NameKeys.find_tracks`."""
    pairs = zip(_normal(artists), _normal(titles), strict=True)
    return np.fromiter((_hash(BETWEEN.join(pair)) for pair in pairs), np.uint64, len(artists))


def texts(values: Sequence[Any]) -> pl.Series:
    """A column of texts.

    Raises:
        RequestError: one is not a text of Unicode.
    """
    try:
        return pl.Series(values, dtype=pl.String)
    except (TypeError, UnicodeEncodeError):
        wrong = next(value for value in values if not isinstance(value, str) or not _is_unicode(value))
        raise RequestError(f"{wrong!r:.40} is not a text: names are strings of Unicode.") from None


def _normal(values: Sequence[Any]) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        return _normal(["" if value is None else value for value in texts(values)])
    others = [value for value in values if not value.isascii()]
    normal = iter(normal_form(texts(others)).to_list() if others else ())  # a Series costs more than a hundred names
    return [value.strip(ASCII_INVISIBLE) if value.isascii() else next(normal) for value in values]


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode()) or 1
