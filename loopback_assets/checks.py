"""The asset checks: every check of the core as Dagster runs it."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from loopback_assets.failures import errors_as_failures
from loopback_assets.resources import Loopback
from loopback_core.checks import CHECKS, Check, judge
from loopback_core.errors import ArtifactError
from loopback_core.stages import STAGES


def _asset_check(check: Check) -> dg.AssetChecksDefinition:
    severity = dg.AssetCheckSeverity.ERROR if check.blocking else dg.AssetCheckSeverity.WARN

    @dg.asset_check(asset=check.asset, name=check.name, blocking=check.blocking, description=check.description)
    @errors_as_failures()
    def run(context: dg.AssetCheckExecutionContext, loopback: Loopback) -> dg.AssetCheckResult:
        step = loopback.step(context)
        try:
            artifact = step.newest(check.asset)
        except ArtifactError as error:
            optional = not STAGES[check.asset].in_chain and not step.store.has(check.asset)
            return dg.AssetCheckResult(passed=optional, severity=severity, description=str(error))
        verdict = judge(check, artifact, step.store, step.settings)
        if not verdict.passed:
            say = context.log.error if check.blocking else context.log.warning
            say(f"{check.asset} failed its check {check.name}: {verdict.sentence}")
        return dg.AssetCheckResult(
            passed=bool(verdict.passed),
            severity=severity,
            description=verdict.sentence,
            metadata={"version": artifact.version, **dict(_metadata(verdict.facts))},
        )

    return run


def _metadata(facts: Any) -> Iterator[tuple[str, Any]]:
    """Facts as plain values: numpy's scalars would not pass, and a list or dict is shown as JSON."""
    for name, value in facts.items():
        if isinstance(value, bool | str):
            yield name, value
        elif isinstance(value, list | dict):
            yield name, dg.MetadataValue.json(value)
        elif value is not None:
            yield name, float(value) if isinstance(value, float) else int(value)


CHECK_DEFINITIONS = [_asset_check(check) for of_asset in CHECKS.values() for check in of_asset]
