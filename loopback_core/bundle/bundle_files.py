"""What a bundle holds besides the towers, the vectors and the index: the catalog, names and histories, as mapped arrays."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import polars as pl
import pyarrow as pa

from loopback_core.bundle.catalog_search import build_search
from loopback_core.data import Catalog, FitData, ListensByUser
from loopback_core.errors import ArtifactError
from loopback_core.recommenders.name_keys import Keys, NameKeys

CATALOG, HISTORIES, DEMOGRAPHICS, KNOWN = "catalog", "histories", "demographics.npy", "bundle.json"

WORKS = "works"
"""The name of the array of :func:`loopback_core.reranking.versions.works_of`."""

NAMES, USERS = "names.arrow", "users.parquet"

NAME_COLUMNS = ("artist", "artist_name", "track_name", "track_mbid", "artist_mbid")


class KnownJson(TypedDict):
    """`bundle.json`: single values of the data that the bundle was made on."""

    now: int  # end of the listens that the catalog was counted on, seconds since 1970-01-01 UTC
    last_listen: int  # the latest of any user
    own_moments: bool
    has_profiles: bool
    n_users: int
    refit: str  # all, or none
    rerank: bool  # whether lists are shown re-ranked where a request does not say how diverse it wants them
    source: dict[str, Any]  # name, events, users, tracks, artists
    evaluated: dict[str, Any]  # evaluation (version), tasks -> verdict


@dataclass(frozen=True)
class MbidKeys:
    """Ids of the catalog by MusicBrainz id."""

    tracks: Keys
    artists: Keys


def write_known(fit: FitData, histories: ListensByUser, names: pl.DataFrame, users: list[str], folder: Path) -> None:
    """Write what is known of tracks, artists and users.

    fit: what the catalog was counted on. histories: of every user, with tracks of the catalog. names: NAME_COLUMNS, row i
    for track i of the catalog. users: the name of user i.
    """
    (folder / CATALOG).mkdir()
    (folder / HISTORIES).mkdir()
    for field in fields(Catalog):
        np.save(folder / CATALOG / f"{field.name}.npy", getattr(fit.catalog, field.name))
    for field in fields(ListensByUser):
        np.save(folder / HISTORIES / f"{field.name}.npy", getattr(histories, field.name))
    if fit.demographics is not None:
        np.save(folder / DEMOGRAPHICS, fit.demographics[: len(users)])
    _write_names(names.select(NAME_COLUMNS), folder / NAMES)
    keys = NameKeys.of(names)
    keys.tracks.save(folder, "tracks")
    keys.artists.save(folder, "artists")
    rows = np.arange(len(names))
    Keys.of(names["track_mbid"].to_list(), rows).save(folder, "track_mbids")
    Keys.of(names["artist_mbid"].to_list(), names["artist"].to_numpy()).save(folder, "artist_mbids")
    Keys.of(users, np.arange(len(users))).save(folder, "users")
    pl.DataFrame({"user_id": users}, {"user_id": pl.String}).write_parquet(folder / USERS)
    listeners = pl.Series("listeners", fit.catalog.listeners)
    build_search(names.with_columns(listeners), _artists(fit, names), folder)


def read_catalog(folder: Path) -> Catalog:
    """Map the catalog into memory.

    Raises:
        ArtifactError: a file is missing or damaged.
    """
    arrays = map_arrays(folder / CATALOG, (field.name for field in fields(Catalog)))
    return Catalog(int(arrays.pop("n_users")), **arrays)


def read_known_histories(folder: Path) -> ListensByUser:
    """Map the histories into memory. Raises ArtifactError as :func:`read_catalog`."""
    return ListensByUser(**map_arrays(folder / HISTORIES, (field.name for field in fields(ListensByUser))))


def read_demographics(folder: Path) -> np.ndarray | None:
    """(users, 3) codes; None where the log has no profiles."""
    if not (folder / DEMOGRAPHICS).exists():
        return None
    return map_arrays(folder, ["demographics"])["demographics"]


def _artists(fit: FitData, names: pl.DataFrame) -> pl.DataFrame:
    """artist_name and listeners, row i for artist i."""
    first = np.zeros(fit.catalog.n_artists, np.int64)
    first[fit.catalog.artist[::-1]] = np.arange(fit.catalog.n_tracks)[::-1]
    return names[first].select("artist_name").with_columns(pl.Series("listeners", fit.catalog.artist_listeners))


def _write_names(names: pl.DataFrame, path: Path) -> None:
    """As one uncompressed record batch, so that rows are taken from the mapped file."""
    table = names.to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=max(len(table), 1))


def read_names(folder: Path) -> pa.Table:
    """NAME_COLUMNS of the catalog, mapped into memory. Raises ArtifactError as :func:`read_catalog`."""
    try:
        table = pa.ipc.open_file(pa.memory_map(str(folder / NAMES))).read_all()
    except (OSError, pa.ArrowException) as error:
        raise ArtifactError(f"The names in {folder} cannot be read ({error}); build the bundle again.") from None
    if tuple(table.column_names) != NAME_COLUMNS:
        raise ArtifactError(f"The names in {folder} have other columns; build the bundle again.")
    return table


def read_user_ids(folder: Path) -> list[str]:
    """The name of user i. Raises ArtifactError as :func:`read_catalog`."""
    try:
        return pl.read_parquet(folder / USERS, glob=False)["user_id"].to_list()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ArtifactError(f"The users in {folder} cannot be read ({error}); build the bundle again.") from None


def read_keys(folder: Path) -> tuple[NameKeys, MbidKeys, Keys]:
    """The keys of names, of MusicBrainz ids and of users. Raises ArtifactError as :func:`read_catalog`."""
    tracks, artists, track_mbids, artist_mbids, users = (
        Keys.load(folder, name) for name in ("tracks", "artists", "track_mbids", "artist_mbids", "users")
    )
    return NameKeys(tracks, artists), MbidKeys(track_mbids, artist_mbids), users


def write_json(content: Any, path: Path) -> None:
    """Write JSON."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}); build the bundle again.") from None


def map_arrays(folder: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Arrays of these names, mapped into memory. Raises ArtifactError as :func:`read_catalog`."""
    arrays = {}
    for name in names:
        path = folder / f"{name}.npy"
        try:
            arrays[name] = np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
        except (OSError, ValueError, EOFError) as error:
            raise ArtifactError(f"{path} cannot be read ({error}); build the bundle again.") from None
    return arrays
