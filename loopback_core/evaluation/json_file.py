"""A typed JSON document on disk: any failure to read one is a sentence that names the file, the key and the remedy."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from loopback_core.errors import ArtifactError

Document = TypeVar("Document")


def read_json_file(path: Path, adapter: TypeAdapter[Document]) -> Document:
    """The document, checked against its type; keys that the type does not know are left out.

    Raises:
        ArtifactError: the file is missing, is not JSON, or a key is missing or of another type.
    """
    try:
        return adapter.validate_json(path.read_bytes())
    except OSError as error:
        reason = error.strerror or str(error)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"]) if part)
    raise ArtifactError(
        f"{path} cannot be read ({reason}). It is missing, damaged or of an older version: make it again."
    )


def write_json_file(document: Mapping[str, object], path: Path) -> None:
    """Write the document; a number that is not finite is an error."""
    path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", "utf-8")
