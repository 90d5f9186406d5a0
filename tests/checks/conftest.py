import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import count

import numpy as np
import polars as pl
import pytest
from planted_artifacts import planted_evaluated

from loopback_core.bundle.build_bundle import build_bundle
from loopback_core.checks import CHECKS, judge
from loopback_core.drift.build_drift import Side, build_drift
from loopback_core.listens.log_rules import Reason
from loopback_core.listens.raw import publish_raw
from loopback_core.listens.schema import Reject, validate
from loopback_core.promotion.judging import unjudged, write_verdict
from loopback_core.served_quality.measure_served import measure_served
from loopback_core.settings import (
    ChecksSettings,
    EvaluationSettings,
    MlpSettings,
    Settings,
    SourceSettings,
    SplitSettings,
    TowersSettings,
)
from loopback_core.splits import Splits, split_listens
from loopback_core.store.artifacts import Artifact, ArtifactStore

# The ten listens: six in train, two in validation, two in test.
SPLIT = SplitSettings(validation_fraction=0.3, test_fraction=0.2)
CHECKS_OF_TEN = {
    "min_train_events": 6,
    "min_validation_events": 2,
    "min_test_events": 2,
    "split_tolerance": 0.11,
    "max_reject_share": 0.2,
    "recall_floor": 0.25,
    "min_evaluation_users": 1,
}


@dataclass
class Chain:
    """One sound artifact per asset, and ways to spoil them. What is published here is never changed in place."""

    store: ArtifactStore
    sound: dict[str, Artifact] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    def publish(self, asset, make, upstream=(), settings=()):
        versions = {name: self.sound[name].version for name in upstream}
        code = str(next(self._numbers))
        return self.store.build(asset, make, upstream=versions, settings=dict(settings), code=code)[0]

    def spoiled(
        self, asset: str, change: Callable, upstream: dict[str, str] | None = None, summary: dict | None = None
    ) -> Artifact:
        """The sound artifact with `change(folder)` made before publishing, so that its bytes are what was published."""
        sound = self.sound[asset]

        def make(folder):
            kept = shutil.ignore_patterns("manifest.json", "checks.json")
            shutil.copytree(sound.folder, folder, dirs_exist_ok=True, ignore=kept)
            change(folder)
            return {**sound.summary, **(summary or {})}

        return self.store.build(
            asset,
            make,
            upstream={**sound.manifest["upstream"], **(upstream or {})},
            settings=sound.manifest["settings"],
            code=str(next(self._numbers)),
        )[0]

    def copy(self, asset):
        """The sound artifact under another version, to damage or to record verdicts at."""
        return self.spoiled(asset, lambda folder: None)

    def with_losses(self, *losses):
        """Towers with this training history."""
        return self.spoiled("trained_towers", lambda folder: write_history(folder, losses))

    def with_recall(self, **recall):
        """A report with these values of recall@100 in discovery."""
        return self.spoiled("evaluation", lambda folder: write_report(folder, recall))

    def with_report(self, change):
        """A report whose content `change(content)` has changed in place."""

        def spoil(folder):
            path = folder / "evaluation.json"
            content = json.loads(path.read_text())
            change(content)
            path.write_text(json.dumps(content))

        return self.spoiled("evaluation", spoil)

    def verdict(self, name, artifact, **checks):
        """What the check of that name says of `artifact` under these thresholds."""
        (check,) = (check for check in CHECKS[artifact.asset] if check.name == name)
        return judge(check, artifact, self.store, settings_of(**checks))


def settings_of(**checks):
    return Settings(checks=ChecksSettings(**{**CHECKS_OF_TEN, **checks}))


@pytest.fixture
def settings():
    return settings_of()


