import logging
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from loopback_assets.failures import errors_as_failures

Materialize = Callable[..., dg.ExecuteInProcessResult]

core = logging.getLogger("loopback")


def told(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str | None, str, str]]:
    """The entries of the log of a run other than Dagster's own events: step, level, message."""
    entries = instance.all_logs(run_id)
    return [(e.step_key, logging.getLevelName(e.level), e.user_message) for e in entries if e.dagster_event is None]


def test_what_the_core_logs_is_in_the_log_of_the_run_once_at_its_step_and_its_level(
    instance: dg.DagsterInstance,
) -> None:
    @dg.asset
    def first() -> None:
        with errors_as_failures():
            core.info("%d of 3 files", 1)
            core.debug("a detail")

    @dg.asset(deps=[first])
    def second() -> None:
        with errors_as_failures():
            core.warning("slow")
        core.warning("outside")

    for _ in range(2):
        run = dg.materialize([first, second], instance=instance)
        assert told(instance, run.run_id) == [("first", "INFO", "1 of 3 files"), ("second", "WARNING", "slow")]


def test_the_logger_of_the_core_is_left_as_it_was_also_after_an_error() -> None:
    before = core.level, list(core.handlers)
    with pytest.raises(dg.Failure, match="ZeroDivisionError"), errors_as_failures():
        raise ZeroDivisionError
    assert (core.level, list(core.handlers)) == before


def test_training_tells_the_run_of_each_epoch(
    copied_home: Path, materialize: Materialize, instance: dg.DagsterInstance
) -> None:
    result = materialize(copied_home, "trained_towers", training={"seed": 9}, instance=instance)
    epochs = [line for line in told(instance, result.run_id) if line[2].startswith("epoch")]
    refit = [line[2] for line in told(instance, result.run_id) if line[2].startswith("refit, epoch")]
    assert 1 <= len(refit) <= 3
    assert [(step, level) for step, level, _ in epochs] == [("trained_towers", "INFO")] * 3
    for number, (_, _, message) in enumerate(epochs, 1):
        assert message.startswith(f"epoch {number}: loss ")
