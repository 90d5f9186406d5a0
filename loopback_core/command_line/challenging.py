"""`loopback challenge`."""

from pathlib import Path

import click

from loopback_core.command_line.gate_verdicts import doubts, gate_verdicts
from loopback_core.errors import SettingsError
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.deployments import end_challenge, start_challenge
from loopback_core.store.served_pointer import ASSET, bundle_of, served_bundle, served_version


def start_test(home: Path, version: str, share: float | None) -> None:
    """Let a share of the users get a bundle beside the one in service.

    share: None: as the settings say.

    Raises:
        ArtifactError: there is no bundle of this version, it is damaged, or no other one is served.
        SettingsError: no share is given, or the settings cannot be read.
    """
    store = ArtifactStore(home)
    artifact = bundle_of(store, version)
    artifact.verify()
    challenge = start_challenge(store, artifact, _setting() if share is None else share)
    click.echo(
        f"{challenge.share:.1%} of the users get {artifact}, the others {ASSET}/{served_version(store)}. The answers are compared by "
        "the asset served_quality where the service runs with --log-answers. End it: loopback challenge --end"
    )
    for line in doubts(gate_verdicts(store), version):
        click.echo(line)


def end_test(home: Path) -> None:
    """Let everybody get the bundle in service.

    Raises:
        ArtifactError: the home cannot be written to; or the test has ended, and no bundle is served.
    """
    store = ArtifactStore(home)
    ended = end_challenge(store)
    click.echo("The test has ended." if ended else "There was no challenger.")
    click.echo(f"Everybody gets {served_bundle(store)}.")


def _setting() -> float:
    from loopback_core.settings import load_settings

    share = load_settings({}).served.challenger_share
    if not share:
        raise SettingsError(
            "No share is given: --share 0.1 lets a tenth of the users get it (or served.challenger_share)."
        )
    return share
