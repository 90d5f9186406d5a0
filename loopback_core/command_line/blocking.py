"""`loopback block`, `loopback unblock` and `loopback blocked`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from loopback_core.errors import RequestError
from loopback_core.listens.log_rules import normal_form
from loopback_core.recommenders.name_keys import texts
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.block_list import add_block, blocked, remove_block

FOLLOWS = "A running service follows within two seconds."


def block_names(home: Path, artist: str, track: str | None, reason: str) -> None:
    """Recommend a track, or all of an artist, no more.

    Raises:
        ArtifactError: the block list is damaged, or the home cannot be written to.
        RequestError: a name is empty.
    """
    names = _normal(artist, track)
    if add_block(ArtifactStore(home), *names, reason):
        click.echo(f"{_shown(*names)} is not recommended any more. {FOLLOWS}")
    else:
        click.echo(f"{_shown(*names)} was blocked already.")


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


def _shown(artist: str, track: str | None) -> str:
    return f"all by {artist}" if track is None else f"{track} by {artist}"
