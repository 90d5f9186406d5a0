import pytest


def test_recall_at_the_floor_passes(trained):
    verdict = trained.verdict("recall_floor", trained.with_recall(ranked=0.25, popularity_users=0.9))
    assert verdict.passed
    assert (verdict.facts["recall@100"], verdict.facts["needed"]) == (0.25, 0.25)


def test_recall_below_the_floor_is_reported_with_the_path_of_the_report(trained):
    report = trained.with_recall(ranked=0.2, popularity_users=0.0)
    verdict = trained.verdict("recall_floor", report)
    assert not verdict.passed
    assert verdict.sentence == (
        "recall@100 of what is served in discovery is 0.2000, below the floor of 0.2500 (checks.recall_floor)"
    )
    assert verdict.facts["report"] == str(report.folder / "report.md")


@pytest.mark.parametrize(("popularity", "passed"), [(0.29, True), (0.3, True), (0.31, False)])
def test_the_towers_have_to_reach_popularity(trained, popularity, passed):
    verdict = trained.verdict("beats_popularity", trained.with_recall(ranked=0.3, popularity_users=popularity))
    assert verdict.passed is passed
    assert f"is 0.3000, {'not ' * passed}below popularity_users, {popularity:.4f}" in verdict.sentence


@pytest.mark.parametrize("name", ["recall_floor", "beats_popularity"])
def test_a_report_without_a_scored_user_fails(trained, name):
    verdict = trained.verdict(name, trained.with_recall(ranked=None, popularity_users=None))
    assert not verdict.passed
    assert "could not be measured" in verdict.sentence


def test_a_report_that_lacks_keys_fails_as_unreadable_and_names_the_first(trained):
    def empty(folder):
        (folder / "evaluation.json").write_text('{"tasks": {}}')

    report = trained.spoiled("evaluation", empty)
    verdict = trained.verdict("recall_floor", report)
    assert not verdict.passed
    assert verdict.sentence.startswith(f"{report.folder / 'evaluation.json'} cannot be read (source: Field required).")


@pytest.mark.parametrize(("floor", "passed"), [(30, True), (31, False)])
def test_both_main_tasks_need_enough_users(trained, floor, passed):
    verdict = trained.verdict("evaluation_users", trained.sound["evaluation"], min_evaluation_users=floor)
    assert verdict.passed is passed
    assert verdict.facts == {"discovery": 30, "next_listen": 30}
    if not passed:
        assert verdict.sentence == (
            "discovery has 30 scored users and next_listen has 30 scored users, fewer than 31: bring a longer log or more "
            "users, choose another split, or lower checks.min_evaluation_users"
        )


@pytest.mark.parametrize(("p", "passed"), [(1e-4, True), (0.9e-4, False)])
def test_random_lists_have_to_agree_with_their_closed_form(trained, p, passed):
    report = trained.with_report(lambda content: content["calibration"].update(smallest_p=p))
    verdict = trained.verdict("random_agrees", report)
    assert verdict.passed is passed
    assert verdict.facts == {"smallest_p": p, "threshold": 1e-4}


def with_metric(trained, **means):
    found = {
        name.replace("_at_", "@"): dict(zip(("value", "low", "high"), m, strict=True)) for name, m in means.items()
    }
    return trained.with_report(lambda content: content["tasks"]["discovery"]["recommenders"].update(bpr=found))


@pytest.mark.parametrize(
    ("means", "fault"),
    [
        ({"ndcg_at_10": (1.1, None, None)}, "ndcg@10 is 1.1000"),
        ({"recall_at_10": (-0.1, None, None)}, "recall@10 is -0.1000"),
        ({"novelty_at_10": (-1.0, None, None)}, "novelty@10 is -1.0000"),
        ({"map_at_10": (0.3, 0.4, 0.5)}, "map@10 is 0.3000, outside its interval [0.4000, 0.5000]"),
        (
            {"recall_at_10": (0.3, 0.2, 0.4), "recall_at_50": (0.2, 0.1, 0.3)},
            "recall@50 is 0.2000, below recall@10, 0.3000",
        ),
    ],
)
def test_a_number_that_cannot_be_is_named_with_whose_it_is(trained, means, fault):
    verdict = trained.verdict("metrics_sane", with_metric(trained, **means))
    assert not verdict.passed
    assert verdict.sentence == f"bpr in discovery: {fault}"
    assert verdict.facts["faults"] == 1


