"""What the numbers do not say."""

from collections.abc import Iterator

from loopback_core.evaluation.evaluation_json import Evaluation

GENERATED = (
    "**The log is generated.** Its tastes were planted: the numbers show that the pipeline works and learns, and say "
    "nothing about people."
)


def limits(evaluation: Evaluation) -> Iterator[str]:
    """The last section: heading and list."""
    yield "## What the numbers do not say"
    yield "\n".join(f"- {limit}" for limit in _limits(evaluation))


def _limits(evaluation: Evaluation) -> Iterator[str]:
    if evaluation["source"]["name"] == "sample":
        yield GENERATED
    shares = [
        f"{100 * share:.0f} % in {task.replace('_', ' ')}"
        for task, share in evaluation["unreachable_positives"].items()
        if share and task != "reference_protocol"
    ]
    yield (
        "**Music that first appears in the test period** cannot be recommended by anyone outside the task cold start"
        f"{' (' + ', '.join(shares) + ' of what is played)' if shares else ''}; it is left out, not counted as a miss."
    )
    yield (
        "**What was not played is not what was not liked.** Plays are missing not at random: people play what they were "
        "shown, by radio, friends, or another recommender. A recommendation that nobody would ever have come across counts "
        "as a miss, however good it is."
    )
    yield (
        "**Popular music is favoured**, for the same reason: whoever recommends what is exposed most is played most. See the "
        "popularity and the segments of the tail before believing a gain."
    )
    yield (
        "**These are offline lower bounds**, fit for comparing recommenders and not for predicting what a shown list would "
        "earn. Nobody was shown anything: satisfaction, fatigue and the effect of a list on taste were not measured."
    )
    yield (
        "**One cut in time is one sample of the world.** The intervals cover the choice of users, not that of the period, "
        "and not that somebody's taste in the next season differs."
    )
    yield (
        f"**One training run**, seed {evaluation['seed']}: another seed gives other towers, and the intervals do not cover that."
    )
    yield (
        "**Overlapping intervals compare nothing.** Between two recommenders look at the paired differences, in the table at "
        "the top and for all baselines in `evaluation.json`. Only the comparison with the rival by the main metric was planned."
    )
    if evaluation["settings"].get("training", {}).get("refit"):
        yield (
            "**The towers were fitted once more on train and validation**, as baselines are. The reference protocol means a "
            "fit on train: its row of the towers has seen more."
        )
    minimum = evaluation["settings"]["evaluation"]["min_users"]
    for name, task in evaluation["tasks"].items():
        if task["users"] < minimum:
            yield (
                f"**{name.replace('_', ' ').capitalize()} has {task['users']:,} scored users**, fewer than {minimum}: its "
                "values are anecdotes, without intervals or a verdict."
            )
    if "reference_protocol" in evaluation["tasks"]:
        yield "**The reference protocol leaks** and is here to be compared with published numbers, nothing else."
