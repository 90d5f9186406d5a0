"""`raw_listens` as an artifact: the generated log, or a pointer to files that are read in place.

With them a copy of the listens that the service has received, and of who was erased, when the store of the home holds any:
`interactions` reads them as a part of the log. Without, versions and manifests are those of the log alone.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from loopback_core.errors import ArtifactError, ListensError
from loopback_core.listens.fingerprint import file_digests, log_digest
from loopback_core.listens.listen_store import ListenStore
from loopback_core.listens.log_file import refuse_other_digest
from loopback_core.listens.log_rules import LAST_TIME
from loopback_core.listens.sample import SAMPLE_VERSION, write_sample
from loopback_core.listens.schema import RawLog
from loopback_core.listens.served import ERASED_USERS, SERVED_LISTENS
from loopback_core.listens.served_export import ErasedMeanwhileError, ServedContent, export_served, served_content
from loopback_core.listens.sources import find_log
from loopback_core.settings import SourceSettings
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.store.digests import digest
from loopback_core.store.latest import versions_of

ATTEMPTS = 5  # of a moment without an erasure


@dataclass(frozen=True)
class RawFile:
    """A file of the log as it was when it was published."""

    path: str  # absolute, or within the folder of the artifact
    bytes: int
    sha256: str
    user: str | None = None  # who listened, where the file does not say; not in the manifest when it does


@dataclass(frozen=True)
class RawSummary:
    """What the manifest says of the log. `asdict` of it is JSON."""

    name: str
    files: tuple[RawFile, ...]
    profiles: str | None  # a path as in `files`
    profiles_sha256: str | None
    bytes_digest: str
    first_seen: date | None  # the day, UTC, on which these bytes were first published; None: the generated log
    left_out: dict[str, str] = field(
        default_factory=dict
    )  # files that are not read, with the reason; not there when none
    served: ServedContent | None = None  # what the service has received; not in the manifest when it is nothing


def publish_raw(store: ArtifactStore, source: SourceSettings) -> tuple[Artifact, bool]:
    """Find, download or generate the log that `source` names; returns the artifact and whether it was reused.

    The version is a digest of the log's bytes: the same log at another place is the same version. That of the
    generated log is a digest of all that its bytes depend on. What the service has received counts by its content.

    Raises:
        BadLogError, DownloadError: the log cannot be obtained.
        ListensError: what the service has received cannot be read.
    """
    with ListenStore.existing(store.home) or nullcontext() as listens:
        for _ in range(ATTEMPTS):
            served = _Served(listens, served_content(listens)) if listens and listens.version() else None
            try:
                return (
                    _publish_sample(store, source, served)
                    if source.name == "sample"
                    else _publish_log(store, source, served)
                )
            except ErasedMeanwhileError:
                continue
    raise ListensError("Users are erased faster than their listens are read: materialize raw_listens again.")


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
    served, erased = (_exported(raw, name) for name in (SERVED_LISTENS, ERASED_USERS))
    if served:
        sha256[served] = raw.manifest["files"][SERVED_LISTENS]["sha256"]
    files, profiles = tuple(sha256), raw.folder / summary.profiles if summary.profiles else None
    if profiles and summary.profiles_sha256:
        sha256[profiles] = summary.profiles_sha256
    users = {raw.folder / file.path: file.user for file in summary.files if file.user is not None}
    return RawLog(summary.name, files, profiles, sha256, last_moment(summary), served, erased, users, summary.left_out)


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
        refuse_other_digest(path, sha256)


_SUMMARY = TypeAdapter(RawSummary)


@dataclass(frozen=True)
class _Served:
    store: ListenStore
    content: ServedContent

    def export(self, folder: Path) -> None:
        export_served(self.store, self.content, folder)


def _publish_log(store: ArtifactStore, source: SourceSettings, served: _Served | None) -> tuple[Artifact, bool]:
    log = find_log(source, store.home)
    sha256 = file_digests(log)
    bytes_digest = version = digest({"bytes": log_digest(log, sha256)})
    if served:
        version = digest({"bytes": bytes_digest, "served": served.content.digest})
    first_seen = _first_seen(store, bytes_digest)
    described = _described(replace(log, sha256=sha256), bytes_digest, first_seen, served)

    def make(folder: Path) -> dict[str, Any]:
        if served:
            served.export(folder)
        return described

    return store.build(
        "raw_listens",
        make,
        upstream={},
        settings={"name": source.name},
        code="",
        version=version,
        still_good=lambda raw: raw.summary == described,  # the same bytes may have been moved to another place
    )


def _publish_sample(store: ArtifactStore, source: SourceSettings, served: _Served | None) -> tuple[Artifact, bool]:
    def make(folder: Path) -> dict[str, Any]:
        log = write_sample(folder, events=source.sample_events, users=source.sample_users, seed=source.sample_seed)
        log = replace(log, sha256=file_digests(log))
        if served:
            served.export(folder)
        return _described(log, digest({"bytes": log_digest(log, log.sha256)}), None, served, relative_to=folder)

    settings = source.model_dump(mode="json", include={"name", "sample_events", "sample_users", "sample_seed"})
    if served:
        settings["served"] = served.content.digest
    return store.build("raw_listens", make, upstream={}, settings=settings, code=f"sample {SAMPLE_VERSION}")


def _exported(raw: Artifact, name: str) -> Path | None:
    return raw.folder / name if name in raw.manifest["files"] else None


def _first_seen(store: ArtifactStore, bytes_digest: str) -> date:
    """The day on which the log was first published, alone or with listens of the service; today when it is new."""
    recorded = []
    for version in versions_of(store.home, "raw_listens"):
        try:
            summary = raw_summary(store.get("raw_listens", version))
        except ArtifactError:  # of an older form, or damaged
            continue
        if summary.bytes_digest == bytes_digest and summary.first_seen:
            recorded.append(summary.first_seen)
    return min(recorded, default=datetime.now(UTC).date())


def _described(
    log: RawLog, bytes_digest: str, first_seen: date | None, served: _Served | None, relative_to: Path | None = None
) -> dict[str, Any]:
    def shown(path: Path) -> str:
        return path.relative_to(relative_to).as_posix() if relative_to else str(path)

    summary = RawSummary(
        name=log.name,
        files=tuple(
            RawFile(shown(path), path.stat().st_size, log.sha256[path], log.users.get(path)) for path in log.files
        ),
        profiles=shown(log.profiles) if log.profiles else None,
        profiles_sha256=log.sha256[log.profiles] if log.profiles else None,
        bytes_digest=bytes_digest,
        first_seen=first_seen,
        left_out=dict(log.left_out),
        served=served.content if served else None,
    )
    described: dict[str, Any] = _SUMMARY.dump_python(summary, mode="json")
    for key in ("served", "left_out"):
        if not described[key]:
            del described[key]
    for file in described["files"]:
        if file["user"] is None:
            del file["user"]
    return described
