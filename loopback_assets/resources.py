"""The one resource: where artifacts live, which settings hold, and which versions belong to this run."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from loopback_assets.config import FORMS, overrides
from loopback_assets.ray_launcher import launch_as_ray_job
from loopback_assets.step import Step
from loopback_core.settings import Settings, load_settings
from loopback_core.store.artifacts import ArtifactStore

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

    def step(self, context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> Step:
        """What an asset or check of this run works with."""
        versions = _versions_of_run(context.instance, context.run.run_id)
        settings, launch = self.settings(), None
        if settings.training.launcher == "pipes" and isinstance(context, dg.AssetExecutionContext):
            launch = partial(launch_as_ray_job, context)
        return Step(self.store(), settings, versions, self.given(), launch)


def _versions_of_run(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """Asset -> the version that this run has materialized so far."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.dagster_event for entry in entries if entry.dagster_event]
    materializations = [event.step_materialization_data.materialization for event in events]
    return {m.asset_key.path[-1]: m.tags[VERSION_TAG] for m in materializations if m.tags and VERSION_TAG in m.tags}
