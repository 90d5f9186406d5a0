"""A training that begins with the weights of an earlier one, on a log that has grown since: ids are matched by names.

Rows of tracks and artists that are new begin as in any training. The accumulators of row-wise Adagrad go along: without them
the first steps would be as large as those of untrained rows, and undo what was learned.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from loopback_core.data import Ids
from loopback_core.data.names import TrackNames
from loopback_core.errors import ArtifactError
from loopback_core.splits import Splits
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.optimizers import RowwiseAdagrad, Stepper

ACCUMULATORS = "accumulators.safetensors"

SHARE_OF_EPOCHS = 0.2
"""Passes over the data, as a share of those of a training from the beginning."""

NAME_OF_TRACK = ["artist_name", "track_name"]


@dataclass(frozen=True)
class EarlierTraining:
    """What an earlier run of the step wrote, and what it was made from."""

    towers: Path  # of `train_towers`
    splits: Splits
    summary: Mapping[str, Any]

    def obstacle(self, splits: Splits, given: Mapping[str, Any]) -> str:
        """Why a training on these splits cannot begin with it; empty where it can. given: the settings, see `train_towers`."""
        if self.summary.get("given") != given:
            return "[towers] or [training] were changed since"
        before, now = self.splits.tuning, splits.tuning
        if before.own_moments != now.own_moments:
            return "the log is cut in another way"
        if not now.own_moments and before.now > now.now:
            return "the earlier towers have seen listens that are held out now"
        return ""


@dataclass(frozen=True)
class StartingWeights:
    """Weights to begin with, by the names of what their rows are of."""

    folder: Path  # of one pair of towers, with their ACCUMULATORS
    names: TrackNames

    @torch.no_grad()
    def put_into(self, model: TwoTower, optimizers: Sequence[Stepper], names: TrackNames) -> None:
        """names: of the log of `model`.

        Raises:
            ArtifactError: the earlier weights are missing or damaged.
        """
        earlier = TwoTower.load(self.folder)
        rows = {
            "tracks": _rows(self._tracks(self.names, earlier), self._tracks(names, model), NAME_OF_TRACK),
            "artists": _rows(self._artists(self.names, earlier), self._artists(names, model), ["artist_name"]),
        }
        tables = {name: module for name, module in earlier.named_modules() if isinstance(module, IdEmbedding)}
        for name, table in model.named_modules():
            if isinstance(table, IdEmbedding) and table.of in rows:
                old, new = rows[table.of]
                table.weight[new.to(table.weight.device)] = tables[name].weight[old].to(table.weight.device)
        of_tables = {f"{name}.weight" for name, table in tables.items() if table.of in (*rows, "users")}
        before = earlier.state_dict()
        for name, weight in model.state_dict().items():
            if name not in of_tables and before[name].shape == weight.shape:
                weight.copy_(before[name])
        self._put_accumulators(model, optimizers, rows)

    def _put_accumulators(
        self, model: TwoTower, optimizers: Sequence[Stepper], rows: Mapping[str, tuple[Tensor, Tensor]]
    ) -> None:
        if not (self.folder / ACCUMULATORS).exists():  # of another optimizer
            return
        try:
            saved = load_file(self.folder / ACCUMULATORS)
        except Exception as error:  # safetensors raises errors of its own
            raise ArtifactError(f"{self.folder / ACCUMULATORS} cannot be read ({error}); train again.") from error
        for name, accumulator, table in _accumulators(model, optimizers):
            if table.of in rows and name in saved:
                old, new = rows[table.of]
                accumulator[new.to(accumulator.device)] = saved[name][old].to(accumulator.device)

    @staticmethod
    def _tracks(names: TrackNames, model: TwoTower) -> pl.DataFrame:
        return names.frame.head(model.vocabulary.n_tracks)

    @staticmethod
    def _artists(names: TrackNames, model: TwoTower) -> pl.DataFrame:
        """Row i for artist i, as far as the model knows them."""
        artists = names.frame.select("artist", "artist_name").unique("artist", keep="first").sort("artist")
        return artists.filter(pl.col("artist") < model.vocabulary.n_artists)


def save_accumulators(model: TwoTower, optimizers: Sequence[Stepper], path: Path) -> None:
    """Write the accumulators of every table; nothing where the optimizer has none."""
    saved = {name: accumulator.cpu().contiguous() for name, accumulator, _ in _accumulators(model, optimizers)}
    if saved:
        save_file(saved, path)


def _accumulators(model: TwoTower, optimizers: Sequence[Stepper]) -> list[tuple[str, Tensor, IdEmbedding]]:
    """Name, accumulator and table."""
    tables = [(name, module) for name, module in model.named_modules() if isinstance(module, IdEmbedding)]
    return [
        (name, accumulator, table)
        for optimizer in optimizers
        if isinstance(optimizer, RowwiseAdagrad)
        for (name, table), accumulator in zip(tables, optimizer.accumulators, strict=True)
    ]


def _rows(before: pl.DataFrame, now: pl.DataFrame, on: list[str]) -> tuple[Tensor, Tensor]:
    """The rows of what both have, in the order of now."""
    old = before.select(on).with_row_index("old")
    both = now.select(on).with_row_index("new").join(old, on=on, how="inner", maintain_order="left")
    ids: list[Ids] = [both[name].to_numpy().astype(np.int64) for name in ("old", "new")]
    return torch.from_numpy(ids[0]), torch.from_numpy(ids[1])
