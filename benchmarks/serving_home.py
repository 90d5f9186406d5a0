"""A home with bundles at any size, for benchmarks of the service.

The log is the generated one. Splits and relations are made as by the graph; the towers have the recipe's shape and are not
trained, every feature of the score has a weight, and as many trees as are ever fitted correct it: training changes answers, not
their time.

    uv run python benchmarks/serving_home.py HOME --events N --encoder pooled
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from full_size import run

MADE_BY_GRAPH = ("raw_listens", "interactions", "temporal_splits")

ENCODERS = ("pooled", "hstu")

WEIGHT, OF_TOWERS = 0.05, 0.04
"""Of a feature, with the sign that its term allows, and of the product of the towers: about as fitted ones are."""


def make_home(home: Path, events: int, users: int, encoders: list[str]) -> dict[str, list[str]]:
    """A home with two bundles of each encoder, the same bytes in files of their own; what is there is kept.

    Returns:
        encoder -> the versions of its bundles.
    """
    home.mkdir(parents=True, exist_ok=True)
    (home / "settings.toml").write_text(
        f"[source]\nsample_events = {events}\nsample_users = {users}\n"
        "[checks]\nmin_train_events = 100\nmin_validation_events = 10\nmin_test_events = 10\n",
        "utf-8",
    )
    environment = os.environ | {"LOOPBACK_HOME": str(home), "LOOPBACK_CONFIG": str(home / "settings.toml")}
    environment.pop("LOOPBACK_SOURCE", None)
    if not (home / "temporal_splits" / "LATEST").exists():
        for asset in MADE_BY_GRAPH:
            command = [sys.executable, "-m", "dagster", "asset", "materialize", "--select", asset]
            took = run([*command, "-m", "loopback_assets.definitions"], environment)
            print(f"{asset}: {took['command_seconds']:.0f} s", flush=True)
    for made in MADE_BY_GRAPH[:2]:
        shutil.rmtree(home / made, ignore_errors=True)  # the splits hold all that follows needs
    versions = {}
    for encoder in encoders:  # each in a process of its own, which gives its memory back
        command = [sys.executable, __file__, str(home), "--events", str(events), "--encoder", encoder]
        said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        versions[encoder] = json.loads(said.splitlines()[-1])
    return versions


def make_bundles(home: Path, events: int, encoder: str) -> list[str]:
    """Two bundles of an encoder; returns their versions."""
    from loopback_core.store.artifacts import ArtifactStore

    store, versions = ArtifactStore(home), []

    def build(folder: Path) -> dict:
        return _write_bundle(store, events, encoder, folder)

    def copy(folder: Path) -> dict:
        shutil.copytree(first.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
        return dict(first.summary)

    for number, make in enumerate((build, copy)):
        settings = {"encoder": encoder, "events": events, "copy": number}
        artifact, _ = store.build("bundle", make, upstream={}, settings=settings, code="")
        first = store.get("bundle", versions[0]) if versions else artifact
        versions.append(artifact.version)
    return versions


def _write_bundle(store, events: int, encoder: str, folder: Path) -> dict:
    import torch

    from loopback_core.bundle.build_bundle import Evaluated, build_bundle
    from loopback_core.ranking.corrector_files import save_correctors
    from loopback_core.ranking.linear_ranker import save_rankers
    from loopback_core.recommenders.build_retrieval import embed_catalog, index_catalog
    from loopback_core.settings import load_settings
    from loopback_core.splits import Splits
    from loopback_core.towers.two_tower import TwoTower, Vocabulary
    from loopback_core.training.train import learn_relations

    settings = load_settings({"towers": {"user_encoder": encoder}, "bundle": {"refit": "none"}}, environ={})
    splits = Splits(store.latest("temporal_splits").folder)
    catalog = splits.testing.catalog
    with tempfile.TemporaryDirectory(dir=store.home) as temporary:
        towers, ranker, vectors, index = (Path(temporary) / name for name in ("towers", "ranker", "vectors", "index"))
        for made in (towers, ranker, vectors, index):
            made.mkdir()
        torch.manual_seed(0)
        model = TwoTower(
            Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists),
            settings.towers,
            temperature=settings.training.temperature,
        )
        model.save(towers)
        learn_relations(splits.testing, settings).save(towers)
        save_rankers(dict.fromkeys(("discovery", "next_listen"), every_feature()), ranker)
        save_correctors(dict.fromkeys(("discovery", "next_listen"), trees_of_noise()), ranker)
        del model
        embed_catalog(splits, towers, vectors)
        index_catalog(splits, towers, vectors, settings.index, index)
        summary = {"settings": {"towers": settings.towers.model_dump(mode="json")}, "best_epoch": 1}
        source = {"name": "sample", "events": events, "users": catalog.n_users, "tracks": catalog.n_tracks}
        source["artists"] = catalog.n_artists
        verdict = {"evaluation": "none", "verdicts": []}
        evaluated = Evaluated(splits, towers, ranker, vectors, index, summary, source, verdict)
        return build_bundle(evaluated, settings, folder, folder)


def every_feature():
    """A ranker with a weight of every feature."""
    from loopback_core.ranking.fitting import sign_bounds
    from loopback_core.ranking.linear_ranker import FEATURES, PRODUCT, LinearRanker

    bounds = sign_bounds()
    weights = {name: -WEIGHT if high <= 0 else WEIGHT for name, high in zip(FEATURES, bounds.high, strict=True)}
    return LinearRanker.of(weights | {PRODUCT: OF_TOWERS})


def trees_of_noise():
    """The largest number of trees that is ever fitted, of requests in which nothing can be learned."""
    import numpy as np

    from loopback_core.data import Ragged
    from loopback_core.ranking.best_candidates import RANK_FEATURES
    from loopback_core.ranking.rank_requests import RankRequests
    from loopback_core.ranking.tree_fitting import Trees
    from loopback_core.settings import RankingSettings

    requests, places = 200, RankingSettings().places
    rng = np.random.default_rng(0)
    n = requests * places
    noise = RankRequests(
        rng.standard_normal((n, len(RANK_FEATURES)), np.float32),
        np.zeros(n, np.float32),
        np.full(requests, places),
        np.zeros(n, np.int64),
        Ragged(np.zeros(requests + 1, np.int64), np.zeros(0, np.int64)),
        rng.random(n) < 0.05,
        np.full(requests, 15),
        np.arange(requests),
    )
    most = Trees.steps[-1]
    return Trees().fit(noise, most, 0).corrector(most, places)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--encoder", choices=ENCODERS, default="pooled")
    options = parser.parse_args()
    print(json.dumps(make_bundles(options.home, options.events, options.encoder)))
