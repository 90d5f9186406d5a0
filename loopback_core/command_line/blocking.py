"""`loopback block`, `loopback unblock` and `loopback blocked`."""

import json
from dataclasses import asdict
from pathlib import Path

import click
import pyarrow.compute as pc

from loopback_core.command_line.shown_text import shown_text
from loopback_core.errors import ArtifactError, RequestError
from loopback_core.listens.log_rules import normal_form
from loopback_core.recommenders.name_keys import texts
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.block_list import add_block, blocked, remove_block
from loopback_core.store.served_pointer import served_bundle

FOLLOWS = "A running service follows within two seconds."


def block_names(home: Path, artist: str, track: str | None, reason: str) -> None:
    """Recommend a track, or all of an artist, no more.

    Raises:
        ArtifactError: the block list is damaged, or the home is not there or cannot be written to.
        RequestError: a name is empty.
    """
    names, store = _normal(artist, track), ArtifactStore(home)
    if not store.home.is_dir():
        raise ArtifactError(
            f"{store.home} is not there: name the folder of the artifacts with --home or LOOPBACK_HOME."
        )
    is_new = add_block(store, *names, reason)
    unknown = _unknown(store, *names)
    if unknown is None:
        click.echo(
            f"{_shown(*names)} {f'is not recommended any more. {FOLLOWS}' if is_new else 'was blocked already.'}"
        )
    else:
        click.echo(f"{_shown(*names)} {'is' if is_new else 'was already'} on the list. {unknown}")


def unblock_names(home: Path, artist: str, track: str | None) -> None:
    """Let it be recommended again. Raises as :func:`block_names`."""
    names = _normal(artist, track)
    if remove_block(ArtifactStore(home), *names):
        click.echo(f"{_shown(*names)} may be recommended again. {FOLLOWS}")
    else:
        click.echo(f"{_shown(*names)} was not blocked: `loopback blocked` lists what is.")


def list_blocked(home: Path, as_json: bool) -> None:
    """Print what is blocked, since when and why.

    Raises:
        ArtifactError: the block list is damaged.
    """
    blocks = blocked(ArtifactStore(home))
    if as_json:
        click.echo(json.dumps([asdict(one) for one in blocks], ensure_ascii=False))
        return
    for one in blocks:
        click.echo(f"{one.since}  {_shown(one.artist, one.track)}: {one.reason}")
    if not blocks:
        click.echo("Nothing is blocked.")


def _normal(artist: str, track: str | None) -> tuple[str, str | None]:
    artist, title = normal_form(texts([artist, track or ""])).to_list()
    if not artist or (track is not None and not title):
        raise RequestError("Give names that are not empty: loopback block ARTIST [TRACK] --reason TEXT.")
    return artist, None if track is None else title


def _unknown(store: ArtifactStore, artist: str, track: str | None) -> str | None:
    """What to say where the bundle in service does not know the names, so that nothing changes; None where it does."""
    from loopback_core.bundle.bundle_files import read_keys, read_names
    from loopback_core.bundle.catalog_search import CatalogSearch

    try:
        folder = served_bundle(store).folder
        keys, names = read_keys(folder)[0], read_names(folder)
        if int((keys.find_artists([artist]) if track is None else keys.find_tracks([artist], [track]))[0]) >= 0:
            return None
        search = CatalogSearch.open(folder)
        near = search.artists(artist, 1) if track is None else search.tracks(f"{artist} {track}", 1)
    except ArtifactError as error:
        return f"Whether anything changes is not known: {error}"
    said = "The bundle in service does not know it, so that nothing changes until one does."
    if not len(near):
        return said
    if track is None:
        row = names.filter(pc.field("artist") == int(near[0])).slice(0, 1).to_pylist()[0]
        like = f"all by {row['artist_name']!r}"
    else:
        row = names.slice(int(near[0]), 1).to_pylist()[0]
        like = f"{row['track_name']!r} by {row['artist_name']!r}"
    return f"{said} Upper and lower case and spaces count. The nearest that is found: {like}"


def _shown(artist: str, track: str | None) -> str:
    return f"all by {shown_text(artist)}" if track is None else f"{shown_text(track)} by {shown_text(artist)}"
