"""`SERVED`: the file next to the versions of `bundle` that names the one that is served.

It is read by services while it is replaced; `store/deployments.py` replaces it, and keeps the history of it.
"""

from loopback_core.errors import ArtifactError
from loopback_core.store.artifact import BUILD_BUNDLE, Artifact
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.latest import is_version, versions_of

ASSET = "bundle"

POINTER = "SERVED"

CHOOSE = (
    "choose a bundle with `loopback promote VERSION --reason TEXT`, go back to the one before with `loopback rollback`"
)


def served_bundle(store: ArtifactStore) -> Artifact:
    """The bundle that is to be served.

    Raises:
        ArtifactError: none was built, or the pointer is damaged or names one that is not there.
    """
    if not store.has(ASSET):
        raise ArtifactError(f"There is no bundle in {store.home}; build it first: {BUILD_BUNDLE}")
    version = served_version(store)
    if version is None:
        raise ArtifactError(f"No bundle of {store.home} is served: {CHOOSE}, or build one: {BUILD_BUNDLE}")
    if version not in versions_of(store.home, ASSET):
        raise ArtifactError(
            f"There is no {ASSET}/{version}, which {store.home / ASSET / POINTER} names: {CHOOSE}, or build one again: {BUILD_BUNDLE}"
        )
    return store.get(ASSET, version)


def bundle_of(store: ArtifactStore, version: str) -> Artifact:
    """The bundle of a version that a person named.

    Raises:
        ArtifactError: there is none, or its manifest is damaged.
    """
    if version not in versions_of(store.home, ASSET):
        raise ArtifactError(f"There is no {ASSET}/{version} in {store.home}: `loopback bundles` lists all.")
    return store.get(ASSET, version)


def served_version(store: ArtifactStore) -> str | None:
    """What the pointer names, whole or not; None: no bundle was chosen.

    Raises:
        ArtifactError: the pointer is damaged.
    """
    pointer = store.home / ASSET / POINTER
    try:
        version = pointer.read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{pointer} cannot be read ({error}): {CHOOSE}.") from None
    if not is_version(version):
        raise ArtifactError(f"{pointer} is damaged: {CHOOSE}.")
    return version
