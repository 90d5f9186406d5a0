"""The asset that says what was heard of what was shown."""

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from loopback_assets.definitions import defs
from loopback_core.listens.received import microseconds
from loopback_core.served_quality.answer_log import AnswerLog, LoggedAnswer

Materialize = Callable[..., dg.ExecuteInProcessResult]

LOG = "".join(f"{user}\t2009-05-0{day}T23:08:57Z\t\tAir\t\tMer\n" for user in ("ann", "bob") for day in range(1, 6))


def metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node("served_quality")
    return {name: value.value for name, value in event.metadata.items()}


def test_it_says_that_nothing_was_logged_and_is_made_again_when_something_is(
    tmp_path: Path, materialize: Materialize
) -> None:
    home, source = tmp_path / "home", {"name": str(tmp_path / "log.tsv")}
    (tmp_path / "log.tsv").write_text(LOG)
    first = materialize(home, "*served_quality", source=source)
    assert first.success and "No answer is in the log" in metadata(first)["sentences"]
    with closing(AnswerLog.open(home)) as log:
        log.add([LoggedAnswer(microseconds(datetime(2009, 5, 1, tzinfo=UTC)), "discovery", "gone", "ann", 1, (0,))])
        second = materialize(home, "served_quality", source=source)
        assert second.success and (metadata(second)["unreadable"], metadata(second)["reused"]) == (1, False)
    assert metadata(materialize(home, "served_quality", source=source))["reused"]


def test_no_retrain_makes_it() -> None:
    assert "served_quality" not in defs.resolve_job_def("retrain").graph.node_dict
