"""The log and the listens made of it."""

import polars as pl

from loopback_core.checks.check import Verdict
from loopback_core.listens.log_rules import BLAMELESS
from loopback_core.listens.raw import log_of, refuse_changed
from loopback_core.listens.schema import validate_listens
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore

SHOWN = 5
ROWS_AT_ONCE = 2_000_000


def source_unchanged(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The files of the log still have the bytes that were published; reads all of them."""
    refuse_changed(artifact)
    files = [str(path) for path in log_of(artifact).sha256]
    return Verdict(True, "the log has the bytes that were published", {"files": files})


def reject_share(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The share of rejected rows (exact duplicates and erased users aside) is at most `checks.max_reject_share`."""
    rejects = pl.scan_parquet(artifact.folder / "rejects.parquet", glob=False)
    by_reason = rejects.group_by("reason").len().collect(engine="streaming")
    counts = dict(by_reason.sort("reason").iter_rows())
    rows = artifact.summary["rows"]
    share = sum(count for reason, count in counts.items() if reason not in BLAMELESS) / rows
    limit = settings.checks.max_reject_share
    others = rejects.filter(~pl.col("reason").is_in(BLAMELESS))
    offenders = others.head(SHOWN).collect(engine="streaming").to_dicts()
    sentence = f"{100 * share:.2f} % of {rows:,} rows were rejected; the limit is {100 * limit:.2f} %"
    if share > limit:
        sentence += f" ({', '.join(f'{n:,} {reason}' for reason, n in counts.items())}; see rejects.parquet)"
        sentence += "".join(f". {advice.removesuffix('.')}" for advice in artifact.summary.get("advice", ()))
    return Verdict(share <= limit, sentence, {"reject_share": share, "by_reason": counts, "first_rejects": offenders})


def listens_valid(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The listens on disk obey their schema, are sorted, and are as many as the summary says."""
    listens = pl.scan_parquet(artifact.folder / "interactions.parquet", glob=False)
    rows = listens.select(pl.len()).collect().item()
    expected_rows = artifact.summary["kept"]
    if rows != expected_rows:
        return Verdict(False, f"interactions.parquet holds {rows:,} rows instead of {expected_rows:,}", {"rows": rows})
    for start in range(0, rows, ROWS_AT_ONCE):
        overlap = min(start, 1)  # the last row of the block before, so that the order across the border is checked
        validate_listens(listens.slice(start - overlap, ROWS_AT_ONCE + overlap).collect())
    return Verdict(True, f"{rows:,} listens obey their schema", {"rows": rows})
