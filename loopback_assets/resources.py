"""The one resource: where artifacts live, which settings hold, and which versions belong to this run."""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from loopback_assets.config import FORMS, overrides
from loopback_core.checks import refuse_failed
from loopback_core.errors import DownloadError, LoopbackError
from loopback_core.settings import Settings, load_settings
from loopback_core.stages import STAGES
from loopback_core.store.artifacts import Artifact, ArtifactStore

VERSION_TAG = "dagster/data_version"

_FIELDS: dict[str, Any] = {
    name: (form, Field(default_factory=form, description=form.__doc__)) for name, form in FORMS.items()
}
_Forms: Any = create_model("_Forms", __base__=dg.ConfigurableResource, **_FIELDS)


class Loopback(_Forms):
    """Settings and the artifact store. What is filled in here overrides `LOOPBACK_CONFIG` and `LOOPBACK_SOURCE`."""

    home: str | None = Field(default=None, description="Folder of the artifacts; unset: LOOPBACK_HOME, else .loopback.")

    def store(self) -> ArtifactStore:
        """The artifact store."""
        return ArtifactStore(Path(self.home or os.environ.get("LOOPBACK_HOME") or ".loopback"))

    def settings(self) -> Settings:
        """The settings of this run."""
        return load_settings(self.given())

    def given(self) -> dict[str, dict[str, Any]]:
        """What was filled in: section -> key -> value."""
        return overrides({name: getattr(self, name) for name in FORMS})

    def step(self, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> "Step":
        """What an asset or check of this run works with."""
        return Step(self.store(), self.settings(), _versions_of_run(context.instance, context.run.run_id))


class Step:
    """One asset or check at work: reads upstream artifacts, publishes its own."""

    def __init__(self, store: ArtifactStore, settings: Settings, made_in_this_run: Mapping[str, str]) -> None:
        self.store, self.settings, self._made = store, settings, made_in_this_run

    def newest(self, asset: str) -> Artifact:
        """The version that this run made, else the newest: runs side by side do not mix."""
        if version := self._made.get(asset):
            return self.store.get(asset, version)
        return self.store.latest(asset)

    def sound(self, asset: str) -> Artifact:
        """The newest version, refused when a check of it failed."""
        return self.require(self.newest(asset))

    def require(self, artifact: Artifact) -> Artifact:
        """`artifact`, refused when a check of it failed."""
        refuse_failed(artifact, self.store, self.settings)
        return artifact

    def beside(self, asset: str, upstream: Artifact) -> Artifact:
        """The version of `asset` that was made from `upstream`: by this run, else the newest; refused as in `sound`."""
        if version := self._made.get(asset):
            made = self.store.get(asset, version)
            if made.manifest["upstream"].get(upstream.asset) == upstream.version:
                return self.require(made)
        return self.require(self.store.made_from(asset, upstream))

    def publish(
        self,
        asset: str,
        make: Callable[[Path], Mapping[str, Any]],
        *,
        upstream: list[Artifact],
        beside: Mapping[str, Any] | None = None,
    ) -> tuple[Artifact, bool]:
        """Publish what `make(folder)` writes, or reuse the same version; returns it and whether it was reused.

        beside: what the result depends on beyond the upstream versions, and the settings and code of its stage.
        """
        stage = STAGES[asset]
        return self.store.build(
            asset,
            make,
            upstream={artifact.asset: artifact.version for artifact in upstream},
            settings={**stage.settings(self.settings), **(beside or {})},
            code=stage.code,
        )


class _ToTheRun(logging.Handler):
    """Hands what the core logs to Dagster, which keeps it with the run and the step at work."""

    def emit(self, record: logging.LogRecord) -> None:
        dg.get_dagster_logger().handle(record)


_TO_THE_RUN = _ToTheRun()


@contextmanager
def told_to_the_user() -> Iterator[None]:
    """Put what the core logs into the log of the run, and turn its errors into failures.

    An error that the user can put right becomes a failure that says just that. Retrying helps against a network only.
    """
    core = logging.getLogger("loopback")
    level = core.level
    core.setLevel(logging.INFO)
    core.addHandler(_TO_THE_RUN)
    try:
        yield
    except LoopbackError as error:
        raise dg.Failure(description=str(error), allow_retries=isinstance(error, DownloadError)) from error
    finally:
        core.removeHandler(_TO_THE_RUN)
        core.setLevel(level)


def _versions_of_run(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """Asset -> the version that this run has materialized so far."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.dagster_event for entry in entries if entry.dagster_event]
    found = [event.step_materialization_data.materialization for event in events]
    return {m.asset_key.path[-1]: m.tags[VERSION_TAG] for m in found if m.tags and VERSION_TAG in m.tags}
