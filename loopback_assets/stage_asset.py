"""The decorator of every asset: what the table of stages says of it, and how its errors reach the user."""

import inspect
from collections.abc import Callable
from typing import Any

import dagster as dg

from loopback_assets.failures import errors_as_failures
from loopback_assets.resources import Loopback
from loopback_assets.retraining import FRESHNESS, RETRAIN
from loopback_assets.step import Step
from loopback_core.stages import STAGES

OWNERS = ["team:loopback"]

Body = Callable[[Step], dg.MaterializeResult[Any]]


def stage_asset(name: str, *, retrained: bool = True, **described: Any) -> Callable[[Body], dg.AssetsDefinition]:
    """`@dg.asset` for the stage of this name; `described` are further arguments of it.

    retrained: whether each retrain makes it. Then it is expected every week, and with a limit for the pool (docs/dagster.yaml)
    no two runs make such assets at once.

    The code version is a digest of the source of the step and of all that it imports, so that the UI marks as stale
    what was made by other code.
    """
    stage = STAGES[name]
    of_retrain: dict[str, Any] = {"pool": RETRAIN, "freshness_policy": FRESHNESS} if retrained else {}

    def decorate(body: Body) -> dg.AssetsDefinition:
        def run(context: dg.AssetExecutionContext, loopback: Loopback) -> dg.MaterializeResult[Any]:
            with errors_as_failures():
                step = loopback.step(context)
                step.begin_verification(stage)
                with step.naming_damage():
                    return body(step)

        asset: dg.AssetsDefinition = dg.asset(
            name=name,
            deps=list(stage.upstream),
            code_version=stage.code,
            owners=OWNERS,
            description=inspect.getdoc(body),
            **of_retrain,
            **described,
        )(run)
        return asset

    return decorate
