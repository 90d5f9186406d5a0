"""`loopback bundles`."""

import json
from pathlib import Path

import click

from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.latest import versions_of
from loopback_core.store.served_pointer import ASSET, serve_bundle, served_bundle


def list_bundles(home: Path, as_json: bool, version: str | None) -> None:
    """Print the bundles of a home, the newest last; first let `version` be served where one is given.

    Raises:
        ArtifactError: there is no bundle of this version, or it is damaged.
    """
    store = ArtifactStore(home)
    if version is not None:
        artifact = store.get(ASSET, version)
        artifact.verify()
        serve_bundle(artifact)
    try:
        served = served_bundle(store).version
    except ArtifactError:
        served = None
    rows = []
    for name in versions_of(store.home, ASSET):
        try:
            manifest = store.get(ASSET, name).manifest
        except ArtifactError as error:
            click.echo(str(error), err=True)
            continue
        summary = manifest["summary"]
        rows.append({"version": name, "created": manifest["created"], "served": name == served, **summary})
    rows.sort(key=lambda row: row["created"])
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        mark = "served" if row["served"] else ""
        click.echo(
            f"{row['version']}  {row['created']}  {row['tracks']:>9,} tracks  {row['users']:>7,} users  refit {row['refit']:4}  {mark}"
        )
    if not rows:
        click.echo(f"There is no bundle in {store.home}.", err=True)
