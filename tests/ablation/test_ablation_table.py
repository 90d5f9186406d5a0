import json

import numpy as np
import pytest

from loopback_core.ablation.choices import CHOICES
from loopback_core.ablation.measure import Training
from loopback_core.ablation.table import ablation_rows
from loopback_core.reporting.report.ablation_section import ablation_text
from loopback_core.settings import EvaluationSettings

SETTINGS = EvaluationSettings(min_users=1, resamples=200)


def training(seed, served, alone=(0.0, 0.0), **facts):
    """A training of two users; discovery alone has users to score, and recall is as nDCG."""
    per_user = {
        f"next_listen/{what}/{m}": np.zeros(0) for what in ("alone", "served") for m in ("ndcg@10", "recall@100")
    }
    for what, values in (("served", served), ("alone", alone)):
        per_user |= {f"discovery/{what}/{metric}": np.array(values, float) for metric in ("ndcg@10", "recall@100")}
    costs = {"best_epoch": 1, "seconds": 2.0, "targets_per_second": 100.0, "parameters": 50}
    return Training({"seed": seed, "diverged": False, "losses": [1.0], **costs, **facts}, per_user)


def diverged(seed):
    return Training({"seed": seed, "diverged": True, "losses": []}, {})


@pytest.fixture
def trainings():
    return {
        "reference": [training(0, [0.0, 0.2]), training(1, [0.2, 0.4], best_epoch=2, seconds=4.0)],
        "default": [training(0, [0.5, 0.1], [0.25, 0.25]), training(1, [0.5, 0.3])],
    }


def test_a_row_is_the_mean_over_users_of_the_mean_over_seeds(trainings):
    users, (reference, default) = ablation_rows(trainings, CHOICES, SETTINGS)
    assert users == {"discovery": 2, "next_listen": 0}
    served = reference["tasks"]["discovery"]["served"]["ndcg@10"]  # users: .1 and .3
    assert served["value"] == pytest.approx(0.2)
    assert (served["low"], served["high"]) == (pytest.approx(0.1), pytest.approx(0.3))
    assert default["tasks"]["discovery"]["alone"]["recall@100"]["value"] == pytest.approx(0.125)
    assert "next_listen" not in default["tasks"]
    costs = {cost: reference[cost] for cost in ("best_epoch", "seconds", "targets_per_second", "parameters")}
    assert costs == {"best_epoch": 1.5, "seconds": 3.0, "targets_per_second": 100.0, "parameters": 50.0}


def test_the_difference_is_to_the_recipe_over_the_same_users_and_the_recipe_has_none(trainings):
    _, (reference, default) = ablation_rows(trainings, CHOICES, SETTINGS)
    found = reference["paired"]["discovery"]["served"]["ndcg@10"]  # .1 - .5 and .3 - .2
    assert found["difference"] == pytest.approx(-0.15)
    assert (found["low"], found["high"]) == (pytest.approx(-0.4), pytest.approx(0.1))
    assert (found["won"], found["lost"], found["tied"]) == (1, 1, 0)
    assert default["paired"] == {"discovery": {}}


def test_a_choice_that_diverged_under_one_seed_has_no_means_and_is_named(trainings):
    trainings["reference"][1] = diverged(1)
    users, rows = ablation_rows(trainings, CHOICES, SETTINGS)
    assert rows[0]["diverged"] == [1] and rows[0]["tasks"] == rows[0]["paired"] == {}
    assert rows[1]["tasks"]["discovery"]["served"]["ndcg@10"]["value"] == pytest.approx(0.35)
    content = {"rows": rows, "users": users, "seeds": [0, 1], "resamples": 200}
    assert "`reference` diverged with seed 1, and has no values." in list(ablation_text(content))
    json.dumps(content, allow_nan=False)


def test_the_text_has_a_table_for_each_task_and_one_of_the_costs(trainings):
    users, rows = ablation_rows(trainings, CHOICES, SETTINGS)
    text = "\n\n".join(ablation_text({"rows": rows, "users": users, "seeds": [0, 1], "resamples": 200}))
    assert "| reference | 0.2000 [0.1000, 0.3000] | -0.1500 [-0.4000, +0.1000] |" in text
    assert "| **default** | 0.3500 [0.2000, 0.5000] | – | 0.1250 [0.1250, 0.1250] | – |" in text
    assert "Next listen, 0 users:" in text
    assert "| reference | 1.5 | 3 | 100 | 50 |" in text


def test_too_few_users_leave_values_without_intervals(trainings):
    _, (reference, _) = ablation_rows(trainings, CHOICES, EvaluationSettings(min_users=3))
    assert reference["tasks"]["discovery"]["served"]["ndcg@10"]["low"] is None
    assert reference["paired"]["discovery"]["served"]["ndcg@10"]["p"] is None
