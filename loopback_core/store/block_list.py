"""`BLOCKED`: the file next to `SERVED` that names what is never recommended, whatever bundle is served.

By names, since the ids of tracks and artists are those of one bundle. It is read by services while it is replaced. What is not
blocked any more stays in it with its end, so that lists that were shown meanwhile can be made once more.
"""

import json
import time
from dataclasses import asdict, dataclass, replace

from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.atomic import write_text
from loopback_core.store.deployments import changing_served
from loopback_core.store.disk_errors import writing
from loopback_core.store.served_pointer import ASSET

BLOCKED = "BLOCKED"


@dataclass(frozen=True)
class BlockedName:
    """A track that is never recommended, or all tracks of an artist."""

    artist: str
    track: str | None  # None: all of the artist
    since: str  # ISO 8601, UTC
    reason: str
    until: str | None = None  # None: it is blocked still

    @property
    def names(self) -> tuple[str, str | None]:
        """What is blocked."""
        return self.artist, self.track


BlockList = tuple[BlockedName, ...]


def blocked(store: ArtifactStore) -> BlockList:
    """What is blocked, oldest first; empty before anything was.

    Raises:
        ArtifactError: the file is damaged.
    """
    return tuple(one for one in ever_blocked(store) if one.until is None)


def ever_blocked(store: ArtifactStore) -> BlockList:
    """The same, with what is not blocked any more. Raises as :func:`blocked`."""
    path = store.home / ASSET / BLOCKED
    try:
        return tuple(_block(line) for line in path.read_text("utf-8").split("\n") if line)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            f"{path} cannot be read ({type(error).__name__}: {error}): mend the line, or delete the file and block again what it named."
        ) from None


def add_block(store: ArtifactStore, artist: str, track: str | None, reason: str) -> bool:
    """Recommend this track, or all tracks of the artist, no more; whether it was not blocked before.

    Raises:
        ArtifactError: the file is damaged, or the home cannot be written to.
    """
    with changing_served(store):
        before = ever_blocked(store)
        if any(one.names == (artist, track) and one.until is None for one in before):
            return False
        _write(store, (*before, BlockedName(artist, track, _now(), reason)))
        return True


def remove_block(store: ArtifactStore, artist: str, track: str | None) -> bool:
    """Let it be recommended again; whether it was blocked. Raises as :func:`add_block`."""
    with changing_served(store):
        before = ever_blocked(store)
        ends = [one.names == (artist, track) and one.until is None for one in before]
        if any(ends):
            _write(
                store, tuple(replace(one, until=_now()) if end else one for one, end in zip(before, ends, strict=True))
            )
        return any(ends)


def _write(store: ArtifactStore, blocks: BlockList) -> None:
    lines = [json.dumps(asdict(one), ensure_ascii=False) for one in blocks]
    with writing(store.home, f"{ASSET}/{BLOCKED}"):
        (store.home / ASSET).mkdir(exist_ok=True)
        write_text(store.home / ASSET / BLOCKED, "".join(line + "\n" for line in lines))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _block(line: str) -> BlockedName:
    read = json.loads(line)
    track = read["track"]
    return BlockedName(
        str(read["artist"]),
        None if track is None else str(track),
        str(read["since"]),
        str(read["reason"]),
        None if read.get("until") is None else str(read["until"]),
    )
