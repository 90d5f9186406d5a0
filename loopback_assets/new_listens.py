"""The sensor that starts a retrain once enough listens are new."""

import time

import dagster as dg

from loopback_assets.automation import retrain
from loopback_assets.resources import Loopback
from loopback_assets.retraining import retrain_under_way
from loopback_core.errors import LoopbackError

RUN_KEY_TAG = "dagster/run_key"


@dg.sensor(
    name="new_listens",
    job=retrain,
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Retrains once automation.min_new_listens are new: in the source, when it stands still, and among those that the "
    "service has stored.",
)
def new_listens(context: dg.SensorEvaluationContext, loopback: Loopback) -> dg.SensorResult:
    """Look at the source; request a run, or say what is waited for."""
    from loopback_core.listens.watch.watch import watch

    if sentence := retrain_under_way(context.instance):
        return dg.SensorResult(skip_reason=sentence, cursor=context.cursor)
    try:
        found = watch(loopback.store(), loopback.settings(), context.cursor, time.time())
    except LoopbackError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    if found.key is None:
        return dg.SensorResult(skip_reason=found.said, cursor=found.cursor)
    if sentence := _run_before(context.instance, found.key):
        return dg.SensorResult(skip_reason=f"{found.said} {sentence}", cursor=found.cursor)
    context.log.info(found.said)
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=found.key)], cursor=found.cursor)


def _run_before(instance: dg.DagsterInstance, key: str) -> str:
    """A sentence about the run that was started for the same listens; "" when there was none."""
    runs = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: key}), limit=1)
    if not runs:
        return ""
    return (
        f"Run {runs[0].run_id} was started for them already and made no new interactions ({runs[0].status.value}): see why, then "
        "start retrain by hand. The sensor starts the next when more listens have come."
    )
