import json
import shutil

import numpy as np
import pytest

from loopback_core.reporting.paper.__main__ import main as fill_paper
from loopback_core.reporting.seeds import main, over_seeds
from loopback_core.store.artifacts import ArtifactStore


@pytest.fixture(scope="module")
def homes(finished, materialize, tmp_path_factory):
    """Two homes with one log, trained with the seeds 0 and 1."""
    other = tmp_path_factory.mktemp("seeds") / "one"
    shutil.copytree(finished[0], other)
    assert materialize(other, training={"seed": 1}).success
    return finished[0], other


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
        served, rival = (of["mean"][who]["ndcg@10"]["value"] for who in ("two_tower", of["rival"]))
        assert of["against_rival"]["two_tower"]["ndcg@10"]["difference"] == pytest.approx(served - rival)
    values = [run["tasks"]["discovery"]["recommenders"]["two_tower"]["ndcg@10"]["value"] for run in told]
    assert values[0] != values[1], "the seed made no difference, so a mean over seeds says nothing"


def test_the_interval_of_the_difference_holds_it(homes):
    against = over_seeds(homes)["tasks"]["discovery"]["against_rival"]["two_tower"]["ndcg@10"]
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
    ("section", "changed", "told"),
    [
        ("source", {"sample_seed": 3}, "other splits"),
        ("training", {"epochs": 2}, "other settings of the towers"),
        ("evaluation", {"baselines": ["popularity_decayed"]}, "other rivals"),
    ],
)
def test_homes_that_differ_in_more_than_the_seed_are_refused(
    homes, materialize, tmp_path, capsys, section, changed, told
):
    other = tmp_path / "other"
    shutil.copytree(homes[1], other)
    sections = {"training": {"seed": 1}}
    sections[section] = {**sections.get(section, {}), **changed}
    assert materialize(other, **sections).success
    assert main([str(homes[0]), str(other)]) == 2
    assert f"{other} has {told} than {homes[0]}" in capsys.readouterr().err