@pytest.fixture
def chain(tmp_path, ten_listens, write_interactions):
    chain = Chain(ArtifactStore(tmp_path / "home"))
    log = tmp_path / "log.tsv"
    log.write_text(
        "".join(f"{user}\t1970-01-01T00:01:00Z\t\t{artist}\t\t{title}\n" for user, _, artist, title in ten_listens)
    )
    chain.sound["raw_listens"] = publish_raw(chain.store, SourceSettings(name=str(log)))[0]

    def interactions(folder):
        write_interactions(folder, ten_listens)
        reasons = [Reason.MISSING_TITLE, Reason.EXACT_DUPLICATE, Reason.EXACT_DUPLICATE]
        rejects = pl.DataFrame(
            {
                "file": [0] * 3,
                "line": [11, 12, 13],
                "reason": [r.value for r in reasons],
                "text": ["ann", "bob", "bob"],
            },
            schema_overrides={"file": pl.UInt16, "line": pl.UInt32},
        )
        validate(Reject, rejects).write_parquet(folder / "rejects.parquet")
        return {"rows": 13, "kept": 10}

    chain.sound["interactions"] = chain.publish("interactions", interactions, ["raw_listens"])
    listens = chain.sound["interactions"].folder
    chain.sound["temporal_splits"] = chain.publish(
        "temporal_splits",
        lambda folder: asdict(split_listens(listens, folder, SPLIT)),
        ["interactions"],
        SPLIT.model_dump(mode="json"),
    )
    return chain


COMPARISON = {
    "users": 60,
    "overlap": 0.5,
    "temperature": 0.07,
    "temperature_evaluated": 0.06,
    "largest_norm_error": 1e-7,
}


@pytest.fixture(scope="session")
def planted(tmp_path_factory):
    """The artifacts of another log: of the chain above a bundle the checks read its ranker alone."""
    return planted_evaluated(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="session")
def planted_bundle(planted, tmp_path_factory):
    """The files of a bundle of it."""
    folder = tmp_path_factory.mktemp("planted_bundle")
    build_bundle(planted, Settings(bundle={"refit": "none"}), folder, folder)
    return folder


@pytest.fixture
def trained(chain, planted, planted_bundle):
    """The chain up to the report, the bundle and its drift, with untrained towers."""
    import torch

    from loopback_core.ranking.linear_ranker import LinearRanker, save_rankers
    from loopback_core.recommenders.baselines.baseline_lists import build_baselines
    from loopback_core.recommenders.build_retrieval import embed_catalog, index_catalog
    from loopback_core.towers.two_tower import TwoTower, Vocabulary

    splits = Splits(chain.sound["temporal_splits"].folder)
    settings = settings_of()
    shape = TowersSettings(mlp=MlpSettings(id_dim=4, hidden_dim=8), output_dim=4)

    def towers(folder):
        torch.manual_seed(0)
        TwoTower(Vocabulary(n_users=2, n_tracks=3, n_artists=3), shape).save(folder)
        write_history(folder, [3.0, 2.5, 2.75])
        return {"refit": False}

    def rankers(folder):
        save_rankers({"discovery": LinearRanker.of({"towers": 1.0, "listeners": 0.5})}, folder)
        return {}

    chain.sound["trained_towers"] = chain.publish("trained_towers", towers, ["temporal_splits"])
    weights = chain.sound["trained_towers"].folder
    chain.sound["trained_ranker"] = chain.publish("trained_ranker", rankers, ["trained_towers"])
    chain.sound["track_embeddings"] = chain.publish(
        "track_embeddings", lambda folder: embed_catalog(splits, weights, folder), ["trained_towers"]
    )
    vectors = chain.sound["track_embeddings"].folder
    chain.sound["faiss_index"] = chain.publish(
        "faiss_index",
        lambda folder: index_catalog(splits, weights, vectors, settings.index, folder),
        ["track_embeddings"],
    )

    of_baselines = EvaluationSettings(baselines=["personal_decayed"], moments=2)
    chain.sound["baselines"] = chain.publish(
        "baselines",
        lambda folder: build_baselines(splits, of_baselines, folder),
        ["temporal_splits"],
        of_baselines.model_dump(mode="json"),
    )

    def evaluation(folder):
        write_report(folder, {"ranked": 0.3, "popularity_users": 0.2})
        return {}

    chain.sound["evaluation"] = chain.publish("evaluation", evaluation, ["faiss_index", "trained_ranker", "baselines"])

    def planted_ranker(folder):
        shutil.copytree(planted.ranker, folder, dirs_exist_ok=True)
        return {}

    def bundle(folder):
        shutil.copytree(planted_bundle, folder, dirs_exist_ok=True)
        return {"tracks": 200, "users": 60, "refit": "all", "comparison": COMPARISON}

    of_chain = chain.sound["trained_ranker"]
    chain.sound["trained_ranker"] = chain.publish("trained_ranker", planted_ranker, ["trained_towers"])
    chain.sound["bundle"] = chain.publish("bundle", bundle, ["trained_ranker", "evaluation"])
    chain.sound["trained_ranker"] = of_chain

    def drift(folder):
        side = Side("new", planted_bundle, chain.sound["interactions"].folder)
        return dict(build_drift(side, None, settings.drift, folder))

    chain.sound["drift"] = chain.publish("drift", drift, ["bundle"])

    def promotion(folder):
        return write_verdict(
            unjudged("promote", "No bundle was served before.", chain.sound["bundle"].version, None), folder
        )

    chain.sound["promotion"] = chain.publish("promotion", promotion, ["bundle", "drift"])

    def served_quality(folder):
        listens = chain.sound["interactions"].folder / "interactions.parquet"
        return dict(measure_served(None, {}, listens, None, settings, folder))

    chain.sound["served_quality"] = chain.publish("served_quality", served_quality, ["interactions"])

    def ablation(folder):
        (folder / "ablation.json").write_text(
            json.dumps({**ABLATION, "rows": [row_of("default"), row_of("without masks", -0.01)]})
        )
        return {}

    chain.sound["ablation"] = chain.publish("ablation", ablation, ["temporal_splits"])

    def lineage(folder):
        (folder / "lineage.json").write_text("{}")
        return {}

    chain.sound["lineage"] = chain.publish("lineage", lineage, ["temporal_splits"])
    return chain


