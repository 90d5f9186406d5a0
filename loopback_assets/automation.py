"""Jobs, the weekly schedule, and the alert."""

import json
import os
import urllib.request

import dagster as dg

HOURS = 6

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.assets("evaluation").upstream(),
    description="The whole chain: read the log again, train, index, evaluate. Unchanged steps are reused.",
    tags={"dagster/max_runtime": str(HOURS * 3600)},
)

data_quality = dg.define_asset_job(
    "data_quality",
    selection=dg.AssetSelection.all_asset_checks(),
    description="Every check again, from the files on disk: finds what was damaged after it was published.",
)

weekly_retrain = dg.ScheduleDefinition(
    name="weekly_retrain",
    job=retrain,
    cron_schedule="0 3 * * 1",
    execution_timezone="UTC",
    description="Retrains every Monday at 03:00 UTC, once it is switched on.",
)


@dg.run_failure_sensor(
    name="run_failure_alert",
    description="Logs every failed run, and posts it to the address in LOOPBACK_WEBHOOK when there is one.",
)
def run_failure_alert(context: dg.RunFailureSensorContext) -> None:
    """Say what failed and why."""
    run = context.dagster_run
    reasons = [event.message or "" for event in context.get_step_failure_events()] or [
        context.failure_event.message or ""
    ]
    text = f"loopback: run {run.run_id} of {run.job_name} failed. " + " ".join(reasons)
    context.log.error(text)
    if webhook := os.environ.get("LOOPBACK_WEBHOOK"):
        post(webhook, text, context)


def post(webhook: str, text: str, context: dg.RunFailureSensorContext) -> None:
    """Send `text` as JSON; a webhook that does not answer is logged and changes nothing else."""
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(webhook, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            context.log.info(f"posted to LOOPBACK_WEBHOOK: HTTP {response.status}")
    except OSError as error:
        context.log.error(f"LOOPBACK_WEBHOOK could not be reached: {error}")
