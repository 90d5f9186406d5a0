"""The section on the limits of the numbers."""

from collections.abc import Iterator

from loopback_core.evaluation.evaluation_json import Evaluation

GENERATED = (
    "**The log is generated**, with planted tastes: the numbers show that the pipeline works and learns. They say nothing "
    "about people."
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
        "**Tracks that first appear in the test period** cannot be recommended outside the task cold start"
        f"{' (' + ', '.join(shares) + ' of what is played)' if shares else ''}; they are left out, not counted as misses."
    )
    yield (
        "**Not played does not mean not liked.** Plays are not missing at random: people play what radio, friends or another "
        "recommender showed them. A good recommendation that the user never came across counts as a miss."
    )
    yield (
        "**Popular tracks are favoured**, for the same reason: what is shown most is played most. Check the popularity and "
        "the tail segment before you trust a gain."
    )
    yield (
        "**These are offline measurements.** They compare recommenders; they do not predict the effect of showing a list. No "
        "list was shown: satisfaction, fatigue and the influence of a list on taste were not measured."
    )
    yield (
        "**One split in time is one sample.** The intervals cover the choice of users. They do not cover the choice of the "
        "period, nor changes of taste after it."
    )
    yield (
        f"**One training run**, seed {evaluation['seed']}: another seed gives other towers, which the intervals do not cover."
    )
    yield (
        "**Do not compare recommenders by whether their intervals overlap.** Use the paired differences: in the table at the "
        "top, and for all baselines in `evaluation.json`. Only the comparison with the rival by the main metric was planned."
    )
    if evaluation["settings"].get("training", {}).get("refit"):
        yield (
            "**The towers were fitted again on train and validation**, like the baselines. The reference protocol expects a "
            "fit on train alone: there the towers have seen more data."
        )
    if evaluation.get("users_drawn_from"):
        yield (
            f"**At the cut {evaluation['settings']['evaluation']['users']:,} users are measured**, drawn by seed from "
            f"{evaluation['users_drawn_from']:,} with listens in test (`evaluation.users`)."
        )
    minimum = evaluation["settings"]["evaluation"]["min_users"]
    for name, task in evaluation["tasks"].items():
        if task["users"] < minimum:
            yield (
                f"**{name.replace('_', ' ').capitalize()} has {task['users']:,} scored users**, fewer than {minimum}: its "
                "values have no intervals and no verdict."
            )
    if "reference_protocol" in evaluation["tasks"]:
        yield "**The reference protocol leaks.** Use it only to compare with published numbers."
