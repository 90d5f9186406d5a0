"""`CHALLENGER`: the file next to `SERVED` that names a second bundle and the share of the users who get it.

It is read by services while it is replaced; `store/deployments.py` writes and removes it. Without it one bundle answers all.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

from loopback_core.errors import ArtifactError
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.atomic import write_text
from loopback_core.store.latest import is_version
from loopback_core.store.served_pointer import ASSET

CHALLENGER = "CHALLENGER"

AGAIN = (
    "start the test again with `loopback challenge VERSION --share SHARE`, or end it with `loopback challenge --end`"
)


@dataclass(frozen=True)
class Challenge:
    """A bundle that some users get instead of the one that is served."""

    version: str
    share: float  # of the users, above 0 and below 1
    salt: str  # another one in each test, so that no test goes to the same users as the one before

    def takes(self, user_id: str) -> bool:
        """Whether this user gets the challenger: always the same answer while the test runs. user_id: in normal form.

        Who gets it at a share gets it at every larger one.
        """
        hashed = hashlib.blake2b(user_id.encode(), digest_size=8, key=self.salt.encode())
        return int.from_bytes(hashed.digest(), "big") < self.share * 2**64


def challenge_of(store: ArtifactStore) -> Challenge | None:
    """The test that runs; None: there is none.

    Raises:
        ArtifactError: the file is damaged.
    """
    pointer = store.home / ASSET / CHALLENGER
    try:
        read = json.loads(pointer.read_text("utf-8"))
        challenge = Challenge(str(read["version"]), float(read["share"]), str(read["salt"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ArtifactError(f"{pointer} cannot be read ({type(error).__name__}: {error}): {AGAIN}.") from None
    names_version = is_version(challenge.version)
    if not names_version or not 0 < challenge.share < 1 or not 1 <= len(challenge.salt.encode()) <= 64:
        raise ArtifactError(f"{pointer} is damaged: {AGAIN}.")
    return challenge


def write_challenge(store: ArtifactStore, challenge: Challenge) -> None:
    """Let this test run, atomically."""
    write_text(store.home / ASSET / CHALLENGER, json.dumps(asdict(challenge)) + "\n")


def remove_challenge(store: ArtifactStore) -> bool:
    """Let no test run; whether there was the file of one."""
    try:
        (store.home / ASSET / CHALLENGER).unlink()
    except FileNotFoundError:
        return False
    return True
