"""Who was served from when to when, and why: `SERVED.history` beside the pointer, and all that changes the pointers.

The entry is written before the pointer. A process that is killed between the two leaves an entry at the end that the
pointer does not name: it never took force, is not shown, and the next change removes it.
"""

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Literal, TypedDict

from filelock import FileLock

from loopback_core.errors import ArtifactError
from loopback_core.store.artifact import Artifact
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.atomic import write_text
from loopback_core.store.challenger_pointer import (
    CHALLENGER,
    Challenge,
    challenge_of,
    remove_challenge,
    write_challenge,
)
from loopback_core.store.disk_errors import writing
from loopback_core.store.latest import versions_of
from loopback_core.store.served_pointer import ASSET, POINTER, served_bundle, served_version

HISTORY = f"{POINTER}.history"

Cause = Literal["first", "promotion", "chosen", "rollback"]


class Deployment(TypedDict):
    """A bundle that is or was served. Until the next one, or until now."""

    version: str
    since: str  # ISO 8601, UTC
    cause: Cause  # first: none was served before; promotion: by the gate; chosen, rollback: by a person
    reason: str
    lost: dict[str, float]  # by task, at most 0: since the best bundle, as the gate measured it; empty: not measured


@contextmanager
def changing_served(store: ArtifactStore) -> Iterator[None]:
    """Only one process at a time changes what is served, or deletes what might be.

    Raises:
        ArtifactError: the home cannot be written to.
    """
    with writing(store.home, ASSET):
        (store.home / ".locks").mkdir(parents=True, exist_ok=True)
        lock = FileLock(store.home / ".locks" / f"{ASSET}-{POINTER}.lock")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def deploy(
    store: ArtifactStore,
    artifact: Artifact,
    cause: Cause,
    reason: str,
    instead_of: Sequence[str | None] = (),
    lost: Mapping[str, float] | None = None,
) -> bool:
    """Let this version be served from now on; False where it was already, and nothing changed.

    Readers see the one before or this one, nothing between. Sizes of its files are compared with the manifest; the
    service asks it its canaries before it answers from it. instead_of: what may be served now, None: nothing; empty:
    whatever is. lost: see :class:`Deployment`.

    Raises:
        ArtifactError: a file of the bundle is missing or of another size, another version than `instead_of` is served,
            or the home cannot be written to.
    """
    with changing_served(store):
        store.get(ASSET, artifact.version)
        artifact.refuse_other_sizes()
        now = served_or_none(store)
        if instead_of and now not in instead_of:
            again = "materialize promotion" if cause == "promotion" else "look at `loopback bundles`, then do it"
            raise ArtifactError(
                f"{now or 'Nothing'} is served meanwhile, and {artifact} was not chosen in its place: {again} again."
            )
        if now == artifact.version:
            return False
        entry = _deployment(artifact.version, cause, reason, time.time(), lost)
        folder = artifact.folder.parent
        with writing(store.home, f"{ASSET}/{POINTER}"):
            lines = [json.dumps(one, ensure_ascii=False) for one in [*deployments(store), entry]]
            write_text(folder / HISTORY, "\n".join(lines) + "\n")
            write_text(folder / POINTER, artifact.version + "\n")
            if (challenge := _challenge_or_none(store)) is not None and challenge.version == artifact.version:
                remove_challenge(store)  # everybody gets it now
        return True


def start_challenge(store: ArtifactStore, artifact: Artifact, share: float) -> Challenge:
    """Let a share of the users get this bundle from now on, beside the one that is served.

    Where it is the challenger already the share changes, and the users who have it keep it as far as the share allows. Sizes
    of its files are compared with the manifest.

    Raises:
        ArtifactError: no other bundle is served, a file of this one is missing or of another size, or the home cannot be
            written to.
    """
    with changing_served(store):
        store.get(ASSET, artifact.version)
        artifact.refuse_other_sizes()
        if served_bundle(store).version == artifact.version:
            raise ArtifactError(
                f"{artifact} cannot be a challenger: it is served to everybody. Choose another version; `loopback bundles` lists all."
            )
        running = _challenge_or_none(store)
        salt = running.salt if running is not None and running.version == artifact.version else secrets.token_hex(8)
        challenge = Challenge(artifact.version, share, salt)
        with writing(store.home, f"{ASSET}/{CHALLENGER}"):
            write_challenge(store, challenge)
        return challenge


