"""What of a home is still needed, and the deletion of the rest.

Kept are: the newest version of every asset; the bundle that is served, its challenger, the one that a rollback leads to, and
the newest others; all that these were made from; and what was made from the newest splits, which the next report shows.
"""

from collections.abc import Iterator, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from loopback_core.errors import ArtifactError
from loopback_core.store.artifact import MANIFEST, Artifact
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.challenger_pointer import challenge_of
from loopback_core.store.deployments import bundle_before, changing_served
from loopback_core.store.disk_errors import remove, writing
from loopback_core.store.latest import latest_version, versions_of
from loopback_core.store.served_pointer import ASSET, served_bundle, served_version

SPLITS = "temporal_splits"

OWN_FOLDERS = ("listens",)
"""Folders of a home that are no assets, beside the hidden ones."""


@dataclass(frozen=True)
class Unneeded:
    """A version that can be deleted."""

    artifact: Artifact
    bytes: int  # that its deletion frees, with that of those before it: files may be linked by several


def unneeded(store: ArtifactStore, keep_bundles: int) -> list[Unneeded]:
    """Every version that nothing needs, in the order of assets and versions.

    keep_bundles: the newest bundles that are kept, whether they were served or not.

    Raises:
        ArtifactError: the manifest of what is kept, or a pointer to what is served, cannot be read: nothing can be said
            then.
    """
    every = [Artifact(asset, version, store.home / asset / version) for asset, version in _versions(store)]
    kept = _kept(store, every, keep_bundles)
    links: dict[tuple[int, int], int] = {}
    unwanted = [artifact for artifact in every if str(artifact) not in kept]
    return [Unneeded(artifact, _freed(artifact.folder, links)) for artifact in unwanted]


def delete_unneeded(store: ArtifactStore, keep_bundles: int) -> list[Unneeded]:
    """Delete what :func:`unneeded` names, each by one rename first: what is left of a killed run is never half a version.

    A version that a run is writing is left. Returns what was deleted. Raises as :func:`unneeded`.
    """
    deleted = []
    with changing_served(store):  # nothing becomes the one that is served meanwhile
        for one in unneeded(store, keep_bundles):
            artifact = one.artifact
            name = f"{artifact.asset}-{artifact.version}"
            going = store.home / ".building" / f"{name}.replaced"
            try:
                with FileLock(store.home / ".locks" / f"{name}.lock", timeout=0), writing(store.home, artifact.asset):
                    going.parent.mkdir(exist_ok=True)
                    remove(going)
                    artifact.folder.rename(going)
                    remove(going)
            except Timeout:
                continue
            deleted.append(one)
    return deleted


def _versions(store: ArtifactStore) -> Iterator[tuple[str, str]]:
    """Every version of every asset of the home."""
    try:
        assets = sorted(path.name for path in store.home.iterdir() if path.is_dir())
    except OSError:
        return
    for asset in assets:
        if asset.startswith(".") or asset in OWN_FOLDERS:
            continue
        for version in versions_of(store.home, asset):
            if (store.home / asset / version / MANIFEST).exists():  # another folder is not ours to delete
                yield asset, version


def _kept(store: ArtifactStore, every: list[Artifact], keep_bundles: int) -> Set[str]:
    assets = sorted({artifact.asset for artifact in every})
    newest = [store.get(asset, latest_version(store.home, asset)) for asset in assets]
    roots = [*newest, *_kept_bundles(store, every, keep_bundles)]
    splits = next((artifact for artifact in newest if artifact.asset == SPLITS), None)
    if splits is not None:
        roots += [one for one in every if one.asset != ASSET and _is_made_from(store, one, splits)]
    kept: set[str] = set()
    for root in roots:
        _keep(store, root, kept)
    return kept


def _kept_bundles(store: ArtifactStore, every: list[Artifact], keep_bundles: int) -> list[Artifact]:
    bundles = [artifact for artifact in every if artifact.asset == ASSET]
    by_age = sorted(bundles, key=lambda one: _created(one), reverse=True)
    kept = by_age[:keep_bundles]
    if served_version(store) is not None:
        kept.append(served_bundle(store))
        with suppress(ArtifactError):  # there is none to go back to
            kept.append(bundle_before(store))
    if (challenge := challenge_of(store)) is not None:
        with suppress(ArtifactError):  # it is gone: the service says so
            kept.append(store.get(ASSET, challenge.version))
    return kept


def _created(artifact: Artifact) -> str:
    try:
        created: str = artifact.manifest["created"]
    except ArtifactError:
        return ""  # damaged: the oldest
    return created


def _keep(store: ArtifactStore, artifact: Artifact, kept: set[str]) -> None:
    """Add it, all that it was made from, and what it read besides.

    What a training began with is kept, and not what that one began with: else nothing would ever go.
    """
    kept.add(str(artifact))
    kept.update(artifact.manifest["made_from"])
    for asset, version in artifact.manifest["upstream"].items():
        if (store.home / asset / version).is_dir():
            _keep(store, store.get(asset, version), kept)


def _is_made_from(store: ArtifactStore, artifact: Artifact, splits: Artifact) -> bool:
    try:
        return store.lineage(artifact, SPLITS).version == splits.version
    except (ArtifactError, KeyError):
        return False


def _freed(folder: Path, links: dict[tuple[int, int], int]) -> int:
    """Bytes that go with a folder. links: of every file that was seen, how many of its links are not deleted."""
    freed = 0
    for path in folder.rglob("*"):
        if not path.is_file() or path.is_symlink():
            continue
        status = path.stat()
        file = status.st_dev, status.st_ino
        links[file] = links.get(file, status.st_nlink) - 1
        if not links[file]:
            freed += status.st_size
    return freed
