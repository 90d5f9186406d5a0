"""The same users asked at several moments of test: tables of the recommenders and of the paired differences."""

from collections.abc import Container, Iterator, Sequence

from loopback_core.evaluation.evaluation_json import AgeJson, Evaluation, RollingJson
from loopback_core.evaluation.rolling_evaluation import NEAR, REST
from loopback_core.recommenders.lists import SERVED, is_ours
from loopback_core.reporting.report.report_tables import (
    best_first,
    cell,
    difference_cell,
    markdown_table,
    p_cell,
    value_of,
    won_lost_tied,
)
from loopback_core.reporting.report.task_sections import pictures_there
from loopback_core.reporting.safe_text import markdown
from loopback_core.tasks.metrics import MAIN_METRIC

WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

DEEP = "recall@100"


def moments_section(evaluation: Evaluation, pictures: Container[str]) -> Iterator[str]:
    """Paragraphs of the section; nothing where moments were not asked."""
    if not (rolling := evaluation.get("rolling")):
        return
    users = evaluation["settings"]["evaluation"]["moment_users"]
    yield f"## At {moments_in_words(evaluation)} moments: the same users, asked again with longer histories"
    yield (
        f"Discovery and next listen are asked again of at most {users:,} of their users, the same in both, at moments that are evenly "
        "spread over the listens of test; the first is the official cut. What was played before a moment is in the histories; the "
        "models and the catalog stay those of the official cut, and candidates are found through the index, as in service. One ranking is measured twice: on the tracks of "
        f"{_positives(NEAR, evaluation)}, and on those of {_positives(REST, evaluation)}. Values are means over requests. A "
        "user is resampled with all of their requests, and won or lost by the mean over them; p is corrected for the number "
        "of baselines (Holm). Requests for the rest of test are alike, since what is played late is asked for at every "
        "moment before: they narrow the intervals less than requests for the next days do. The verdict stays that of the "
        "official cut."
    )
    for task, sets in rolling.items():
        title = task.replace("_", " ").capitalize()
        drawn = {
            f"moments_{task}.png": f"{title}: {MAIN_METRIC} of what is served minus each baseline (bar: 95 % interval)"
        }
        if shown := pictures_there(drawn, pictures):
            yield shown
        for positives in (NEAR, REST):
            if positives in sets:
                of = sets[positives]
                yield f"### {title}, {_positives(positives, evaluation)}"
                yield f"{of['requests']:,} requests of {of['users']:,} users at {of['moments']} moments."
                yield _table(of, evaluation["rival"].get(task))
        if NEAR in sets and len(sets[NEAR].get("by_age", ())) > 1:
            yield f"### {title}: by the age of the model"
            yield from _by_age(sets[NEAR]["by_age"], evaluation["rival"].get(task), horizon(evaluation))


def moments_in_words(evaluation: Evaluation) -> str:
    """The number of moments, up to twelve as a word."""
    numbers = [of["moments"] for sets in evaluation.get("rolling", {}).values() for of in sets.values()]
    number = max(numbers, default=0)
    return WORDS[number - 2] if 2 <= number < 2 + len(WORDS) else str(number)


def horizon(evaluation: Evaluation) -> str:
    """The near horizon in days."""
    days = evaluation["settings"]["evaluation"]["horizon_days"]
    return f"{days:g} day{'s' * (days != 1)}"


def no_moments(evaluation: Evaluation) -> str:
    """A sentence where moments are wanted and mean nothing; empty otherwise."""
    wanted = evaluation["settings"]["evaluation"].get("moments", 0)
    strategy = evaluation["split"]["strategy"]
    if wanted < 2 or strategy in ("global", "dates"):
        return ""
    return (
        f"No task is asked at several moments of test (`evaluation.moments`): under the split strategy `{strategy}` the test "
        "of each user begins at another time, so that a moment of the log means nothing."
    )


def _positives(name: str, evaluation: Evaluation) -> str:
    return f"the next {horizon(evaluation)}" if name == NEAR else "the whole rest of test"


def _by_age(ages: Sequence[AgeJson], rival: str | None, next_days: str) -> Iterator[str]:
    """What is lost with time: what all lose is the log's, what the towers lose against the others is theirs."""
    names = [name for name in (SERVED, rival, "popularity_users") if name and name in ages[0]["values"]]
    yield (
        f"{MAIN_METRIC} of the tracks of the next {next_days}, by how long before the moment the model was trained. Histories are fresh at "
        "every moment; the catalog and the weights are not. A column that falls faster than the others asks for more frequent training."
    )
    rows = [
        [f"{age['days']:.1f}", f"{age['requests']:,}", *(f"{age['values'][name]:.4f}" for name in names)]
        for age in ages
    ]
    yield markdown_table(["days", "requests", *map(markdown, names)], rows, words=0)


def _table(of: RollingJson, rival: str | None) -> str:
    recommenders = of["recommenders"]
    order = best_first(recommenders)
    best = next((name for name in order if value_of(recommenders[name], MAIN_METRIC)), None)
    rows = []
    for name in order:
        means, comparison = recommenders[name] or {}, of["paired"].get(name, {}).get(MAIN_METRIC)
        rows.append(
            [
                f"**{markdown(name)}**" if is_ours(name) else markdown(name),
                ", ".join(mark for mark, marked in (("best", best), ("rival", rival)) if marked == name),
                *(cell(means.get(metric), intervals=True) for metric in (MAIN_METRIC, DEEP)),
                difference_cell(comparison),
                p_cell(comparison),
                won_lost_tied(comparison),
            ]
        )
    columns = [
        "recommender",
        "",
        MAIN_METRIC,
        DEEP,
        f"{MAIN_METRIC}: {SERVED} minus it",
        "p (Holm)",
        "won / lost / tied",
    ]
    return markdown_table([markdown(column) for column in columns], rows, words=2)
