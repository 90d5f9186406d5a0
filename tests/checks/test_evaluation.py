import pytest


def test_recall_at_the_floor_passes(trained):
    verdict = trained.verdict("recall_floor", trained.with_recall(two_tower=0.25, popularity_users=0.9))
    assert verdict.passed
    assert (verdict.facts["recall@100"], verdict.facts["needed"]) == (0.25, 0.25)


def test_recall_below_the_floor_is_told_with_the_report(trained):
    report = trained.with_recall(two_tower=0.2, popularity_users=0.0)
    verdict = trained.verdict("recall_floor", report)
    assert not verdict.passed
    assert verdict.sentence == (
        "recall@100 of the towers in discovery is 0.2000, below the floor of 0.2500 (checks.recall_floor)"
    )
    assert verdict.facts["report"] == str(report.folder / "report.md")


@pytest.mark.parametrize(("popularity", "passed"), [(0.29, True), (0.3, True), (0.31, False)])
def test_the_towers_have_to_reach_popularity(trained, popularity, passed):
    verdict = trained.verdict("beats_popularity", trained.with_recall(two_tower=0.3, popularity_users=popularity))
    assert verdict.passed is passed
    assert f"is 0.3000, {'not ' * passed}below popularity_users, {popularity:.4f}" in verdict.sentence


@pytest.mark.parametrize("name", ["recall_floor", "beats_popularity"])
def test_a_report_in_which_nobody_was_scored_fails(trained, name):
    verdict = trained.verdict(name, trained.with_recall(two_tower=None, popularity_users=None))
    assert not verdict.passed
    assert "could not be measured" in verdict.sentence


def test_a_report_without_the_task_fails_as_unreadable(trained):
    def empty(folder):
        (folder / "evaluation.json").write_text('{"tasks": {}}')

    report = trained.spoiled("evaluation", empty)
    verdict = trained.verdict("recall_floor", report)
    assert not verdict.passed
    assert verdict.sentence == f"{report} cannot be read: 'discovery'"
