"""MusicBrainz-like identifiers: random UUIDs, with the gaps of the original."""

import numpy as np

from loopback_core.listens.sample.draws import Flags


def mbids(rng: np.random.Generator, missing: Flags) -> list[str]:
    """One version 4 UUID for each entry of `missing`, empty where it is set."""
    digits = np.asarray(rng.bit_generator.random_raw(2 * len(missing)), dtype="<u8").tobytes().hex()
    return ["" if gone else _uuid(digits[32 * i : 32 * i + 32]) for i, gone in enumerate(missing.tolist())]


def _uuid(digits: str) -> str:
    variant = "89ab"[int(digits[16], 16) % 4]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
