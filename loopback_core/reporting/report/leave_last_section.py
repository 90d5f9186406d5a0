"""The one held-out listen of every user, under the split strategy `leave_last`."""

from collections.abc import Iterator

from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.evaluation.leave_last import LEAVE_LAST_KS
from loopback_core.reporting.report.report_tables import best_first, rows_of_recommenders

HEADINGS = {
    "everything": "Nothing is filtered",
    "unknown": "Tracks that the user knows are filtered from the lists",
}


def leave_last_section(evaluation: Evaluation) -> Iterator[str]:
    """Paragraphs of the section; nothing under another strategy."""
    if not (measured := evaluation.get("leave_last")):
        return
    yield "## The one next listen: as the literature reports it"
    yield (
        f"Each of {measured['users']:,} users has one held-out listen, their last one, and all of them are counted: the hit "
        "rate is the share of users whose held-out track is among the first K of the whole catalog, and nDCG@K is "
        "1 / log2(1 + its rank). Where the known tracks are filtered, a held-out track that the user knows is a miss: "
        f"{100 * measured['known']:.1f} % of the users. A held-out track that nobody played before is a miss in both: "
        f"{100 * measured['outside_catalog']:.1f} %. The lists without a filter are those of next listen, the filtered ones "
        "those of discovery. Intervals are in `evaluation.json`."
    )
    for what, recommenders in measured["recommenders"].items():
        yield f"### {HEADINGS[what]}"
        answered = {name: means for name in best_first(recommenders) if (means := recommenders[name]) is not None}
        present = {metric for means in answered.values() for metric in means}
        columns = [f"{metric}@{k}" for metric in ("hit_rate", "ndcg") for k in LEAVE_LAST_KS]
        yield rows_of_recommenders(answered, [name for name in columns if name in present], {}, intervals=False)