def test_sane_numbers_pass_and_are_counted(trained):
    means = {
        "precision_at_10": (0.3, 0.2, 0.4),
        "precision_at_50": (0.1, 0.0, 0.2),
        "novelty_at_10": (14.0, 13.0, 15.0),
    }
    verdict = trained.verdict("metrics_sane", with_metric(trained, **means, mrr_at_10=(None, None, None)))
    assert verdict.passed
    assert verdict.facts == {"numbers": 5, "faults": 0}  # with the two values of recall@100


def test_a_report_without_a_number_is_not_sane(trained):
    report = trained.with_report(lambda content: content["tasks"]["discovery"].update(recommenders={}))
    assert not trained.verdict("metrics_sane", report).passed


@pytest.mark.parametrize("task", ["discovery", "next_listen", "cold_start", "new_users"])
@pytest.mark.parametrize(
    ("low", "high", "p_holm", "passed", "words"),
    [
        (0.01, 0.2, 0.05, True, "beat it"),
        (0.01, 0.2, 0.16, False, "ahead, not significant after correction"),
        (0.0, 0.2, 0.05, False, "no clear difference"),
        (-0.2, -0.01, 0.05, False, "lose to it"),
    ],
)
def test_the_towers_have_to_beat_the_rival_also_after_the_correction(trained, task, low, high, p_holm, passed, words):
    change = {"difference": (low + high) / 2, "low": low, "high": high, "p_holm": p_holm}
    report = trained.with_report(lambda content: content["paired"][task]["popularity_users"]["ndcg@10"].update(change))
    verdict = trained.verdict(f"beats_rival_{task}", report)
    assert verdict.passed is passed
    assert verdict.sentence.startswith(
        f"in {task} what is served against popularity_users: {words} (ndcg@10 differs by "
    )
    assert (verdict.facts["low"], verdict.facts["high"], verdict.facts["p_holm"]) == (low, high, p_holm)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["rival"].update(new_users=None),
        lambda content: content["paired"].update(new_users={}),
        lambda content: content["paired"]["new_users"]["popularity_users"]["ndcg@10"].update(low=None, high=None),
    ],
    ids=["no rival", "nothing compared", "too few users"],
)
def test_where_there_is_no_verdict_the_warning_says_so_and_passes(trained, change):
    verdict = trained.verdict("beats_rival_new_users", trained.with_report(change))
    assert verdict.passed
    assert verdict.sentence == "no verdict in new_users: 30 users could be scored"


@pytest.mark.parametrize(("most", "passed"), [(12.5, True), (12.4, False)])
def test_no_group_of_features_may_take_too_long_in_any_task(trained, most, passed):
    def change(content):
        fast = {"p50_ms": 1.0, "p99_ms": 2.0}
        slow = {"p50_ms": 3.0, "p99_ms": 12.5}
        content["feature_costs"] = {
            "discovery": {"requests": 100, "groups": {"towers": fast, "neighbours": fast}},
            "next_listen": {"requests": 100, "groups": {"towers": fast, "neighbours": slow}},
            "new_users": {"requests": 6, "groups": {"towers": fast, "neighbours": fast}},
        }

    verdict = trained.verdict("features_cost", trained.with_report(change), max_feature_ms=most)
    assert verdict.passed is passed
    assert verdict.facts == {"towers p99_ms": 2.0, "neighbours p99_ms": 12.5}
    assert verdict.sentence == (
        "the slowest group of features, neighbours, takes 12.5 ms of a request (p99), of at most 12.5"
        if passed
        else "neighbours takes 12.5 ms in next_listen; more than 12.4 ms (checks.max_feature_ms)"
    )


def test_a_report_in_which_no_request_was_timed_says_so(trained):
    verdict = trained.verdict("features_cost", trained.sound["evaluation"])
    assert verdict.passed and verdict.sentence == "no request was timed"
