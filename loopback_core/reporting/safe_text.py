"""Names of artists, tracks, users and presets: untrusted text, made safe for a page and for a picture."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from loopback_core.recommenders.lists import OTHER_PRESET
from loopback_core.store.digests import digest

UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufffe\uffff]+")
"""Control characters, which XML forbids, and characters that change the direction of the text around them."""

MARKUP = re.compile(r"[\\`*{}\[\]<>#|~&!$]|(?<![^\W_])_|_(?![^\W_])")
"""Characters that Markdown could read as markup. An underscore between letters is not one."""


def plain(name: str, longest: int = 200) -> str:
    """The name in one line, without invisible characters, and not longer than `longest`."""
    line = " ".join(UNSEEN.sub(" ", name).split())
    return line if len(line) <= longest else line[: longest - 1].rstrip() + "…"


def markdown(name: str) -> str:
    """The name escaped for Markdown, also within a table."""
    return MARKUP.sub(r"\\\g<0>", plain(name))


def code(name: str) -> str:
    """The name as code in Markdown, where only a backtick has a meaning."""
    return "`" + plain(name).replace("`", "'") + "`"


def preset_ids(presets: Iterable[str]) -> dict[str, str]:
    """Preset -> id of its towers. A file of the user's is called by its name alone: its folder stays private.

    Files of one name in several folders are told apart by a digest of their paths.
    """
    ids = {preset: f"{OTHER_PRESET}{plain(Path(preset).name, 40)}" for preset in presets}
    times = Counter(ids.values())
    return {
        preset: f"{name} ({digest({'path': preset})[:4]})" if times[name] > 1 else name for preset, name in ids.items()
    }
