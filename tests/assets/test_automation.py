import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest

from loopback_assets.automation import post, run_failure_alert, weekly_retrain
from loopback_assets.definitions import defs
from loopback_assets.failures import errors_as_failures
from loopback_core.errors import BadLogError, DownloadError

Materialize = Callable[..., dg.ExecuteInProcessResult]
Received = list[tuple[str | None, object]]

NOTHING_THERE = "build it first: uv run dagster asset materialize --select '*evaluation' -m loopback_assets.definitions"


@pytest.fixture
def webhook() -> Iterator[tuple[str, Received]]:
    """A local address, and what is posted to it: content type and JSON. /broken answers 500, /moved 302 to /."""
    received: Received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append((self.headers["Content-Type"], json.loads(body)))
            self.send_response({"broken": 500, "moved": 302}.get(self.path.split("/")[1], 204))
            self.send_header("Location", "/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", received
    server.shutdown()
    thread.join()
    server.server_close()


def alert(result: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture) -> str:
    """Let the sensor see a run that failed; returns the first line that it logged, an error."""
    failures = [event for event in result.all_events if event.event_type == dg.DagsterEventType.RUN_FAILURE]
    context = dg.build_run_status_sensor_context(
        sensor_name="run_failure_alert",
        dagster_event=failures[0],
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()
    caplog.clear()
    context.log.addHandler(caplog.handler)
    run_failure_alert(context)
    assert caplog.records[0].levelname == "ERROR"
    return caplog.messages[0]


@pytest.fixture
def failed_run(
    tmp_path: Path, materialize: Materialize, instance: dg.DagsterInstance
) -> tuple[dg.ExecuteInProcessResult, dg.DagsterInstance]:
    return materialize(tmp_path / "empty", "interactions", instance=instance), instance


def test_the_schedule_retrains_every_monday_at_three_utc_once_it_is_switched_on(
    tmp_path: Path,
) -> None:
    assert [schedule.name for schedule in defs.schedules or ()] == ["weekly_retrain"]
    assert (weekly_retrain.cron_schedule, weekly_retrain.execution_timezone) == ("0 3 * * 1", "UTC")
    assert weekly_retrain.default_status is dg.DefaultScheduleStatus.STOPPED
    monday = datetime(2026, 1, 5, 3, tzinfo=UTC)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        tick = weekly_retrain.evaluate_tick(dg.build_schedule_context(instance, scheduled_execution_time=monday))
    assert len(tick.run_requests or ()) == 1 and tick.skip_message is None
    assert weekly_retrain.job_name == "retrain"


def test_a_run_that_hangs_is_ended_after_six_hours() -> None:
    assert defs.resolve_job_def("retrain").tags["dagster/max_runtime"] == "21600"


def test_the_sensor_logs_the_sentence_of_the_step_that_failed(
    failed_run: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result, instance = failed_run
    assert "run_failure_alert" in {sensor.name for sensor in defs.sensors or ()}
    assert alert(result, instance, caplog) == (
        f"loopback: run {result.run_id} of __ephemeral_asset_job__ failed. "
        f"interactions: There is no raw_listens in {tmp_path / 'empty'}; {NOTHING_THERE}"
    )
    assert len(caplog.messages) == 1  # nothing is posted anywhere


def test_the_sensor_logs_the_sentence_of_each_check_that_failed_once(
    copied_home: Path, materialize: Materialize, instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    result = materialize(copied_home, checks={"max_mean_cosine": -0.99}, instance=instance)
    said = alert(result, instance, caplog)
    assert f"run {result.run_id} " in said
    assert said.count("embeddings_healthy") == 1
    assert "track_embeddings, embeddings_healthy: the mean cosine between tracks is " in said


def test_the_sensor_names_an_error_without_a_sentence(
    instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    @dg.asset
    def surprise() -> None:
        raise ZeroDivisionError("one by zero")

    result = dg.materialize([surprise], instance=instance, raise_on_error=False)
    assert alert(result, instance, caplog).endswith(" failed. surprise: ZeroDivisionError: one by zero")


def test_the_sensor_posts_what_it_logs_to_the_webhook(
    failed_run: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance],
    webhook: tuple[str, Received],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    address, received = webhook
    monkeypatch.setenv("LOOPBACK_WEBHOOK", address)
    said = alert(*failed_run, caplog)
    assert received == [("application/json", {"text": said})]
    assert caplog.messages[1:] == ["posted to LOOPBACK_WEBHOOK: HTTP 204"]


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:9/SECRET?key=SECRET", "could not be reached: ConnectionError"),
        ("{webhook}/broken/SECRET?key=SECRET", "did not take the message: HTTP 500"),
        ("{webhook}/moved/SECRET?key=SECRET", "did not take the message: HTTP 302"),
        ("no address SECRET", "could not be reached: InvalidURL"),
        ("ftp://SECRET/", "could not be reached: InvalidSchema"),
        ("http://SECRET:SECRET/", "could not be reached: InvalidURL"),
        ("http://[SECRET", "could not be reached: "),
        ("http://" + "h" * 300 + "/SECRET", "could not be reached: "),
        ("http://" + "h." * 300 + "/SECRET", "could not be reached: "),
        ("http://.SECRET/", "could not be reached: InvalidURL"),
        ("http://\u2603.\udcff/SECRET", "could not be reached: "),
    ],
)
def test_a_webhook_that_does_not_take_the_post_is_logged_without_its_path_and_breaks_nothing(
    address: str,
    said: str,
    webhook: tuple[str, Received],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    post(address.format(webhook=webhook[0]), "text", logging.getLogger("sensor"))
    (message,) = (record.getMessage() for record in caplog.records if record.name == "sensor")
    assert message.startswith(f"LOOPBACK_WEBHOOK {said}")
    assert "SECRET" not in caplog.text and "h.h" not in caplog.text


def test_a_webhook_without_an_answer_does_not_break_the_sensor(
    failed_run: tuple[dg.ExecuteInProcessResult, dg.DagsterInstance],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("LOOPBACK_WEBHOOK", "http://" + "h" * 300 + "/SECRET")
    alert(*failed_run, caplog)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


@pytest.mark.parametrize(
    ("error", "sentence", "again"),
    [
        (DownloadError("no mirror answers"), "no mirror answers", True),
        (BadLogError("empty"), "empty", False),
        (KeyError("a link to nothing"), "KeyError: 'a link to nothing'", False),
        (RecursionError("a loop of links"), "RecursionError: a loop of links", False),
    ],
)
def test_only_a_download_is_tried_again(error: Exception, sentence: str, again: bool) -> None:
    with pytest.raises(dg.Failure) as told, errors_as_failures():
        raise error
    assert (told.value.description, told.value.allow_retries) == (sentence, again)
