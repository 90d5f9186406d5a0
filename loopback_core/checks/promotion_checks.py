"""The verdict of the gate, and what making the challenger cost beside the champion."""

from loopback_core.checks.check import Verdict
from loopback_core.errors import ArtifactError
from loopback_core.promotion.promotion_json import read_promotion
from loopback_core.settings import Settings
from loopback_core.stages import CHAIN
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.store.served_pointer import ASSET

LARGEST_GROWTH = {"seconds": 3.0, "peak_rss_mb": 1.5}
"""Times what the champion took: other processes of a machine change seconds by more than memory."""

WORTH_A_WORD = {"seconds": 30.0, "peak_rss_mb": 500.0}
"""What took less than this may grow as it likes."""


def challenger_promoted(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The newest bundle took the place of the one that was served before."""
    promotion = read_promotion(artifact.folder)
    tasks = {
        f"{one['task']} difference": one["difference"] for one in promotion["differences"] if one["segment"] == "all"
    }
    return Verdict(
        promotion["decision"] == "promote", promotion["sentence"], {"decision": promotion["decision"], **tasks}
    )


def costs_as_before(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """No stage took much more time or memory than when the champion was made."""
    promotion = read_promotion(artifact.folder)
    champion = promotion["champion"]
    if champion is None or champion == promotion["challenger"]:
        return Verdict(True, "there is nothing to compare with", {})
    facts, grown = {}, []
    for stage in (*CHAIN, ASSET):
        try:
            before, now = (_made(store, version, stage) for version in (champion, promotion["challenger"]))
        except (ArtifactError, KeyError):
            continue  # the gate says what is missing
        for cost, limit in LARGEST_GROWTH.items():
            ratio = now.manifest[cost] / max(before.manifest[cost], WORTH_A_WORD[cost])
            facts[f"{stage} {cost}"] = round(float(now.manifest[cost]), 1)
            if ratio > limit:
                grown.append(f"{stage}: {now.manifest[cost]:,.0f} {cost} instead of {before.manifest[cost]:,.0f}")
    return Verdict(not grown, "; ".join(grown) or "no stage took much more than for the champion", facts)


def _made(store: ArtifactStore, bundle: str, stage: str) -> Artifact:
    made = store.get(ASSET, bundle)
    return made if stage == ASSET else store.lineage(made, stage)
