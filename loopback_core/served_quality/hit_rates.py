"""Which shown tracks were heard, and the rates of it with their intervals."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from loopback_core.evaluation.significance import Mean, bootstrap_means, mean_of
from loopback_core.served_quality.served_quality_json import PositionJson, RateJson
from loopback_core.settings import EvaluationSettings

DEPTHS = (1, 5, 10)
"""Tracks from the head of a list that a hit may be among."""


def with_hits(shown: pl.DataFrame, listens: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """The shown tracks that count, with `heard`: whether the user played it after the answer and within the horizon.

    In discovery a track counts only if the user had not heard it before the answer. shown: as of `shown_tracks`.
    listens: LISTEN_COLUMNS. horizon: microseconds.
    """
    by, times = ["user", "name"], listens.sort("time").with_columns(pl.col("time").alias("at"))
    earlier = shown.sort("time").join_asof(times, on="time", by=by, strategy="backward", check_sortedness=False)
    is_new = (pl.col("task") != "discovery") | pl.col("at").is_null()
    counted = earlier.filter(is_new).drop("at").with_columns((pl.col("time") + 1).alias("from"))
    later = counted.join_asof(
        times.rename({"time": "listened"}),
        left_on="from",
        right_on="listened",
        by=by,
        strategy="forward",
        check_sortedness=False,
    )
    heard = (pl.col("at") <= pl.col("time") + horizon).fill_null(False)
    return later.with_columns(heard.alias("heard")).select(*shown.columns, "heard").sort("exposure", "position")


def rates_of(answers: pl.DataFrame, settings: EvaluationSettings) -> list[RateJson]:
    """Of every task: all answers and those of each bundle, at each depth; and those of each day, at the last one.

    answers: as of :func:`with_depths`.
    """
    deepest = DEPTHS[-1]
    rates = []
    for (task,), of_task in _groups(answers, "task"):
        rates += [_rate(of_task, task, None, None, k, settings) for k in DEPTHS]
        for (bundle,), part in _groups(of_task, "bundle"):
            rates += [_rate(part, task, bundle, None, k, settings) for k in DEPTHS]
        days = of_task.with_columns(pl.from_epoch("time", "us").dt.strftime("%Y-%m-%d").alias("day"))
        rates += [_rate(part, task, None, day, deepest, settings) for (day,), part in _groups(days, "day")]
    return rates


def with_depths(exposures: pl.DataFrame, hits: pl.DataFrame) -> pl.DataFrame:
    """The exposures with a column `at <k>` for each depth: 1 where one of the first k tracks was heard, else 0.

    exposures: as of `exposures_of`. hits: as of :func:`with_hits`, of the same exposures.
    """
    heard = hits.filter("heard").group_by("exposure").agg(pl.col("position").min().alias("first"))
    answers = exposures.with_row_index("exposure").join(heard, on="exposure", how="left", maintain_order="left")
    return answers.with_columns(
        (pl.col("first") <= k).fill_null(False).cast(pl.Float64).alias(f"at {k}") for k in DEPTHS
    )


def positions_of(hits: pl.DataFrame, settings: EvaluationSettings) -> list[PositionJson]:
    """Of every task, the rate of each place. hits: as of :func:`with_hits`."""
    found = []
    for (task, position), part in _groups(hits, "task", "position"):
        users = part["user"].n_unique()
        mean = _mean(part.with_columns(pl.col("heard").cast(pl.Float64)), "heard", users, settings)
        assert mean["value"] is not None  # a group is not empty
        found.append(
            PositionJson(
                task=task,
                position=int(position),
                shown=len(part),
                users=users,
                value=mean["value"],
                low=mean["low"],
                high=mean["high"],
            )
        )
    return found


def _groups(frame: pl.DataFrame, *by: str) -> Iterator[tuple[tuple[Any, ...], pl.DataFrame]]:
    """Sorted by their keys."""
    yield from frame.sort(by, maintain_order=True).group_by(by, maintain_order=True)


def _rate(
    answers: pl.DataFrame, task: str, bundle: str | None, day: str | None, k: int, settings: EvaluationSettings
) -> RateJson:
    users = answers["user"].n_unique()
    mean = _mean(answers, f"at {k}", users, settings)
    assert mean["value"] is not None  # a group is not empty
    return RateJson(
        task=task,
        bundle=bundle,
        day=day,
        k=k,
        answers=len(answers),
        users=users,
        value=mean["value"],
        low=mean["low"],
        high=mean["high"],
    )


def _mean(rows: pl.DataFrame, column: str, users: int, settings: EvaluationSettings) -> Mean:
    values = rows[column].to_numpy()
    if users < settings.min_users:
        return mean_of(values, None)
    means = bootstrap_means(values[:, None], settings.resamples, settings.seed, rows["user"].to_numpy())
    return mean_of(values, means[:, 0])
