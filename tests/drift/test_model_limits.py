import numpy as np
import pytest

from loopback_core.drift.drift_json import comparisons_of
from loopback_core.drift.model_limits import LEAST_COMPARISONS, MOST_COMPARISONS, FigureLimit, limits_of_models
from loopback_core.settings import DriftSettings

NAMES = ["overlap", "discovery changed", "discovery popularity", "discovery distinct", "next_listen changed"]


def drawn(rng, n, overlap=0.4, changed=0.02):
    """Comparisons of n retrains in which nothing changes but the luck of the draw."""
    return [
        {
            "overlap": float(rng.beta(200 * overlap, 200 * (1 - overlap))),
            "discovery changed": float(rng.beta(200 * changed, 200 * (1 - changed))),
            "discovery popularity": float(np.exp(rng.normal(0, 0.1))),
            "discovery distinct": float(np.exp(rng.normal(0, 0.05))),
            "next_listen changed": float(rng.beta(200 * changed, 200 * (1 - changed))),
        }
        for _ in range(n)
    ]


def test_the_settings_are_the_limits_until_there_are_enough_comparisons():
    settings = DriftSettings(least_overlap=0.1, most_changed_lists=0.3, largest_ratio=4.0)
    limits = limits_of_models(NAMES, drawn(np.random.default_rng(0), LEAST_COMPARISONS - 1), settings)
    assert limits.comparisons == 0
    assert limits.of["overlap"] == FigureLimit(0.1, np.inf) and limits.of["discovery changed"] == FigureLimit(
        -np.inf, 0.3
    )
    assert limits.of["discovery popularity"] == limits.of["discovery distinct"] == FigureLimit(0.25, 4.0)
    assert limits.exceeded({"overlap": 0.09, "discovery popularity": 4.0, "unknown": 1.0}) == {
        "overlap": FigureLimit(0.1, np.inf)
    }


@pytest.mark.parametrize("n", [LEAST_COMPARISONS, 12, 30, MOST_COMPARISONS])
def test_one_in_twenty_retrains_raises_a_false_alarm_at_most(n):
    rng, runs = np.random.default_rng(n), 300
    alarms = 0
    for _ in range(runs):
        *past, new = drawn(rng, n + 1)
        limits = limits_of_models(NAMES, past, DriftSettings())
        alarms += bool(limits.exceeded(new))
    assert limits.comparisons == n
    assert alarms / runs <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / runs)


@pytest.mark.parametrize(
    "fault",
    [
        {"overlap": 0.1},
        {"discovery changed": 0.3},
        {"next_listen changed": 0.3},
        {"discovery popularity": 2.0},
        {"discovery popularity": 0.5},
        {"discovery distinct": 0.7},
    ],
)
def test_a_planted_fault_is_found_after_a_quarter_of_a_year(fault):
    for seed in range(20):
        *past, new = drawn(np.random.default_rng(seed), 14)
        assert fault.keys() <= limits_of_models(NAMES, past, DriftSettings()).exceeded({**new, **fault}).keys()


def test_more_overlap_and_fewer_changed_lists_are_no_alarm():
    past = drawn(np.random.default_rng(0), 20, changed=0.2)
    assert limits_of_models(NAMES, past, DriftSettings()).exceeded({"overlap": 1.0, "discovery changed": 0.0}) == {}


def test_a_past_without_any_difference_still_leaves_room():
    past = [dict.fromkeys(NAMES, 1.0) | {"discovery changed": 0.0}] * 10
    limits = limits_of_models(["overlap", "discovery changed", "discovery popularity"], past, DriftSettings())
    assert limits.exceeded({"overlap": 0.9995, "discovery changed": 0.0001, "discovery popularity": 1.01}) == {}


def test_the_settings_are_the_limit_of_a_figure_that_few_comparisons_have():
    past = [{"overlap": 0.5 + i / 100} for i in range(10)]
    past[-1]["discovery changed"] = 0.9
    limits = limits_of_models(["overlap", "discovery changed"], past, DriftSettings(most_changed_lists=0.3))
    assert limits.of["discovery changed"] == FigureLimit(-np.inf, 0.3) and limits.of["overlap"].lower > 0.1


def document(challenger, figures, past=(), alarm=False):
    data = {
        "weeks": {"statistics": [{"alarm": alarm, "sentence": "Fewer listens."}]},
        "past": {"alarm": False, "sentence": ""},
        "rejects": {"alarm": False, "sentence": ""},
    }
    models = None if figures is None else {"figures": figures}
    return {"challenger": challenger, "data": data, "models": models, "past": list(past)}


def test_comparisons_are_remembered_once_and_those_of_odd_logs_are_not():
    known = {"challenger": "gone", "figures": {"overlap": 0.1}}
    drifts = [
        document("first", None),
        document("a", {"overlap": 0.2}, past=[known]),
        document("odd", {"overlap": 0.3}, alarm=True),
        document("b", {"overlap": 0.4}, past=[known, {"challenger": "a", "figures": {"overlap": 0.2}}]),
        document("now", {"overlap": 0.5}),
    ]
    found = comparisons_of(drifts, "now")
    assert [(one["challenger"], one["figures"]["overlap"]) for one in found] == [("gone", 0.1), ("a", 0.2), ("b", 0.4)]
