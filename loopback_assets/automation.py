"""Jobs, the weekly schedule, and the alert."""

import logging
import os

import dagster as dg

from loopback_assets.retraining import HOURS, RETRAIN, retrain_under_way

retrain = dg.define_asset_job(
    RETRAIN,
    selection=dg.AssetSelection.assets("promotion").upstream(),
    description="The whole chain: read the log again, train, index, evaluate, build a bundle, judge it. Unchanged steps are reused.",
    tags={"dagster/max_runtime": str(HOURS * 3600)},
)

data_quality = dg.define_asset_job(
    "data_quality",
    selection=dg.AssetSelection.all_asset_checks(),
    description="Every check again, from the files on disk: finds what was damaged after it was published.",
)


@dg.schedule(
    name="weekly_retrain",
    job=retrain,
    cron_schedule="0 3 * * 1",
    execution_timezone="UTC",
    description="Retrains every Monday at 03:00 UTC, once it is switched on.",
)
def weekly_retrain(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Request a run, unless one is under way."""
    sentence = retrain_under_way(context.instance)
    return dg.SkipReason(sentence) if sentence else dg.RunRequest()


@dg.run_failure_sensor(
    name="run_failure_alert",
    description="Logs every failed run, and posts it to the address in LOOPBACK_WEBHOOK when there is one.",
)
def run_failure_alert(context: dg.RunFailureSensorContext) -> None:
    """Say what failed and why."""
    run = context.dagster_run
    text = f"loopback: run {run.run_id} of {run.job_name} failed. " + " ".join(_reasons(context))
    context.log.error(text)
    if webhook := os.environ.get("LOOPBACK_WEBHOOK"):
        post(webhook, text, context.log)


def _reasons(context: dg.RunFailureSensorContext) -> list[str]:
    """What failed and why, a sentence per step; Dagster's message about the run when no step failed."""
    logged = context.instance.all_logs(context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    reasons = {}
    for event in filter(None, (entry.dagster_event for entry in logged)):
        check = event.asset_check_evaluation_data
        if not check.passed:
            reasons[event.step_key] = f"{check.asset_key.to_user_string()}, {check.check_name}: {check.description}."
    for event in context.get_step_failure_events():
        reasons.setdefault(event.step_key, f"{event.step_key}: {_reason(event)}")
    return list(reasons.values()) or [context.failure_event.message or ""]


def _reason(event: dg.DagsterEvent) -> str:
    """The sentence for the user when the step failed with one, else the error that ended it."""
    failure, error = event.step_failure_data.user_failure_data, event.step_failure_data.error
    if failure and failure.description:
        return failure.description
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else event.message or ""


def post(webhook: str, text: str, log: logging.Logger) -> None:
    """Send `text` as JSON; a webhook that does not take it is logged and changes nothing else.

    The path and the query of such an address are its password. The errors of `requests` quote them, so that only the
    kind of an error is logged.
    """
    import requests

    try:
        # a redirected POST would become a GET without the text; the body of the answer is not read
        with requests.post(webhook, json={"text": text}, timeout=10, allow_redirects=False, stream=True) as response:
            status = response.status_code
    except Exception as error:  # a malformed address raises whatever the library that parses it raises
        log.error(f"LOOPBACK_WEBHOOK could not be reached: {type(error).__name__}")
        return
    if 200 <= status < 300:
        log.info(f"posted to LOOPBACK_WEBHOOK: HTTP {status}")
    else:
        log.error(f"LOOPBACK_WEBHOOK did not take the message: HTTP {status}")
