import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from loopback_core.reporting.paper.__main__ import main as fill_paper
from loopback_core.reporting.seeds import main, over_seeds
from loopback_core.store.artifacts import ArtifactStore


@pytest.fixture
def homes(finished, other_seed):
    """Two homes with one log, trained with the seeds 0 and 1."""
    return finished[0], other_seed[0]


def evaluation(home):
    return json.loads((ArtifactStore(home).latest("evaluation").folder / "evaluation.json").read_text("utf-8"))


def test_each_seed_is_what_its_evaluation_says_and_the_difference_that_of_the_means(homes):
    found, told = over_seeds(homes), [evaluation(home) for home in homes]
    assert found["seeds"] == [0, 1]
    assert set(found["tasks"]) >= {"discovery", "next_listen"}
    for task, of in found["tasks"].items():
        for who, metrics in of["each"].items():
            for metric, values in metrics.items():
                expected = [run["tasks"][task]["recommenders"][who][metric]["value"] for run in told]
                np.testing.assert_allclose(values, expected, rtol=1e-9)
                assert of["mean"][who][metric]["value"] == pytest.approx(np.mean(expected))
        served, rival = (of["mean"][who]["ndcg@10"]["value"] for who in ("ranked", of["rival"]))
        assert of["against_rival"]["ranked"]["ndcg@10"]["difference"] == pytest.approx(served - rival)
    values = [run["tasks"]["discovery"]["recommenders"]["ranked"]["ndcg@10"]["value"] for run in told]
    assert values[0] != values[1], "the seed made no difference, so a mean over seeds says nothing"


def test_requests_at_moments_are_averaged_over_seeds_too(homes):
    found, told = over_seeds(homes), [evaluation(home) for home in homes]
    assert found["moments"] == 9
    for task in ("discovery", "next_listen"):
        for positives, of in found["tasks"][task]["rolling"].items():
            runs = [run["rolling"][task][positives] for run in told]
            assert (of["requests"], of["users"]) == (runs[0]["requests"], runs[0]["users"])
            for who, metrics in of["each"].items():
                for metric, values in metrics.items():
                    expected = [run["recommenders"][who][metric]["value"] for run in runs]
                    np.testing.assert_allclose(values, expected, rtol=1e-9)
            against = of["against_rival"]["ranked"]["ndcg@10"]
            differences = [run["paired"][of["rival"]]["ndcg@10"]["difference"] for run in runs]
            assert against["difference"] == pytest.approx(np.mean(differences))
            assert against["low"] < against["difference"] < against["high"]


def test_the_interval_of_the_difference_holds_it(homes):
    against = over_seeds(homes)["tasks"]["discovery"]["against_rival"]["ranked"]["ndcg@10"]
    assert against["low"] <= against["difference"] <= against["high"]
    assert against["low"] < against["high"]


def test_the_command_prints_a_table_and_the_paper_takes_the_same(homes, tmp_path, capsys):
    out, paper = tmp_path / "seeds.json", tmp_path / "paper.md"
    paper.write_text("<!-- seeds small -->\n<!-- end -->\n", "utf-8")
    assert main([*map(str, homes), "--out", str(out)]) == 0
    table = capsys.readouterr().out
    assert table.startswith("| task | rival | metric | served, seeds 0 / 1 |")
    assert fill_paper([str(paper), "--seeds", f"small={out}"]) == 0
    assert paper.read_text("utf-8") == f"<!-- seeds small -->\n{table}<!-- end -->\n"


def test_what_is_no_set_of_trainings_is_refused_with_a_sentence(homes, tmp_path, capsys):
    assert main([str(homes[0])]) == 2
    assert "give the homes of two or more" in capsys.readouterr().err
    assert main([str(homes[0]), str(homes[0])]) == 2
    assert "train with another training.seed" in capsys.readouterr().err
    assert main([str(homes[0]), str(tmp_path)]) == 2
    assert "There is no evaluation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("temporal_splits", "other splits"),
        ("towers", "other settings of the towers"),
        ("rival", "other rivals"),
    ],
)
def test_homes_that_differ_in_more_than_the_seed_are_refused(homes, tmp_path, capsys, part, told):
    other = Path(shutil.copytree(homes[1], tmp_path / "other"))
    store = ArtifactStore(other)
    newest = store.latest("evaluation")
    content = evaluation(other)
    if part == "temporal_splits":
        content["versions"][part] = other_splits(store)
    elif part == "towers":
        content["settings"]["towers"]["output_dim"] += 1
    else:
        content["rival"]["discovery"] = "popularity_decayed"

    def make(folder):
        shutil.copytree(newest.folder, folder, dirs_exist_ok=True)
        (folder / "evaluation.json").write_text(json.dumps(content))
        return newest.summary

    store.build("evaluation", make, upstream=newest.manifest["upstream"], settings={}, code="")
    assert main([str(homes[0]), str(other)]) == 2
    assert f"{other} has {told} than {homes[0]}" in capsys.readouterr().err


def other_splits(store):
    """The version of splits of which one table holds other bytes."""
    splits = store.latest("temporal_splits")

    def make(folder):
        shutil.copytree(splits.folder, folder, dirs_exist_ok=True)
        train = folder / "train.parquet"
        pl.read_parquet(train).reverse().write_parquet(train)
        return splits.summary

    return store.build("temporal_splits", make, upstream=splits.manifest["upstream"], settings={}, code="")[0].version
