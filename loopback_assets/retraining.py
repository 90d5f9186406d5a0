"""What the assets, the schedule and the sensor share of a retrain: its name, its pool, how often it is expected, whether one runs."""

from datetime import UTC, datetime, timedelta

import dagster as dg

RETRAIN = "retrain"
"""The name of the job, and of the pool of the assets that it makes."""

HOURS = 6
"""After so long a run is ended (`dagster/max_runtime`)."""

FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=15), warn_window=timedelta(days=8))
"""A retrain is expected every week: a warning a day late, a failure when two are missing."""

UNDER_WAY = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def retrain_under_way(instance: dg.DagsterInstance) -> str:
    """A sentence about the run of `retrain` that is queued or in progress; "" when there is none.

    A run whose status is older than HOURS was killed with its machine: it does not count, unless it is still queued.
    """
    ended = datetime.now(UTC) - timedelta(hours=HOURS)
    for record in instance.get_run_records(dg.RunsFilter(job_name=RETRAIN, statuses=UNDER_WAY)):
        run = record.dagster_run
        if run.status is dg.DagsterRunStatus.QUEUED or record.update_timestamp > ended:
            return f"Run {run.run_id} of {RETRAIN} is {run.status.value.lower().replace('_', ' ')}: no other is started before it ends."
    return ""
