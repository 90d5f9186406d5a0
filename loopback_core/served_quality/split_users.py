"""Two bundles side by side: what the users of each heard, over the time in which both were served."""

import polars as pl

from loopback_core.evaluation.significance import FloatValues, bootstrap_means, percentile_interval
from loopback_core.served_quality.hit_rates import DEPTHS
from loopback_core.served_quality.served_quality_json import SideBySideJson
from loopback_core.settings import EvaluationSettings

DEEPEST_RATE = f"at {DEPTHS[-1]}"


def compare_splits(answers: pl.DataFrame, settings: EvaluationSettings) -> list[SideBySideJson]:
    """The difference of the hit rate at the last depth, for every test, task and champion.

    answers: as of `with_depths`; only those that were a part of a test are read.
    """
    by = ["split", "challenger", "task"]
    found = []
    tests = answers.filter(pl.col("split").is_not_null()).sort(*by, "time", maintain_order=True)
    for (_, challenger, task), part in tests.group_by(by, maintain_order=True):
        ours = part.filter(pl.col("bundle") == challenger)
        for champion in part["bundle"].unique(maintain_order=True).to_list():
            theirs = part.filter(pl.col("bundle") == champion)
            if champion == challenger or ours.is_empty():
                continue
            since = max(ours["time"].item(0), theirs["time"].item(0))
            until = min(ours["time"].item(-1), theirs["time"].item(-1))
            sides = [side.filter(pl.col("time").is_between(since, until)) for side in (theirs, ours)]
            if not any(side.is_empty() for side in sides):
                found.append(_compared(str(task), str(champion), str(challenger), sides, settings))
    return found


def _compared(
    task: str, champion: str, challenger: str, sides: list[pl.DataFrame], settings: EvaluationSettings
) -> SideBySideJson:
    """sides: the answers of the champion, and of the challenger. Their users are others: each is resampled by itself."""
    rates = [float(side[DEEPEST_RATE].to_numpy().mean()) for side in sides]
    users = [side["user"].n_unique() for side in sides]
    low = high = None
    if min(users) >= settings.min_users:
        theirs, ours = (_resampled(side, settings.seed + number, settings) for number, side in enumerate(sides))
        ends = percentile_interval(ours - theirs)
        low, high = (float(end.item()) for end in ends)
    return SideBySideJson(
        task=task,
        k=DEPTHS[-1],
        champion=champion,
        challenger=challenger,
        champion_answers=len(sides[0]),
        challenger_answers=len(sides[1]),
        champion_users=users[0],
        challenger_users=users[1],
        champion_rate=rates[0],
        challenger_rate=rates[1],
        difference=rates[1] - rates[0],
        low=low,
        high=high,
    )


def _resampled(side: pl.DataFrame, seed: int, settings: EvaluationSettings) -> FloatValues:
    values = side[DEEPEST_RATE].to_numpy()[:, None]
    return bootstrap_means(values, settings.resamples, seed, side["user"].to_numpy())
