"""The step that makes a bundle: train once more on everything, embed and index the catalog, write what is known."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from loopback_core.bundle.bundle_files import KNOWN, WORKS, KnownJson, write_json, write_known
from loopback_core.bundle.canaries import CANARIES, ask_canaries
from loopback_core.bundle.known_lists import save_lists
from loopback_core.bundle.rank_known import rank_known
from loopback_core.bundle.refit_comparison import RefitJson, compare_refit
from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import FitData, ListensByUser
from loopback_core.errors import SettingsError
from loopback_core.features.track_content import track_content
from loopback_core.ranking.catalog_values import catalog_values
from loopback_core.recommenders.ranked_towers import RANKER_FILES
from loopback_core.reranking.versions import works_of
from loopback_core.retrieval.embed import track_vectors
from loopback_core.retrieval.indexes import INDEX_SUFFIXES, build_index_in_shards, save_index
from loopback_core.retrieval.vectors import load_vectors, save_catalog_values, save_vectors
from loopback_core.settings import Settings
from loopback_core.splits import Splits
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.train import copy_accumulators, train_again, with_settings_of
from loopback_core.training.warm_start import StartingWeights


@dataclass(frozen=True)
class Evaluated:
    """The artifacts that were evaluated together."""

    splits: Splits
    towers: Path
    ranker: Path
    vectors: Path
    index: Path
    summary: Mapping[str, Any]  # of the towers: what was chosen
    source: Mapping[str, Any]  # of evaluation.json
    verdict: Mapping[str, Any]
    start: StartingWeights | None = None  # of an earlier bundle, where the towers began with those of its training


def build_bundle(evaluated: Evaluated, settings: Settings, folder: Path, checkpoints: Path) -> dict[str, Any]:
    """Write a bundle into `folder`, with the answers to its canaries; returns a summary that JSON can hold.

    checkpoints: a folder that outlives a killed run.

    Raises:
        SettingsError: the towers know users by their ids, and cannot answer a history.
    """
    if evaluated.summary["settings"]["towers"]["user_encoder"] == "id":
        raise SettingsError(
            "Towers with towers.user_encoder = 'id' answer no history, so they cannot be served: train a preset that reads "
            "histories (training.preset = 'default')."
        )
    refit = None
    if settings.bundle.refit == "all":
        fit, refit = _train_on_everything(evaluated, settings, folder, checkpoints)
    else:
        fit = evaluated.splits.testing
        for upstream in (evaluated.towers, evaluated.vectors, evaluated.index):
            _link_files(upstream, folder)
    for pattern in RANKER_FILES:  # fitted on validation, which its towers had not seen
        for path in evaluated.ranker.glob(pattern):
            _link(path, folder)
    splits, n_tracks = evaluated.splits, fit.catalog.n_tracks
    names = pl.concat([splits.track_names, splits.mbids], how="horizontal").head(n_tracks)
    histories = _histories(splits, n_tracks)
    users = splits.users["user_id"].head(len(histories.starts)).to_list()
    write_known(fit, histories, names, users, folder)
    np.save(folder / f"{WORKS}.npy", works_of(names["track_name"], fit.catalog.artist))
    known: KnownJson = {
        "now": fit.now,
        "last_listen": int(histories.timestamps.max(initial=0)),
        "own_moments": fit.own_moments,
        "has_profiles": fit.demographics is not None,
        "n_users": len(users),
        "refit": settings.bundle.refit,
        "rerank": settings.bundle.rerank,
        "source": dict(evaluated.source),
        "evaluated": dict(evaluated.verdict),
    }
    write_json(known, folder / KNOWN)
    served = ServedBundle.load(folder)
    save_lists(rank_known(served), folder)
    write_json(ask_canaries(served), folder / CANARIES)
    return {"tracks": n_tracks, "users": len(users), "refit": settings.bundle.refit, "comparison": refit}


def _train_on_everything(
    evaluated: Evaluated, settings: Settings, folder: Path, checkpoints: Path
) -> tuple[FitData, RefitJson]:
    """Towers, relations, vectors and index of the whole log, with the recipe and the passes that were chosen."""
    chosen, splits = with_settings_of(settings, evaluated.summary), evaluated.splits
    fit = splits.everything
    model, relations, _ = train_again(fit, chosen, _epochs(evaluated), checkpoints, evaluated.start)
    model = model.cpu()
    comparison = compare_refit(TwoTower.load(evaluated.towers), model, splits.testing)
    model.save(folder)
    relations.save(folder)
    copy_accumulators(checkpoints, folder)
    vectors, values = track_vectors(model, track_content(fit, model.settings)), catalog_values(fit)
    save_vectors(vectors, folder)
    save_catalog_values(values, folder)
    save_index(build_index_in_shards(partial(load_vectors, folder), chosen.index, checkpoints)[0], folder)
    return fit, comparison


def _epochs(evaluated: Evaluated) -> int:
    """Passes over the data: as many as the evaluated towers took, which are few where they began with others."""
    summary = evaluated.summary
    epochs: int = summary["best_epoch"]
    return summary["epochs_from_new"] if summary.get("is_warm") and evaluated.start is None else epochs


def _histories(splits: Splits, n_tracks: int) -> ListensByUser:
    """What every user played up to the end of the log, tracks beyond the catalog left out."""
    events = splits.everything.events
    known = events.track < n_tracks
    events = events if known.all() else replace(events.where(known), published=None)
    by_user = events.by_user
    n_users = splits.everything.catalog.n_users
    missing = n_users - len(by_user.starts)  # users who only played tracks beyond the catalog
    end = np.full(missing, len(by_user.tracks), np.int64)
    return replace(by_user, starts=np.r_[by_user.starts, end], stops=np.r_[by_user.stops, end])


def _link_files(upstream: Path, folder: Path) -> None:
    """What a request needs of an artifact; plots and histories of training stay where they are."""
    for path in upstream.iterdir():
        if path.name in ("towers.json", "index.json") or path.suffix in (".safetensors", ".npy", *INDEX_SUFFIXES):
            _link(path, folder)


def _link(path: Path, folder: Path) -> None:
    """A hard link where the file system allows it, which takes no room; else a copy."""
    try:
        os.link(path, folder / path.name)
    except OSError:
        shutil.copyfile(path, folder / path.name)
