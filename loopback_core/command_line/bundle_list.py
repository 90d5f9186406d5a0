"""`loopback bundles`."""

import json
from pathlib import Path
from typing import Any

import click

from loopback_core.command_line.gate_verdicts import doubts, gate_verdicts
from loopback_core.errors import ArtifactError
from loopback_core.store.artifact import BUILD_BUNDLE
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.challenger_pointer import challenge_of
from loopback_core.store.deployments import deployments
from loopback_core.store.latest import versions_of
from loopback_core.store.served_pointer import ASSET, served_bundle


def list_bundles(home: Path, as_json: bool) -> None:
    """Print the bundles of a home, the newest last, which one is served, and since when and why."""
    store = ArtifactStore(home)
    try:
        served = served_bundle(store).version if store.has(ASSET) else None
    except ArtifactError as error:
        click.echo(str(error), err=True)
        served = None
    try:
        challenge = challenge_of(store)
    except ArtifactError as error:
        click.echo(str(error), err=True)
        challenge = None
    verdicts = gate_verdicts(store)
    last = {entry["version"]: entry for entry in deployments(store)}
    rows = []
    for name in versions_of(store.home, ASSET):
        try:
            manifest = store.get(ASSET, name).manifest
        except ArtifactError as error:
            click.echo(str(error), err=True)
            continue
        deployment = last.get(name)
        rows.append(
            {
                "version": name,
                "created": manifest["created"],
                "gate": verdicts.get(name),
                "served": name == served,
                "challenger_share": challenge.share if challenge is not None and name == challenge.version else None,
                "served_since": deployment["since"] if deployment else None,
                "cause": deployment["cause"] if deployment else None,
                "reason": deployment["reason"] if deployment else None,
                **manifest["summary"],
            }
        )
    rows.sort(key=lambda row: row["created"])
    if as_json:
        click.echo(json.dumps(rows))
        return
    for row in rows:
        click.echo(
            f"{row['version']}  {row['created']}  {row['tracks']:>9,} tracks  {row['users']:>7,} users  refit {row['refit']:4}  "
            f"{_standing(row)}"
        )
        for line in doubts(verdicts, row["version"]):
            click.echo(f"    {line}")
        if row["cause"]:
            click.echo(
                f"    {'since' if row['served'] else 'last from'} {row['served_since']}, {row['cause']}: {row['reason']}"
            )
    if not rows:
        click.echo(f"There is no bundle in {store.home}; build it first: {BUILD_BUNDLE}", err=True)


def _standing(row: dict[str, Any]) -> str:
    if row["served"]:
        return "served"
    return f"served to {row['challenger_share']:.1%} of the users" if row["challenger_share"] else ""
