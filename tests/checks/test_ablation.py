import json

import pytest


@pytest.fixture
def verdict(trained):
    """verdict(check, change) -> what it says of an ablation whose rows `change(rows)` has changed in place."""

    def judged(check, change=lambda rows: None):
        def spoil(folder):
            path = folder / "ablation.json"
            content = json.loads(path.read_text())
            change(content["rows"])
            path.write_text(json.dumps(content))

        return trained.verdict(check, trained.spoiled("ablation", spoil))

    return judged


def test_a_loss_that_is_not_finite_is_named_with_choice_and_seed(verdict):
    assert verdict("losses_finite").sentence == "all 4 trainings have finite losses"

    def diverges(rows):
        rows[1]["runs"][0].update(diverged=True, losses=[])
        rows[0]["runs"][1]["losses"][1] = float("nan")

    found = verdict("losses_finite", diverges)
    assert not found.passed and found.facts == {"trainings": 4, "diverged": 2}
    assert "the loss of default, seed 1; without masks, seed 0 is not finite" in found.sentence


@pytest.mark.parametrize(("low", "high", "passed"), [(0.001, 0.02, False), (0.0, 0.02, True), (None, None, True)])
def test_the_recipe_holds_unless_a_choice_beats_it_with_its_interval_above_zero(verdict, low, high, passed):
    def better(rows):
        rows[1]["paired"]["discovery"]["served"]["ndcg@10"].update(difference=0.01, low=low, high=high)

    found = verdict("recipe_holds", better)
    assert (found.passed, found.facts) == (passed, {"compared": 1, "better": int(not passed)})
    if not passed:
        assert found.sentence.endswith("without masks in discovery (+0.0100 [+0.0010, +0.0200])")