ABLATION = {"schema": 1, "versions": {}, "recipe": "default", "seeds": [0, 1], "resamples": 2000, "users": {}}


def row_of(choice, difference=None):
    """A row of an ablation, that much better than the recipe in discovery, give or take a hundredth."""
    compared = {}
    if difference is not None:
        ends = {"low": difference - 0.01, "high": difference + 0.01, "p": 0.1, "p_holm": 0.2}
        counts = {"won": 1, "lost": 1, "tied": 1}
        compared = {"served": {"ndcg@10": {"difference": difference, **ends, **counts}}}
    runs = [{"seed": seed, "diverged": False, "losses": [2.0, 1.0]} for seed in (0, 1)]
    costs = dict.fromkeys(("best_epoch", "seconds", "targets_per_second", "parameters"), 1.0)
    made = {"choice": choice, "preset": "default", "overrides": {}, "diverged": [], "runs": runs}
    return {**made, **costs, "tasks": {}, "paired": {"discovery": compared}}


def write_history(folder, losses):
    epochs = [{"epoch": number, "loss": loss} for number, loss in enumerate(losses, 1)]
    (folder / "history.json").write_text(json.dumps({"best_epoch": 1, "epochs": epochs}))


def write_report(folder, recall):
    """Four tasks with a rival, of which discovery has these values of recall@100."""
    names = ("discovery", "next_listen", "cold_start", "new_users")
    better = {"difference": 0.1, "low": 0.05, "high": 0.15, "p": 0.001, "p_holm": 0.002, "won": 1, "lost": 0, "tied": 0}
    content = {
        "schema": 1,
        "source": {"name": "log.tsv", "events": 10, "users": 3, "tracks": 6, "artists": 3},
        "split": {"strategy": "global", "train": 6, "validation": 2, "test": 2},
        "settings": {},
        "preset": "default",
        "seed": 0,
        "versions": {},
        "seconds": {},
        "unreachable_positives": {},
        "index": {"kind": "flat", "recall@100": 1.0, "p50_ms": None, "p99_ms": None},
        "tasks": {name: {"users": 30, "positives": 60, "recommenders": {}} for name in names},
        "rival": dict.fromkeys(names, "popularity_users"),
        "paired": {name: {"popularity_users": {"ndcg@10": better}} for name in names},
        "calibration": {"seeds": 20, "threshold": 1e-4, "tests": 12, "smallest_p": 0.6, "tasks": {}},
    }
    content["tasks"]["discovery"]["recommenders"] = {
        name: {"recall@100": {"value": value, "low": None, "high": None}} for name, value in recall.items()
    }
    (folder / "evaluation.json").write_text(json.dumps(content))


@pytest.fixture
def unit_vectors():
    """(300, 4) float32, drawn from the unit sphere."""
    vectors = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
