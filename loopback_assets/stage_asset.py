"""The decorator of every asset: what the table of stages knows of it, and how its errors reach the user."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from loopback_assets.resources import told_to_the_user
from loopback_core.stages import STAGES

OWNERS = ["team:loopback"]


def stage_asset(
    name: str, **described: Any
) -> Callable[[Callable[..., dg.MaterializeResult[Any]]], dg.AssetsDefinition]:
    """`@dg.asset` for the stage of this name; `described` are further arguments of it.

    The code version is a digest of the source of the step and of all that it imports, so that the UI marks as stale
    what was made by other code.
    """
    stage = STAGES[name]

    def decorate(body: Callable[..., dg.MaterializeResult[Any]]) -> dg.AssetsDefinition:
        asset = dg.asset(name=name, deps=list(stage.upstream), code_version=stage.code, owners=OWNERS, **described)
        made: dg.AssetsDefinition = asset(told_to_the_user()(body))
        return made

    return decorate
