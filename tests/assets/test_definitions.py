import subprocess
import sys

import dagster as dg
import pytest

from loopback_assets.definitions import defs
from loopback_core.stages import CHAIN, STAGES

CHECKS = {
    "raw_listens": {"files_intact", "source_unchanged"},
    "interactions": {"files_intact", "reject_share", "listens_valid"},
    "temporal_splits": {"files_intact", "split_counts", "no_time_leakage", "ids_in_catalog"},
    "baselines": {"files_intact", "lists_valid", "baselines_tuned"},
    "trained_towers": {"files_intact", "loss_falls", "weights_load"},
    "trained_ranker": {"files_intact", "rankers_load"},
    "track_embeddings": {"files_intact", "embeddings_healthy"},
    "faiss_index": {"files_intact", "index_size", "index_recall"},
    "evaluation": {
        "files_intact",
        "recall_floor",
        "beats_popularity",
        "random_agrees",
        "metrics_sane",
        "evaluation_users",
        "features_cost",
        "beats_rival_discovery",
        "beats_rival_next_listen",
        "beats_rival_cold_start",
        "beats_rival_new_users",
    },
    "bundle": {"files_intact", "canaries_answered", "ranked_as_evaluated", "refit_agrees"},
    "drift": {"files_intact", "data_is_alike", "past_is_the_same", "models_are_alike"},
    "promotion": {"files_intact", "challenger_promoted", "costs_as_before"},
    "served_quality": {"files_intact", "served_as_evaluated"},
    "ablation": {"files_intact", "losses_finite", "recipe_holds"},
    "lineage": {"files_intact"},
}

SPECS = sorted(defs.resolve_all_asset_specs(), key=lambda spec: spec.key.to_user_string())


def test_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_assets_are_one_graph_with_the_baselines_parallel_to_the_towers() -> None:
    upstream = {spec.key.to_user_string(): {dep.asset_key.to_user_string() for dep in spec.deps} for spec in SPECS}
    assert upstream == {
        "raw_listens": set(),
        "interactions": {"raw_listens"},
        "temporal_splits": {"interactions"},
        "baselines": {"temporal_splits"},
        "trained_towers": {"temporal_splits"},
        "trained_ranker": {"trained_towers"},
        "track_embeddings": {"trained_towers"},
        "faiss_index": {"track_embeddings"},
        "evaluation": {"faiss_index", "trained_ranker", "baselines"},
        "bundle": {"faiss_index", "evaluation"},
        "drift": {"bundle"},
        "promotion": {"bundle", "drift"},
        "served_quality": {"interactions"},
        "ablation": {"trained_towers"},
        "lineage": {"temporal_splits"},
    }
    assert {stage.name: set(stage.upstream) for stage in STAGES.values()} == upstream


def test_the_ablation_and_the_bundle_are_no_part_of_what_the_report_needs() -> None:
    selected = dg.AssetSelection.from_string("*evaluation").resolve(list(defs.assets or ()))
    assert {key.to_user_string() for key in selected} == set(CHAIN)


def test_each_asset_has_its_checks_and_all_block_but_those_of_the_rival_of_costs_of_drift_and_of_the_recipe() -> None:
    specs = [spec for checks in defs.asset_checks or () for spec in checks.check_specs]
    by_asset: dict[str, set[str]] = {}
    for spec in specs:
        by_asset.setdefault(spec.asset_key.to_user_string(), set()).add(spec.name)
    assert by_asset == CHECKS
    assert all(spec.description for spec in specs)
    assert {spec.name for spec in specs if not spec.blocking} == {
        *(f"beats_rival_{task}" for task in ("discovery", "next_listen", "cold_start", "new_users")),
        *(CHECKS["drift"] | CHECKS["promotion"]) - {"files_intact"},
        "features_cost",
        "served_as_evaluated",
        "recipe_holds",
        "challenger_promoted",
    }


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.key.to_user_string())
def test_every_asset_says_what_it_is_whose_it_is_and_where_it_belongs(spec: dg.AssetSpec) -> None:
    assert spec.description and spec.group_name and spec.kinds
    assert list(spec.owners) == ["team:loopback"]


@pytest.mark.parametrize(
    ("asset", "columns"),
    [
        ("raw_listens", ["user_id", "timestamp", "artist_mbid", "artist_name", "track_mbid", "track_name"]),
        (
            "interactions",
            ["user_id", "timestamp", "artist_name", "track_name", "artist_mbid", "track_mbid", "file", "line"],
        ),
        ("temporal_splits", ["user", "track", "timestamp"]),
        ("faiss_index", ["track", "artist_name", "track_name"]),
        ("evaluation", ["task", "recommender", "user_id", "rank", "artist_name", "track_name", "score"]),
    ],
)
def test_tables_have_a_schema_that_describes_each_column(asset: str, columns: list[str]) -> None:
    (spec,) = (spec for spec in SPECS if spec.key.to_user_string() == asset)
    schema = spec.metadata["dagster/column_schema"]
    assert [column.name for column in schema.columns] == columns
    assert all(column.type and column.description for column in schema.columns)


def test_retrain_runs_the_whole_chain_with_its_checks_and_data_quality_every_check_and_no_asset() -> None:
    nodes = {name: set(defs.resolve_job_def(name).graph.node_dict) for name in ("retrain", "data_quality")}
    checks = {asset: {f"{asset}_{check}" for check in names} for asset, names in CHECKS.items()}
    of_chain = set().union(*(checks[asset] for asset in CHAIN))
    served = of_chain | checks["bundle"] | checks["drift"] | checks["promotion"]
    assert nodes == {
        "retrain": served | {*CHAIN, "bundle", "drift", "promotion"},
        "data_quality": served | checks["served_quality"] | checks["ablation"] | checks["lineage"],
    }
    assert {job.name for job in defs.jobs or ()} == {"retrain", "data_quality"}


def test_loading_the_definitions_loads_no_heavy_library() -> None:
    code = "import sys, loopback_assets.definitions; print(sorted({'torch', 'faiss', 'matplotlib', 'scipy', 'implicit'} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"
