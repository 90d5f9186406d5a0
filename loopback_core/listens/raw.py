"""`raw_listens` as an artifact: the generated log, or a pointer to files that are read in place."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from loopback_core.errors import ArtifactError, BadLogError
from loopback_core.listens.fingerprint import file_digests, log_digest
from loopback_core.listens.log_file import file_digest
from loopback_core.listens.sample import SAMPLE_VERSION, write_sample
from loopback_core.listens.schema import LAST_TIME, RawLog
from loopback_core.listens.sources import find_log
from loopback_core.settings import SourceSettings
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.store.digests import digest


@dataclass(frozen=True)
class RawFile:
    """A file of the log as it was when it was published."""

    path: str  # absolute, or within the folder of the artifact
    bytes: int
    sha256: str


@dataclass(frozen=True)
class RawSummary:
    """What the manifest says of the log. `asdict` of it is JSON."""

    name: str
    files: tuple[RawFile, ...]
    profiles: str | None  # a path as in `files`
    profiles_sha256: str | None
    bytes_digest: str
    first_seen: date | None  # the day, UTC, on which these bytes were first published; None: the generated log


def publish_raw(store: ArtifactStore, source: SourceSettings) -> tuple[Artifact, bool]:
    """Find, download or generate the log that `source` names; returns the artifact and whether it was reused.

    The version is a digest of the log's bytes: the same log at another place is the same version. That of the
    generated log is a digest of all that its bytes depend on.

    Raises:
        BadLogError, DownloadError: the log cannot be obtained.
    """
    if source.name == "sample":
        return _publish_sample(store, source)
    log = find_log(source, store.home)
    sha256 = file_digests(log)
    version = digest({"bytes": log_digest(log, sha256)})
    described = _described(replace(log, sha256=sha256), version, _first_seen(store, version))
    return store.build(
        "raw_listens",
        lambda _: described,
        upstream={},
        settings={"name": source.name},
        code="",
        version=version,
        still_good=lambda raw: raw.summary == described,  # the same bytes may have been moved to another place
    )


def raw_summary(raw: Artifact) -> RawSummary:
    """What the manifest of `raw_listens` says.

    Raises:
        ArtifactError: it has another form, such as that of an older version of this program.
    """
    try:
        return _SUMMARY.validate_python(raw.summary)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ArtifactError(
            f"The manifest of {raw} is of another form ({where}: {first['msg']}): materialize raw_listens again."
        ) from None


def log_of(raw: Artifact) -> RawLog:
    """The log that an artifact stands for, with the digests that its files must have."""
    summary = raw_summary(raw)
    sha256 = {raw.folder / file.path: file.sha256 for file in summary.files}  # an absolute path stays as it is
    files, profiles = tuple(sha256), raw.folder / summary.profiles if summary.profiles else None
    if profiles and summary.profiles_sha256:
        sha256[profiles] = summary.profiles_sha256
    return RawLog(summary.name, files, profiles, sha256, last_moment(summary))


def last_moment(summary: RawSummary) -> datetime:
    """No listen of the log is later: the end, UTC, of the day after its bytes were first published.

    A day is added for clocks of every time zone. The generated log has no such time: it is generated whole.
    """
    if summary.first_seen is None:
        return LAST_TIME
    return datetime.combine(summary.first_seen + timedelta(days=2), time(), UTC)


def refuse_changed(raw: Artifact) -> None:
    """Raise when the bytes of the log are no longer those that were published. Reads all of them.

    Raises:
        BadLogError: a file is gone, cannot be read or was changed.
    """
    for path, sha256 in log_of(raw).sha256.items():
        if file_digest(path) != sha256:
            raise BadLogError(f"{path} was changed after raw_listens was materialized: materialize it again.")


_SUMMARY = TypeAdapter(RawSummary)


def _publish_sample(store: ArtifactStore, source: SourceSettings) -> tuple[Artifact, bool]:
    def make(folder: Path) -> dict[str, Any]:
        log = write_sample(folder, events=source.sample_events, users=source.sample_users, seed=source.sample_seed)
        log = replace(log, sha256=file_digests(log))
        return _described(log, digest({"bytes": log_digest(log, log.sha256)}), None, relative_to=folder)

    settings = source.model_dump(mode="json", include={"name", "sample_events", "sample_users", "sample_seed"})
    return store.build("raw_listens", make, upstream={}, settings=settings, code=f"sample {SAMPLE_VERSION}")


def _first_seen(store: ArtifactStore, version: str) -> date:
    try:
        recorded = raw_summary(store.get("raw_listens", version)).first_seen
    except ArtifactError:  # new, or of an older form
        recorded = None
    return recorded or datetime.now(UTC).date()


def _described(
    log: RawLog, bytes_digest: str, first_seen: date | None, relative_to: Path | None = None
) -> dict[str, Any]:
    def shown(path: Path) -> str:
        return path.relative_to(relative_to).as_posix() if relative_to else str(path)

    summary = RawSummary(
        name=log.name,
        files=tuple(RawFile(shown(path), path.stat().st_size, log.sha256[path]) for path in log.files),
        profiles=shown(log.profiles) if log.profiles else None,
        profiles_sha256=log.sha256[log.profiles] if log.profiles else None,
        bytes_digest=bytes_digest,
        first_seen=first_seen,
    )
    described: dict[str, Any] = _SUMMARY.dump_python(summary, mode="json")
    return described
