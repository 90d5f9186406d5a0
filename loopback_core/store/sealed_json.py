"""JSON files that carry a digest of their own content, so that a change by hand or by the disk is found."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loopback_core.errors import ArtifactError
from loopback_core.store.atomic import write_text
from loopback_core.store.digests import digest

SEAL = "seal"


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` and a digest of it, atomically.

    Raises:
        ValueError: JSON cannot hold it (a number is not finite).
    """
    plain = json.loads(_text(content))
    write_text(path, _text({**plain, SEAL: digest(plain)}))


def read_sealed(path: Path) -> dict[str, Any]:
    """The content that :func:`write_sealed` wrote.

    Raises:
        ArtifactError: the file is missing, cannot be read, or is not as it was written.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
        intact = content.pop(SEAL) == digest(content)
    except FileNotFoundError:
        raise ArtifactError(f"{path} is missing") from None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:  # no file, no text, no object
        raise ArtifactError(f"{path} cannot be read ({type(error).__name__}: {error})") from None
    except KeyError:
        raise ArtifactError(f"{path} has no seal: an earlier version of loopback wrote it, or it was changed") from None
    if not intact:
        raise ArtifactError(f"{path} was changed after it was written")
    return content


def _text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False, default=str) + "\n"
