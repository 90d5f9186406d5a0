"""What an asset or a check works with: verified artifacts, settings, and the publishing of its own artifact."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopback_core.checks import refuse_failed
from loopback_core.errors import ArtifactError
from loopback_core.settings import Settings
from loopback_core.stages import STAGES, Stage
from loopback_core.store.artifacts import Artifact, ArtifactStore
from loopback_core.store.digests import digest, file_state

if TYPE_CHECKING:
    from loopback_core.training.workers.launching import Launch


class Step:
    """One asset or check of a run: reads upstream artifacts, publishes its own. It keeps a list of what it read."""

    def __init__(
        self,
        store: ArtifactStore,
        settings: Settings,
        made_in_this_run: Mapping[str, str],
        overrides: Mapping[str, Mapping[str, Any]],
        launch: "Launch | None" = None,
    ) -> None:
        self.store, self.settings, self._made = store, settings, made_in_this_run
        self.overrides = overrides  # what the run says of the settings: section -> key -> value
        self.launch = launch  # starts several workers, where the run itself has to
        self._inputs: list[Artifact] = []
        self._published: list[Artifact] = []

    def newest(self, asset: str) -> Artifact:
        """The version that this run made, else the newest, so that concurrent runs do not mix."""
        if version := self._made.get(asset):
            return self.store.get(asset, version)
        return self.store.latest(asset)

    def sound(self, asset: str) -> Artifact:
        """The newest version, verified; refused when a check of it failed."""
        return self.require(self.newest(asset))

    def upstream(self, artifact: Artifact, asset: str) -> Artifact:
        """The version of `asset` that `artifact` was made from, directly or not; as :meth:`sound`."""
        return self.require(self.store.upstream(artifact, asset))

    def require(self, artifact: Artifact) -> Artifact:
        """`artifact`, verified; refused when a check of it failed."""
        refuse_failed(artifact, self.store, self.settings)
        self._inputs.append(artifact)
        return artifact

    def read(self, artifact: Artifact) -> Artifact:
        """`artifact`, verified, whatever its checks say today."""
        artifact.verify()
        self._inputs.append(artifact)
        return artifact

    def sibling(self, asset: str, upstream: Artifact) -> Artifact:
        """The version of `asset` that was made from `upstream`: by this run, else the newest; as :meth:`sound`."""
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
        extra_settings: Mapping[str, Any] | None = None,
    ) -> tuple[Artifact, bool]:
        """Publish what `make(folder)` writes, or reuse the same version; returns it and whether it was reused.

        The digests of all artifacts that the step read are stored with it. extra_settings: what the result depends on
        beyond the upstream versions, and the settings and code of its stage.
        """
        stage = STAGES[asset]

        def make_verified(folder: Path) -> Mapping[str, Any]:
            try:
                return make(folder)
            finally:
                try:
                    self.verify_inputs()  # nothing changed them while they were read
                except ArtifactError:
                    self.store.forget_scratch(folder)  # checkpoints hold what was learned from the damage
                    raise

        artifact, reused = self.store.build(
            asset,
            make_verified,
            upstream={artifact.asset: artifact.version for artifact in upstream},
            settings={**stage.values(self.settings), **(extra_settings or {})},
            code=stage.code,
            made_from=self._made_from(),
        )
        self._published.append(artifact)
        return artifact, reused

    def scratch(self, folder: Path) -> Path:
        """A folder for checkpoints of what `make` writes into `folder`; see :meth:`ArtifactStore.scratch`.

        A run that was killed may have learned from damage that was repaired since: what another state of the input files
        (as the file system tells them apart) has left is not taken up.
        """
        states = {
            str(artifact.folder / name): file_state(artifact.folder / name)
            for artifact in self._inputs
            for name in artifact.manifest["files"]
        }
        return self.store.scratch(folder, {**self._made_from(), "states": digest(states)})

    def verify_inputs(self) -> None:
        """Raise ArtifactError unless all that the step was handed is still what was published."""
        for artifact in self._inputs:
            artifact.verify()

    def _made_from(self) -> dict[str, str]:
        return {str(artifact): artifact.digest for artifact in self._inputs}

    def begin_verification(self, stage: Stage) -> None:
        """Let other threads digest what the stage is going to read, while torch is loaded or the log is opened."""
        with suppress(ArtifactError, KeyError):  # reported when it is read
            for asset in stage.upstream:
                newest = self.newest(asset)
                newest.begin_verification()
                for above in stage.reads:
                    self.store.lineage(newest, above).begin_verification()

    @contextmanager
    def naming_damage(self) -> Iterator[None]:
        """Turn any error into a sentence when an artifact that was read or published is damaged."""
        try:
            yield
        except Exception as error:
            for artifact in [*self._inputs, *self._published]:
                try:
                    artifact.verify()
                except ArtifactError as damage:
                    raise damage from error
            raise
