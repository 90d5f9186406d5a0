"""`SERVED`: the file next to the versions of `bundle` that names the one that is served."""

from loopback_core.errors import ArtifactError
from loopback_core.store.artifact import BUILD_BUNDLE, Artifact
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.atomic import write_text
from loopback_core.store.disk_errors import writing
from loopback_core.store.latest import VERSION

ASSET = "bundle"

LONGEST_VERSION = 100
"""Characters: a name that the file system takes."""


def served_bundle(store: ArtifactStore) -> Artifact:
    """The bundle that is to be served.

    Raises:
        ArtifactError: none was built, or the pointer is damaged or names one that is not there.
    """
    pointer = store.home / ASSET / "SERVED"
    if not store.has(ASSET):
        raise ArtifactError(f"There is no bundle in {store.home}; build it first: {BUILD_BUNDLE}")
    try:
        version = pointer.read_text("utf-8").strip()
    except FileNotFoundError:
        raise ArtifactError(
            f"No bundle of {store.home} is served: choose one with `loopback bundles --serve VERSION`, or build one: "
            f"{BUILD_BUNDLE}"
        ) from None
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{pointer} cannot be read ({error}): choose a bundle with `loopback bundles --serve VERSION`."
        ) from None
    if not VERSION.fullmatch(version) or len(version) > LONGEST_VERSION:
        raise ArtifactError(f"{pointer} is damaged: choose a bundle with `loopback bundles --serve VERSION`.")
    return store.get(ASSET, version)


def is_any_served(store: ArtifactStore) -> bool:
    """Whether a bundle was chosen, whole or not."""
    return (store.home / ASSET / "SERVED").exists()


def serve_bundle(artifact: Artifact) -> None:
    """Let this version be served from now on. Readers see the one before or this one, nothing between.

    Raises:
        ArtifactError: the home cannot be written to.
    """
    folder = artifact.folder.parent
    with writing(folder.parent, artifact.asset):
        write_text(folder / "SERVED", artifact.version + "\n")
