"""`loopback block`, `loopback unblock` and `loopback blocked`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

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
        ArtifactError: the block list is damaged, or the home cannot be written to.
        RequestError: a name is empty.
    """
    names, store = _normal(artist, track), ArtifactStore(home)
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
    from loopback_core.bundle.served_bundle import ServedBundle

    try:
        served = ServedBundle.load(served_bundle(store).folder)
    except ArtifactError:
        return "There is no bundle in service that can be read: it holds from the day that there is one."
    keys = served.keys
    if int((keys.find_artists([artist]) if track is None else keys.find_tracks([artist], [track]))[0]) >= 0:
        return None
    near = served.search.artists(artist, 1) if track is None else served.search.tracks(f"{artist} {track}", 1)
    said = "The bundle in service does not know it, so that nothing changes until one does."
    if not len(near):
        return said
    if track is None:
        like = repr(served.artist_name(int(near[0])))
    else:
        artist, title = (served.names[column][int(near[0])].as_py() for column in ("artist_name", "track_name"))
        like = f"{title!r} by {artist!r}"
    return f"{said} Upper and lower case and spaces count. The nearest that it knows: {like}"


def _shown(artist: str, track: str | None) -> str:
    return f"all by {artist}" if track is None else f"{track} by {artist}"
