import json

import pytest


def with_comparison(trained, **changes):
    """A bundle whose towers compare in this way with the evaluated ones."""
    comparison = {**trained.sound["bundle"].summary["comparison"], **changes}
    return trained.spoiled("bundle", lambda folder: None, summary={"comparison": comparison})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"overlap": 0.1}, "they share 10%; the floor is 20%"),
        ({"temperature": 0.2}, "the temperature is 3.33 times that of the evaluated towers"),
        ({"largest_norm_error": 0.5}, "vectors are not of unit norm"),
    ],
)
def test_towers_that_say_other_things_than_the_evaluated_ones_fail(trained, changes, sentence):
    verdict = trained.verdict("refit_agrees", with_comparison(trained, **changes))
    assert not verdict.passed and sentence in verdict.sentence


def test_the_evaluated_towers_agree_with_themselves(trained):
    evaluated = trained.spoiled("bundle", lambda folder: None, summary={"comparison": None})
    assert trained.verdict("refit_agrees", evaluated).passed


def test_a_bundle_that_answers_in_another_way_than_it_did_fails(trained):
    def other_answers(folder):
        canaries = json.loads((folder / "canaries.json").read_text())
        canaries[2]["scores"][0] += 1
        (folder / "canaries.json").write_text(json.dumps(canaries))

    verdict = trained.verdict("canaries_answered", trained.spoiled("bundle", other_answers))
    assert not verdict.passed and "scores differ by up to 1" in verdict.sentence


def test_a_bundle_has_all_that_put_the_evaluated_lists_in_order(trained):
    assert trained.verdict("ranked_as_evaluated", trained.sound["bundle"]).passed
    for change in (
        lambda folder: (folder / "scoring.json").unlink(),
        lambda folder: (folder / "corrector.discovery.json").write_text("{}"),
        lambda folder: (folder / "reranking.json").write_text("{}"),
    ):
        verdict = trained.verdict("ranked_as_evaluated", trained.spoiled("bundle", change))
        assert not verdict.passed and "not as the ranker was evaluated" in verdict.sentence
