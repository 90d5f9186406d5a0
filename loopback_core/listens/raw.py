"""`raw_listens` as an artifact: the generated log, or a pointer to files that are read where they lie."""

from pathlib import Path
from typing import Any

from loopback_core.errors import BadLogError
from loopback_core.listens.fingerprint import digest_of_log
from loopback_core.listens.sample import SAMPLE_VERSION, write_sample
from loopback_core.listens.schema import RawLog
from loopback_core.listens.sources import find_log
from loopback_core.settings import SourceSettings
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.store.digests import digest

DIGESTS = ".digests.json"


def publish_raw(store: ArtifactStore, source: SourceSettings) -> tuple[Artifact, bool]:
    """Find, download or generate the log that `source` names; returns the artifact and whether it was reused.

    The version is a digest of the log's bytes: the same log at another place is the same version. That of the
    generated log is a digest of all that its bytes depend on.

    Raises:
        BadLogError, DownloadError: the log cannot be had.
    """
    if source.name == "sample":
        return _publish_sample(store, source)
    log = find_log(source, store.home)
    version = digest({"bytes": digest_of_log(log, store.home / DIGESTS)})
    described = _describe(log, version)
    return store.build(
        "raw_listens",
        lambda _: described,
        upstream={},
        settings={"name": source.name},
        code="",
        version=version,
        still_good=lambda raw: raw.summary == described,  # the same bytes may have been moved to another place
    )


def log_of(raw: Artifact) -> RawLog:
    """The log that an artifact stands for."""
    kept = raw.summary
    paths = [raw.folder / file["path"] for file in kept["files"]]  # an absolute path stays as it is
    return RawLog(kept["name"], tuple(paths), raw.folder / kept["profiles"] if kept["profiles"] else None)


def refuse_changed(raw: Artifact, store: ArtifactStore) -> None:
    """Raise when the bytes of the log are no longer those that were published.

    Raises:
        BadLogError: a file is gone or was changed.
    """
    try:
        now = digest({"bytes": digest_of_log(log_of(raw), store.home / DIGESTS)})
    except FileNotFoundError as error:
        raise BadLogError(
            f"A file of the log is gone ({error}): put it back or materialize raw_listens again."
        ) from None
    if now != raw.summary["bytes_digest"]:
        raise BadLogError(
            f"The log {raw.summary['name']} was changed after raw_listens was materialized: materialize it again."
        )


def _publish_sample(store: ArtifactStore, source: SourceSettings) -> tuple[Artifact, bool]:
    def make(folder: Path) -> dict[str, Any]:
        log = write_sample(folder, events=source.sample_events, users=source.sample_users, seed=source.sample_seed)
        return _describe(log, digest({"bytes": digest_of_log(log, store.home / DIGESTS)}), relative_to=folder)

    settings = source.model_dump(mode="json", include={"name", "sample_events", "sample_users", "sample_seed"})
    return store.build("raw_listens", make, upstream={}, settings=settings, code=f"sample {SAMPLE_VERSION}")


def _describe(log: RawLog, bytes_digest: str, relative_to: Path | None = None) -> dict[str, Any]:
    def shown(path: Path) -> str:
        return path.relative_to(relative_to).as_posix() if relative_to else str(path)

    return {
        "name": log.name,
        "files": [{"path": shown(path), "bytes": path.stat().st_size} for path in log.files],
        "profiles": shown(log.profiles) if log.profiles else None,
        "bytes_digest": bytes_digest,
    }
