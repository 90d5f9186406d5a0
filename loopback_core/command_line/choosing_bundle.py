"""`loopback promote` and `loopback rollback`."""

from pathlib import Path

import click

from loopback_core.command_line.gate_verdicts import doubts, gate_verdicts
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.deployments import bundle_before, deploy, served_or_none
from loopback_core.store.served_pointer import ASSET, bundle_of


def promote_bundle(home: Path, version: str, reason: str) -> None:
    """Let a bundle be served from now on, whatever the gate said of it.

    Raises:
        ArtifactError: there is no bundle of this version, or it is damaged.
    """
    store = ArtifactStore(home)
    artifact = bundle_of(store, version)
    artifact.verify()
    changed = deploy(store, artifact, "chosen", reason)
    click.echo(f"{artifact} is served{'' if changed else ' already'}.")
    for line in doubts(gate_verdicts(store), version):
        click.echo(line)


def roll_back(home: Path, version: str | None, reason: str) -> None:
    """Let the bundle be served that was served before, or that one. Sizes of files are compared, no file is read.

    Raises:
        ArtifactError: there is none, a file of it is missing or cut, or another bundle came into service meanwhile.
    """
    store = ArtifactStore(home)
    left = served_or_none(store)
    artifact = bundle_before(store) if version is None else bundle_of(store, version)
    changed = deploy(store, artifact, "rollback", reason, instead_of=(left,))
    instead = f"again{f', instead of {ASSET}/{left}' if left else ''}" if changed else "already"
    click.echo(f"{artifact} is served {instead}.")