def end_challenge(store: ArtifactStore) -> bool:
    """Let everybody get the bundle that is served; whether a test was running.

    Raises:
        ArtifactError: the home cannot be written to.
    """
    with changing_served(store), writing(store.home, f"{ASSET}/{CHALLENGER}"):
        return remove_challenge(store)


def served_or_none(store: ArtifactStore) -> str | None:
    """The version that is served; None where there is none: a damaged pointer serves nothing, and may be replaced."""
    try:
        return served_version(store)
    except ArtifactError:
        return None


def deployments(store: ArtifactStore) -> list[Deployment]:
    """What was served, the bundle that is served now last. Lines that cannot be read are left out."""
    try:
        lines = (store.home / ASSET / HISTORY).read_text("utf-8", errors="replace").split("\n")
    except OSError:
        lines = []
    entries = [entry for line in lines if (entry := _entry(line)) is not None]
    try:
        now = served_version(store)
    except ArtifactError:
        return entries
    if entries and entries[-1]["version"] != now:
        before = entries[-2]["version"] if len(entries) > 1 else None
        if before == now:
            return entries[:-1]  # the change was interrupted, and never took force
    is_there = now in versions_of(store.home, ASSET)
    if is_there and (not entries or entries[-1]["version"] != now):  # the pointer was written by hand
        assert now is not None
        changed = (store.home / ASSET / POINTER).stat().st_mtime
        entries.append(_deployment(now, "chosen", "The pointer was written without a reason.", changed))
    return entries


def bundle_before(store: ArtifactStore) -> Artifact:
    """The bundle that was served before the present one and is still there: where a rollback leads.

    One that was left by a rollback is not gone back to.

    Raises:
        ArtifactError: there is none.
    """
    path: list[str] = []
    for entry in deployments(store):
        if entry["cause"] == "rollback" and entry["version"] in path:
            del path[path.index(entry["version"]) + 1 :]
        elif entry["cause"] == "rollback":
            path[-1:] = [entry["version"]]
        else:
            path = [version for version in path if version != entry["version"]] + [entry["version"]]
    for version in reversed(path[:-1]):
        try:
            artifact = store.get(ASSET, version)
            artifact.refuse_other_sizes()
        except ArtifactError:
            continue
        return artifact
    raise ArtifactError(
        f"No bundle of {store.home} is left to go back to: those that a rollback left do not count. `loopback bundles` lists all, "
        "`loopback rollback VERSION` goes back to one of them."
    )


def taken_back(store: ArtifactStore) -> dict[str, str]:
    """Version -> reason of every bundle that a person replaced by another one: the gate does not bring it back."""
    left: dict[str, str] = {}
    for before, after in pairwise(deployments(store)):
        if after["cause"] in ("rollback", "chosen"):
            left[before["version"]] = after["reason"]
            left.pop(after["version"], None)
    return left


def lost_by_served(store: ArtifactStore) -> dict[str, float]:
    """By task, what the gate had measured as lost when the bundle in service came into it.

    Of one that a rollback brought back, when it had come into service; nothing where a person chose it.
    """
    entries = deployments(store)
    if not entries:
        return {}
    version = entries[-1]["version"]
    return next(
        (one["lost"] for one in reversed(entries) if one["version"] == version and one["cause"] != "rollback"), {}
    )


def _deployment(
    version: str, cause: Cause, reason: str, at: float, lost: Mapping[str, float] | None = None
) -> Deployment:
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    return Deployment(version=version, since=since, cause=cause, reason=reason, lost=dict(lost or {}))


def _entry(line: str) -> Deployment | None:
    try:
        read = json.loads(line)
        entry = Deployment(
            version=str(read["version"]),
            since=str(read["since"]),
            cause=read["cause"],
            reason=str(read["reason"]),
            lost={str(task): float(value) for task, value in read.get("lost", {}).items()},
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return entry


def _challenge_or_none(store: ArtifactStore) -> Challenge | None:
    """A damaged file is no test: it may be replaced."""
    try:
        return challenge_of(store)
    except ArtifactError:
        return None
