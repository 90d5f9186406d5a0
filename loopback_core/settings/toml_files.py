"""Settings files: every fault in one is reported in a sentence."""

import stat
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from loopback_core.errors import SettingsError

LARGEST_FILE = 1 << 20
"""Bytes."""


def shipped_presets() -> list[str]:
    """Names of the presets inside the package."""
    folder = resources.files("loopback_core") / "presets"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def read_preset(name: str) -> dict[str, Any]:
    """A preset of the package, or the file that `training.preset` names.

    Raises:
        SettingsError: there is no such preset, or the file cannot be used.
    """
    if name in shipped_presets():
        return tomllib.loads((resources.files("loopback_core") / "presets" / f"{name}.toml").read_text("utf-8"))
    if name.endswith(".toml"):
        return read_toml(name, "training.preset")
    known = ", ".join(shipped_presets())
    raise SettingsError(f"training.preset is {name[:200]!r}; it must be one of {known}, or the path of a .toml file.")


def read_toml(path: str, named_by: str) -> dict[str, Any]:
    """The content of a TOML file. named_by: the setting or variable that names it.

    Raises:
        SettingsError: it is missing, is no regular file, is too large, or is no TOML in UTF-8.
    """
    shown = path if path.isprintable() and len(path) <= 200 else repr(path[:200])
    remedy = f"correct or unset {named_by}"
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):
            raise SettingsError(f"{shown} is not a regular file; {remedy}.")
        if status.st_size > LARGEST_FILE:
            raise SettingsError(f"{shown} has {status.st_size:,} bytes, more than a settings file has; {remedy}.")
        return tomllib.loads(Path(path).read_text("utf-8-sig"))  # editors of Windows write a byte order mark
    except FileNotFoundError:
        raise SettingsError(f"There is no settings file {shown}; {remedy}.") from None
    except OSError as error:
        raise SettingsError(f"{shown} cannot be read ({error.strerror}); {remedy}.") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{shown} is not a TOML file: byte {error.start} is not UTF-8; {remedy}.") from None
    except RecursionError:
        raise SettingsError(f"{shown} is not a settings file: its values are nested too deep; {remedy}.") from None
    except ValueError as error:  # TOMLDecodeError, a NUL in the path, an integer of thousands of digits
        raise SettingsError(f"{shown} is not a TOML file: {error}; {remedy}.") from None
