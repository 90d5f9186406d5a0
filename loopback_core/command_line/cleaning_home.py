"""`loopback clean`."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.retention import Unneeded, delete_unneeded, unneeded


def clean_home(home: Path, keep_bundles: int | None, delete: bool) -> None:
    """Say what is not needed any more and how much it frees; with `delete`, delete it.

    keep_bundles: None: as the settings say.

    Raises:
        ArtifactError: a manifest that decides cannot be read.
        SettingsError: the settings cannot be read.
    """
    store = ArtifactStore(home)
    keep = _setting() if keep_bundles is None else keep_bundles
    found = unneeded(store, keep)
    for one in found:
        click.echo(f"{one.artifact!s:60} {_size(one.bytes):>10}")
    if not found:
        click.echo(f"Nothing in {store.home} can be deleted.")
        return
    if delete:
        click.echo(f"Deleted {_summary(delete_unneeded(store, keep))}.")
        return
    click.echo(
        f"{_summary(found)} can be deleted; the bundle in service, the one before it, the newest {keep} and all that they were "
        "made from stay. Delete them: loopback clean --delete"
    )


def _setting() -> int:
    from loopback_core.settings import load_settings

    return load_settings({}).promotion.keep_bundles


def _summary(found: Sequence[Unneeded]) -> str:
    by_asset = Counter(one.artifact.asset for one in found)
    named = ", ".join(f"{count} of {asset}" for asset, count in by_asset.items())
    return f"{len(found)} versions ({named}), {_size(sum(one.bytes for one in found))}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.2f} GB" if n_bytes >= 10**8 else f"{n_bytes / 1e6:,.2f} MB"
