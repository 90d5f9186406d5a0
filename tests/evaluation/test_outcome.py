import pytest

from loopback_core.evaluation.outcome import Outcome, outcome


def comparison(low, high, p_holm):
    counts = {"won": 1, "lost": 1, "tied": 1}
    return {"difference": 0.0, "low": low, "high": high, "p": p_holm, "p_holm": p_holm, **counts}


@pytest.mark.parametrize(
    ("low", "high", "p_holm", "expected"),
    [
        (0.01, 0.02, 0.05, Outcome.BEAT),
        (0.01, 0.02, 0.0501, Outcome.AHEAD),
        (0.01, 0.02, None, Outcome.AHEAD),
        (0.0, 0.02, 0.01, Outcome.LEVEL),
        (-0.02, 0.0, 0.01, Outcome.LEVEL),
        (-0.02, -0.01, 0.05, Outcome.LOSE),
        (-0.02, -0.01, 0.16, Outcome.BEHIND),
        (None, None, None, Outcome.UNKNOWN),
    ],
)
def test_a_win_or_a_loss_needs_the_interval_and_the_corrected_p(low, high, p_holm, expected):
    assert outcome(comparison(low, high, p_holm)) is expected


def test_without_a_comparison_there_is_no_verdict():
    assert outcome(None) == "no verdict"
