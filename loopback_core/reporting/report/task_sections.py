"""The section of one task."""

from collections.abc import Container, Iterator, Mapping, Sequence

from loopback_core.evaluation.beyond_accuracy import BEYOND_ACCURACY
from loopback_core.evaluation.evaluation_json import Evaluation, Recommenders
from loopback_core.evaluation.significance import Mean
from loopback_core.recommenders.lists import SERVED
from loopback_core.reporting.report.report_tables import recommender_table, rows_of_recommenders
from loopback_core.reporting.safe_text import markdown
from loopback_core.tasks.metrics import DEEP_CUTOFFS, MAIN_METRIC, METRICS

TITLES = {
    "discovery": "Discovery: tracks the user has never played",
    "next_listen": "Next listen: everything the user goes on to play, repeats included",
    "cold_start": "Cold start: tracks that no user has played yet",
    "new_users": "New users: users without an event in the fit data",
    "reference_protocol": "Reference protocol: for comparison with published numbers only",
}
MEANINGS = {
    "discovery": "Candidates are the catalog without what the user played; positives are the distinct catalog tracks "
    "that the user plays in test for the first time.",
    "next_listen": "Candidates are the whole catalog; positives are the distinct catalog tracks that the user plays "
    "in test. Most listens are repeats, so a list of what a user plays often is hard to beat.",
    "cold_start": "Candidates are only the tracks that are first played, by any user, in test; positives are those of them "
    "that the user plays. Only the artist of a candidate is known.",
    "new_users": "Users without an event in the fit data: the first half of what they play in test is their history, the "
    "distinct catalog tracks in the second half are the positives, and candidates are the whole catalog.",
    "reference_protocol": "Candidates are every track of the log, also those that occur only after train; histories end "
    "with train. **This protocol leaks**: a track without an earlier play is in the log only because a user is about to "
    "play it. Its hit rates can be compared with those of the reference implementation; they do not estimate quality.",
}

SEGMENTS = ("head", "mid", "tail", "light", "medium", "heavy", "repeaters", "explorers")


def task_section(name: str, evaluation: Evaluation, pictures: Container[str]) -> Iterator[str]:
    """Paragraphs: heading, counts, the main table, pictures, and the details that can be unfolded."""
    task, settings = evaluation["tasks"][name], evaluation["settings"]["evaluation"]
    ks, rival = settings["ks"], evaluation["rival"].get(name)
    yield f"## {TITLES.get(name, name)}"
    yield f"{MEANINGS.get(name, '')} {_counts(name, evaluation)}".strip()
    if not task["users"]:
        yield "**No user could be scored**, so there is nothing to show."
        return
    if task["users"] < settings["min_users"]:
        yield f"**Fewer than {settings['min_users']} users could be scored**: values only, no intervals and no verdict."
    main = [MAIN_METRIC, f"hit_rate@{ks[0]}", f"recall@{ks[-1]}"]
    yield recommender_table(task, main, rival, intervals=True)
    drawn = {
        f"ndcg_{name}.png": f"{MAIN_METRIC} of every recommender",
        f"recall_{name}.png": "Recall by K; grey: other recommenders",
    }
    if shown := pictures_there(drawn, pictures):
        yield shown
    accuracy = [f"{metric}@{k}" for metric in METRICS for k in ks]
    yield from folded(f"Every metric at K = {', '.join(map(str, ks))}", recommender_table(task, accuracy, rival))
    measured = {metric for means in task["recommenders"].values() for metric in means or ()}
    if deep := [f"recall@{k}" for k in DEEP_CUTOFFS if f"recall@{k}" in measured]:
        yield from folded("Recall at larger K", recommender_table(task, deep, rival, intervals=True))
    if beyond := [f"{metric}@{ks[0]}" for metric in BEYOND_ACCURACY if f"{metric}@{ks[0]}" in measured]:
        yield from folded("Beyond accuracy", recommender_table(task, beyond, rival))
    yield from _segments(name, evaluation, pictures)


def pictures_there(drawn: Mapping[str, str], pictures: Container[str]) -> str:
    """A paragraph with those of `drawn` (file -> caption) that are next to the report."""
    return "\n".join(f"![{caption}]({file})" for file, caption in drawn.items() if file in pictures)


def folded(summary: str, content: str) -> Iterator[str]:
    """Paragraphs that the reader can unfold."""
    yield from (f"<details><summary>{summary}</summary>", content, "</details>")


def _counts(name: str, evaluation: Evaluation) -> str:
    task, lost = evaluation["tasks"][name], evaluation["unreachable_positives"].get(name)
    fate = (
        "are tracks that train does not know"
        if name == "reference_protocol"
        else "lie outside the catalog and are not scored"
    )
    outside = f"; {100 * lost:.1f} % of what these users play there {fate}" if lost else ""
    return f"{task['users']:,} users, {task['positives']:,} positives{outside}."


def _segments(name: str, evaluation: Evaluation, pictures: Container[str]) -> Iterator[str]:
    segments = evaluation.get("segments", {}).get(name) or {}
    listed = [segment for segment in SEGMENTS if segment in segments]
    if not listed:
        return
    rival = evaluation["rival"].get(name)
    caption = f"{MAIN_METRIC} by segment of the tracks and of the users"
    if shown := pictures_there({f"segments_{name}.png": caption}, pictures):
        yield shown
    compared = [
        r for r in (SERVED, rival, "popularity_users", "random") if r in evaluation["tasks"][name]["recommenders"]
    ]
    yield from folded(f"{MAIN_METRIC} by segment", _by_segment(segments, listed, compared, rival))
    if of_profiles := [segment for segment in segments if segment not in SEGMENTS]:
        yield from folded(f"{MAIN_METRIC} by profile", _by_segment(segments, of_profiles, compared, rival))


def _by_segment(
    segments: Mapping[str, Recommenders], listed: Sequence[str], compared: Sequence[str | None], rival: str | None
) -> str:
    cells: dict[str, dict[str, Mean]] = {
        str(recommender): {
            markdown(segment): mean
            for segment in listed
            if (mean := (segments[segment].get(str(recommender)) or {}).get(MAIN_METRIC))
        }
        for recommender in dict.fromkeys(compared)
    }
    return rows_of_recommenders(cells, [*map(markdown, listed)], {str(rival): ["rival"]}, intervals=True)
