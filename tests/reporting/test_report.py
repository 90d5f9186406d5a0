import json
import re

import pytest

from loopback_core.reporting.example_users import Example, Recommended
from loopback_core.reporting.report import metric_rows, write_report

HOSTILE = "<script>alert(1)</script> | [x](javascript:alert(1)) ![p](http://evil.example/p.png) **b** `c` &lt; \\"


def mean(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def metrics(value):
    names = [f"{metric}@{k}" for metric in ("hit_rate", "recall", "precision", "ndcg", "mrr", "map") for k in (10, 100)]
    return {name: mean(value, value / 2, value * 2) for name in names}


def paired(difference, low, high, p_holm, won=30, lost=10, tied=60):
    counts = {"won": won, "lost": lost, "tied": tied}
    return {"ndcg@10": {"difference": difference, "low": low, "high": high, "p": p_holm, "p_holm": p_holm, **counts}}


@pytest.fixture
def evaluation():
    """The towers win in discovery, lose in next_listen, and new_users has three users."""
    recommenders = {
        "random": metrics(0.001),
        "personal_decayed": None,
        "ranked": metrics(0.2),
        "two_tower_alone": metrics(0.2),
        "popularity_users": metrics(0.0),
        "recent_artist": metrics(0.1),
    }
    few = {"ranked": {"ndcg@10": mean(0.25)}, "recent_artist": {"ndcg@10": mean(0.5)}}
    tasks = {
        "discovery": {"users": 100, "positives": 900, "recommenders": recommenders},
        "next_listen": {"users": 1100, "positives": 5000, "recommenders": recommenders},
        "cold_start": {"users": 0, "positives": 0, "recommenders": {"ranked": {"ndcg@10": mean(None)}}},
        "new_users": {"users": 3, "positives": 7, "recommenders": few},
        "reference_protocol": {"users": 100, "positives": 900, "recommenders": {"ranked": metrics(0.3)}},
    }
    return {
        "source": {"name": "listens.tsv", "events": 9000, "users": 120, "tracks": 800, "artists": 70},
        "split": {"strategy": "global", "train": 7200, "validation": 900, "test": 900},
        "tasks": tasks,
        "rival": {
            "discovery": "recent_artist",
            "next_listen": "personal",
            "cold_start": None,
            "new_users": "recent_artist",
        },
        "paired": {
            "discovery": {"recent_artist": paired(0.1, 0.04, 0.16, 0.012)},
            "next_listen": {"personal": paired(-0.05, -0.09, -0.01, 0.0004, 1, 2, 1097)},
            "new_users": {"recent_artist": paired(-0.25, None, None, None, 0, 2, 1)},
        },
        "unreachable_positives": {"discovery": 0.149, "next_listen": 0.07, "new_users": 0.0},
        "settings": {
            "evaluation": {"ks": [10, 100], "resamples": 2000, "min_users": 20},
            "checks": {"recall_floor": 0.01},
            "training": {"validation_metric": "discovery/ndcg@10"},
        },
        "preset": "reference",
        "seed": 5,
        "index": {"kind": "flat", "recall@100": 1.0, "p50_ms": None, "p99_ms": None},
    }


@pytest.fixture
def written(tmp_path):
    def write(evaluation, examples=()):
        write_report(evaluation, examples, tmp_path)
        return tuple((tmp_path / f"report.{kind}").read_text("utf-8") for kind in ("md", "html"))

    return write


def test_the_report_begins_with_the_verdict_in_one_sentence(evaluation, written):
    text, _ = written(evaluation)
    assert text.split("\n\n")[1] == (
        "What is served against the best baseline of each task, by nDCG@10: **beat it** in discovery (`recent_artist`, "
        "+0.1000); **lose to it** in next listen (`personal`, -0.0500); **no verdict** in cold start (no baseline "
        "answered) and new users (3 scored users, too few)."
    )


def test_without_a_rival_anywhere_nothing_was_compared(evaluation, written):
    evaluation["rival"] = {}
    text, _ = written(evaluation)
    assert "by nDCG@10: nothing was compared." in text.split("\n\n")[1]
    assert "| task | rival |" not in text


def test_a_difference_that_does_not_survive_the_correction_is_ahead_and_does_not_beat(evaluation, written):
    evaluation["paired"]["discovery"]["recent_artist"] = paired(0.1, 0.01, 0.16, 0.2)
    text, _ = written(evaluation)
    assert "**ahead, not significant after correction** in discovery (`recent_artist`, +0.1000)" in text
    assert "**beat it**" not in text


def test_the_verdict_table_has_a_row_per_task_with_a_rival(evaluation, written):
    text, _ = written(evaluation)
    assert "| discovery | `recent_artist` | beat it | +0.1000 [+0.0400, +0.1600] | 0.012 | 30 / 10 / 60 | 100 |" in text
    assert (
        "| next listen | `personal` | lose to it | -0.0500 [-0.0900, -0.0100] | < 0.001 | 1 / 2 / 1,097 | 1,100 |"
        in text
    )
    assert "| cold start | – | no verdict | – | – | – | 0 |" in text
    assert "| new users | `recent_artist` | no verdict | -0.2500 | – | 0 / 2 / 1 | 3 |" in text


def test_the_checks_follow_the_verdict(evaluation, written):
    text, _ = written(evaluation)
    assert "- Check `recall_floor` **passed**: recall@100 of what is served in discovery is 0.2000" in text
    assert "- Check `beats_popularity` **passed**" in text


def test_a_table_is_sorted_by_the_main_metric_marks_who_matters_and_shows_a_dash_for_na(evaluation, written):
    section = written(evaluation)[0].split("## Discovery")[1].split("## ")[0]
    table = section.split("\n\n")[2].splitlines()[2:]
    assert [line.split(" | ")[0] for line in table] == [
        "| **ranked**",
        "| recent_artist",
        "| random",
        "| popularity_users",
        "| personal_decayed",
    ]
    assert table[0].startswith("| **ranked** | best | 0.2000 [0.1000, 0.4000] |")
    assert table[1].startswith("| recent_artist | rival | 0.1000 [0.0500, 0.2000] |")
    assert table[-1] == "| personal_decayed |  | – | – | – |"


def test_the_towers_alone_have_a_row_only_when_something_else_is_served(evaluation):
    task = evaluation["tasks"]["discovery"]
    assert "two_tower_alone" not in [row["recommender"] for row in metric_rows(task, ["ndcg@10"])]
    task["recommenders"]["two_tower_alone"] = metrics(0.15)
    rows = [(row["recommender"], row["ndcg@10"]) for row in metric_rows(task, ["ndcg@10"])]
    assert rows[:2] == [("ranked", 0.2), ("two_tower_alone", 0.15)]


def test_a_task_without_users_and_one_with_few_say_so(evaluation, written):
    text, _ = written(evaluation)
    assert "**No user could be scored**" in text.split("## Cold start")[1].split("## ")[0]
    assert "**Fewer than 20 users could be scored**" in text.split("## New users")[1].split("## ")[0]
    limits = text.split("## What the numbers do not say")[1]
    assert "**Cold start has 0 scored users**" in limits and "**New users has 3 scored users**" in limits
    assert "reference protocol leaks" in limits and "The log is generated" not in limits


def test_the_report_on_the_sample_says_that_the_log_is_generated(evaluation, written):
    evaluation["source"]["name"] = "sample"
    assert "**The log is generated**" in written(evaluation)[0].split("## What the numbers do not say")[1]


def test_every_formula_is_printed(evaluation, written):
    text, _ = written(evaluation)
    for name in ("hit_rate", "recall", "precision", "ndcg", "mrr", "map", "coverage", "gini", "novelty"):
        assert f"- `{name}@K = " in text


def test_what_later_versions_measure_is_shown_when_it_is_there(evaluation, written):
    plain, _ = written(evaluation)
    assert (
        "Recall at larger K" not in plain and "Beyond accuracy" not in plain and "Check of the evaluator" not in plain
    )
    evaluation["tasks"]["discovery"]["recommenders"]["ranked"] |= {
        "recall@1000": mean(0.7654, 0.7, 0.8),
        "coverage@10": mean(0.4321),
    }
    evaluation["segments"] = {
        "discovery": {
            "tail": {"ranked": {"ndcg@10": mean(0.0123, 0.01, 0.02)}},
            "female": {"ranked": {"ndcg@10": mean(0.0321, 0.01, 0.04)}},
            "Antarctica | *south*": {"ranked": {"ndcg@10": mean(0.0222, 0.01, 0.03)}},
        }
    }
    evaluation["tuning"] = {
        "discovery": {"ease": {"settings": {"regularisation": 500}, "ndcg@10": 0.0613, "trials": [{}, {}]}}
    }
    evaluation["obstacles"] = {"ease": "it would need 40 GB"}
    count = {"trials": 1500, "expected": 7.3, "observed": 9, "p": 0.5, "low": 1.0, "high": 18.0}
    evaluation["calibration"] = {
        **{"seeds": 20, "threshold": 1e-4, "smallest_p": 0.03, "tests": 12},
        "tasks": {"discovery": {"hits@10": count}},
    }
    text, _ = written(evaluation)
    assert "| **ranked** | best | 0.7654 [0.7000, 0.8000] |" in text
    assert "| **ranked** | best | 0.4321 |" in text
    assert "| **ranked** |  | 0.0123 [0.0100, 0.0200] |" in text
    assert "| **ranked** |  | 0.0321 [0.0100, 0.0400] | 0.0222 [0.0100, 0.0300] |" in text
    assert "Antarctica | *south*" not in text
    assert "| discovery | ease | regularisation 500 | 0.0613 | 2 |" in text
    assert "Not built: `ease`, because it would need 40 GB" in text
    assert "agrees with the closed form" in text and "| discovery | hits@10 | 1,500 | 7.3 | 1 to 18 | 9 | 0.5 |" in text


def test_only_pictures_next_to_the_report_are_shown(evaluation, written, tmp_path):
    assert ".png" not in written(evaluation)[0]
    (tmp_path / "recall_discovery.png").write_bytes(b"\x89PNG")
    (tmp_path / "training.png").write_bytes(b"\x89PNG")
    (tmp_path / "training.svg").write_text('<?xml version="1.0"?><svg width="300pt"><g id="training-1"/></svg>')
    text, page = written(evaluation)
    assert re.findall(r"\]\((.*?\.png)\)", text) == ["recall_discovery.png", "training.png"]
    assert '<img alt="Recall by K; grey: other recommenders" src="data:image/png;base64,iVBORw==">' in page
    assert '<svg role="img" aria-label="Training curves" width="300pt"><g id="training-1"/></svg>' in page


def example(name):
    tracks = [Recommended(name, name, f"you played {name} once")]
    return Example(name, "light", 3, [(name, 2)], {"ranked": tracks, "recent_artist": tracks * 2})


def test_a_listener_has_a_row_per_place_with_both_lists_and_their_reasons(evaluation, written):
    text, page = written(evaluation, [example("Air")])
    assert "### Light listener: Air\n\n3 listens. Artists of the last 3: Air (2)." in text
    assert "| 1 | Air by Air | you played Air once | Air by Air | you played Air once |" in text
    assert "| 2 |  |  | Air by Air | you played Air once |" in text
    assert "not an explanation of the model" in page


def test_hostile_names_are_text_in_the_page_and_change_no_table(evaluation, written):
    evaluation["source"]["name"] = evaluation["preset"] = HOSTILE
    evaluation["tasks"]["discovery"]["recommenders"][f"two_tower:{HOSTILE}"] = metrics(0.3)
    text, page = written(evaluation, [example(HOSTILE)])
    assert not re.search(r"<script|href=\"(?!#)|src=|<img|<b>|javascript:alert\(1\)\">", page)
    shown = page.count(
        "&lt;script&gt;alert(1)&lt;/script&gt; | [x](javascript:alert(1)) ![p](http://evil.example/p.png)"
    )
    assert shown >= 10
    listeners = text.split("## Example users")[1]
    assert listeners.count("\n| 1 | ") == 1
    row = page.split("<h3>")[1].split("<tbody>")[1].split("</tr>")[0]
    assert row.count("<td>") == 5  # the bars in the names divide no cell


def test_other_presets_have_a_section_and_without_any_there_is_none(evaluation, written):
    assert "## Presets" not in written(evaluation)[0]
    evaluation["presets"] = {"two_tower:reference": {"version": "a2f58abc6265fba3", "seed": 3}}
    evaluation["tasks"]["discovery"]["recommenders"]["two_tower:reference"] = metrics(0.15)
    evaluation["paired"]["discovery"]["two_tower:reference"] = paired(0.05, 0.02, 0.08, 0.001)
    text, _ = written(evaluation)
    section = text.split("## Presets")[1].split("\n## ")[0]
    assert "`two_tower:reference` (seed 3)" in section
    assert (
        "| discovery | two_tower:reference | 0.1500 [0.0750, 0.3000] | +0.0500 [+0.0200, +0.0800] | 0.001 | 30 / 10 / 60 |"
        in section
    )


def test_the_recipe_and_what_it_was_chosen_from_are_told_where_one_was_searched(evaluation, written):
    assert "The recipe for this log" not in written(evaluation)[0]
    trials = [
        {"recipe": name, "epochs": epochs, "value": value, "seconds": seconds}
        for name, epochs, value, seconds in [("pools", 1, 0.1, 20.0), ("order", 1, 0.2, 30.0), ("order", 2, 0.25, 61.0)]
    ]
    evaluation["search"] = {"metric": "tasks/ndcg@10", "listens": 7200, "chosen": "order", "trials": trials}
    text, page = written(evaluation)
    assert "The recipe for this log is **order**" in text
    assert "7,200 listens of train; the trainings took 81 s." in text
    assert "| order | 2 | 0.2500 | 61 |" in text
    assert "The recipes that were tried" in page


def dial_point(diversity, ndcg, artists):
    return {"diversity": diversity, "ndcg": ndcg, "distance": 0.4, "artists": artists, "entropy": 1.5}


def test_re_ranking_has_a_section_with_what_diversity_cost(evaluation, written):
    assert "Re-ranking" not in written(evaluation)[0]
    dial = [dial_point(0.0, 0.2, 3.0), dial_point(0.3, 0.198, 6.5)]
    evaluation["settings"]["reranking"] = {"max_cost": 0.01}
    evaluation["reranking"] = {
        "discovery": {
            "choice": {
                "method": "mmr",
                "diversity": 0.3,
                "most_of_artist": 2,
                "one_version": True,
                "ndcg": 0.2,
                "users": 40,
                "points": [{"method": method, **point} for method in ("dpp", "mmr") for point in dial],
            },
            "lists": {
                "reranked": dial_point(0.3, 0.1971, 6.25),
                "ranked": dial_point(0.3, 0.2, 3.5),
                "recent_artist": dial_point(0.3, 0.1, 2.5),
            },
            "against": {"ranked": paired(-0.0029, -0.005, 0.001, 0.2)},
            "users_of_curve": 100,
            "curve": {"mmr": dial, "dpp": dial},
        }
    }
    report, page = written(evaluation)
    assert "costs at most 1 % of ndcg@10" in report and "begins with at most 2 tracks of one artist" in report
    assert "`mmr` at 0.3: chosen by 40 users of validation, where ndcg@10 is 0.1980 instead of 0.2000." in report
    assert "| **reranked** | 0.1971 | 0.400 | 6.250 | 1.500 | – |" in report
    assert "| ranked | 0.2000 | 0.400 | 3.500 | 1.500 | -0.0029 [-0.0050, +0.0010] |" in report
    assert "recent_artist (rival)" in report and "| dpp | 0.3 | 0.1980 |" in report
    assert "Re-ranking" in page


def generator(tracks, adds):
    return {"tracks": tracks, "recall": {"500": 0.25, "1000": 0.5}, "adds": adds}


def test_the_cascade_has_a_section_with_every_generator_and_whether_a_correction_pays(evaluation, written):
    assert "Retrieve and rank" not in written(evaluation)[0]
    facts = {
        "kind": "lightgbm",
        "requests": 2712,
        "users": 970,
        "steps": 70,
        "linear": 0.08,
        "difference": 0.0115,
        "error": 0.0027,
    }
    evaluation["candidates"] = {
        task: {"users": 5, "union": generator(2500.4, 0.75), "generators": {"towers": generator(1000.0, 0.125)}}
        for task in ("discovery", "next_listen")
    }
    evaluation["correctors"] = {
        "discovery": {
            **facts,
            "used": True,
            "gains": {"related": 0.625},
            "losses": {"towers": 0.0125},
            "without": {"habits": {"loss": 0.0031, "error": 0.0012}},
        },
        "next_listen": {**facts, "steps": 0, "used": False, "gains": {}, "losses": {}},
    }
    report, page = written(evaluation)
    assert "| towers | 1,000 | 0.2500 | 0.5000 | 0.1250 |" in report
    assert "| **together** | 2,500 | 0.2500 | 0.5000 | 0.7500 |" in report
    assert "`ranked` is `two_tower`, corrected: 70 trees change ndcg@10 by +0.0115 (standard error 0.0027)" in report
    assert page.index("What the trees split by") < page.index("0.625")
    assert "| towers | +0.0125 |" in report and "| habits | +0.0031 | 0.0012 |" in report
    assert "validation has too few users to fit more on" in report
    evaluation["correctors"]["discovery"] |= {"used": False, "gains": {}}
    assert "is in the order of the linear score, since 70 trees change ndcg@10 by" in written(evaluation)[0]
    evaluation["refining"] = {
        "discovery": {
            **{"requests": 464, "users": 64, "places": 100, "strength": 0.1, "used": False},
            **{"before": 0.09, "difference": -0.0006, "error": 0.0048},
        },
        "next_listen": {
            **{"requests": 2000, "users": 1500, "places": 100, "strength": 0.01, "used": True},
            **{"before": 0.33, "difference": 0.0083, "error": 0.0021},
        },
    }
    report, _ = written(evaluation)
    assert "70 trees change ndcg@10 by +0.0115" in report
    assert (
        "since no other weights are better: weights that are fitted to lists of ten change ndcg@10 by -0.0006" in report
    )
    assert "`ranked` is `two_tower` with its best 100 candidates in another order" in report


def test_what_features_cost_stands_with_what_they_are_worth_the_slowest_first(evaluation, written):
    of_towers = {"users": 5, "union": generator(1000.0, 0.75), "generators": {"towers": generator(1000.0, 0.125)}}
    evaluation["candidates"] = {"discovery": of_towers}
    assert "What features cost" not in written(evaluation)[0]
    groups = {"towers": {"p50_ms": 1.5, "p99_ms": 2.875}, "neighbours": {"p50_ms": 3.45, "p99_ms": 12.0}}
    evaluation["feature_costs"] = {name: {"requests": 75, "groups": groups} for name in ("discovery", "cold_start")}
    report, page = written(evaluation)
    assert report.count("What features cost in a request") == 1 and "on one core, over 75 requests" in report
    rows = "| features | median | 99th percentile |\n| --- | ---: | ---: |\n"
    assert f"{rows}| neighbours | 3.45 | 12.00 |\n| towers | 1.50 | 2.88 |" in report
    assert page.index("What features cost in a request") < page.index("12.00")


def at_moments(requests, difference):
    recommenders = {name: metrics(value) for name, value in (("ranked", 0.2), ("recent_artist", 0.1), ("ease", 0.15))}
    compared = {
        "recent_artist": paired(difference, difference - 0.02, difference + 0.02, 0.001, 40, 20, 15),
        "ease": paired(0.05, 0.01, 0.09, 0.04),
    }
    return {"moments": 9, "requests": requests, "users": 75, "recommenders": recommenders, "paired": compared}


@pytest.fixture
def asked_again(evaluation):
    evaluation["rolling"] = {"discovery": {"rest": at_moments(468, 0.07), "near": at_moments(313, 0.06)}}
    evaluation["settings"]["evaluation"] |= {"moments": 9, "horizon_days": 3.0, "moment_users": 500}
    return evaluation


def test_moments_have_a_section_with_both_horizons(asked_again, written):
    text, page = written(asked_again)
    section = text.split("## At nine moments")[1].split("\n## ")[0]
    near, rest = section.split("### Discovery, the next 3 days")[1].split("### Discovery, the whole rest of test")
    assert "313 requests of 75 users at 9 moments." in near and "468 requests of 75 users" in rest
    row = "| recent_artist | rival | 0.1000 [0.0500, 0.2000] | 0.1000 [0.0500, 0.2000] |"
    assert f"{row} +0.0600 [+0.0400, +0.0800] | 0.001 | 40 / 20 / 15 |" in near
    assert f"{row} +0.0700 [+0.0500, +0.0900] | 0.001 | 40 / 20 / 15 |" in rest
    assert [line.split(" | ")[0] for line in near.splitlines() if line.startswith("| ")][2:] == [
        "| **ranked**",
        "| ease",
        "| recent_artist",
    ]
    assert '<h2 id="at-nine-moments">' in page and '<a href="#at-nine-moments">' in page


def test_what_is_lost_with_the_age_of_the_model_is_a_table(asked_again, written):
    ages = [
        {"days": 0.0, "requests": 70, "values": {"ranked": 0.25, "recent_artist": 0.125, "ease": 0.1}},
        {"days": 12.25, "requests": 68, "values": {"ranked": 0.2, "recent_artist": 0.1125, "ease": 0.1}},
    ]
    asked_again["rolling"]["discovery"]["near"]["by_age"] = ages
    text, _ = written(asked_again)
    section = text.split("### Discovery: by the age of the model")[1].split("\n## ")[0]
    assert "| days | requests | ranked | recent_artist |" in section
    assert "| 0.0 | 70 | 0.2500 | 0.1250 |" in section and "| 12.2 | 68 | 0.2000 | 0.1125 |" in section


def test_the_verdict_has_the_moments_beside_the_official_cut(asked_again, written):
    text, _ = written(asked_again)
    assert "| p (Holm) | at nine moments, 3 days | at nine moments, rest | won / lost / tied | users |" in text
    official = "| discovery | `recent_artist` | beat it | +0.1000 [+0.0400, +0.1600] | 0.012 |"
    at_moments = "+0.0600 [+0.0400, +0.0800] | +0.0700 [+0.0500, +0.0900] |"
    assert f"{official} {at_moments} 30 / 10 / 60 | 100 |" in text
    assert "| < 0.001 | – | – | 1 / 2 / 1,097 | 1,100 |" in text  # next listen was not asked again


def test_moments_that_mean_nothing_are_left_out_with_a_sentence(evaluation, written):
    assert "evaluation.moments" not in written(evaluation)[0]
    evaluation["settings"]["evaluation"]["moments"] = 9
    assert "evaluation.moments" not in written(evaluation)[0]
    evaluation["split"]["strategy"] = "per_user"
    text, _ = written(evaluation)
    assert (
        "No task is asked at several moments of test (`evaluation.moments`): under the split strategy `per_user`"
        in text
    )
    assert "moments:" not in text


def test_the_one_next_listen_has_a_section_where_it_was_measured(evaluation, written):
    assert "## The one next listen" not in written(evaluation)[0]
    of = {f"{metric}@{k}": mean(0.1) for metric in ("hit_rate", "ndcg") for k in (10, 50, 100)}
    evaluation["leave_last"] = {
        **{"users": 6038, "known": 0.25, "outside_catalog": 0.001},
        "recommenders": {
            "everything": {"ranked": of, "ease": {**of, "ndcg@10": mean(0.2)}},
            "unknown": {"ranked": of, "personal_decayed": None},
        },
    }
    text, _ = written(evaluation)
    section = text.split("## The one next listen")[1].split("\n## ")[0]
    assert "Each of 6,038 users" in section
    assert "is a miss: 25.0 % of the users." in section and "a miss in both: 0.1 %." in section
    everything, unknown = section.split("### Nothing is filtered")[1].split(
        "### Tracks that the user knows are filtered"
    )
    columns = "| recommender |  | hit_rate@10 | hit_rate@50 | hit_rate@100 | ndcg@10 | ndcg@50 | ndcg@100 |"
    assert columns in everything and columns in unknown
    assert everything.index("| ease |") < everything.index("| **ranked** |")
    assert "personal_decayed" not in unknown


def test_the_page_is_one_file_that_asks_for_nothing(evaluation, written):
    _, page = written(evaluation, [example("Air")])
    assert not re.search(r"<(script|link|iframe|object)|src=|@import|url\(", page)
    assert "default-src 'none'" in page and "prefers-color-scheme: dark" in page and 'name="viewport"' in page


def test_every_section_can_be_reached_from_the_contents(evaluation, written):
    _, page = written(evaluation, [example("Air")])
    linked = re.findall(r'<a href="#(.*?)">', page)
    assert linked == re.findall(r'<h2 id="(.*?)">', page)
    assert {"discovery", "example-users", "what-the-numbers-do-not-say"} <= set(linked)


def test_tables_scroll_by_themselves_and_details_can_be_unfolded(evaluation, written):
    _, page = written(evaluation)
    assert (
        page.count('<div class="scrolled" tabindex="0"><table>')
        == page.count("<table>")
        == page.count("</table></div>")
    )
    assert page.count("<details><summary>") == page.count("</details>") > 0


def test_the_report_needs_nothing_but_what_json_holds(evaluation, written):
    assert written(json.loads(json.dumps(evaluation))) == written(evaluation)


def test_where_users_were_drawn_the_report_says_from_how_many(evaluation, written):
    assert "users are measured" not in written(evaluation)[0]
    evaluation["users_drawn_from"] = 31_000
    evaluation["settings"]["evaluation"]["users"] = 10_000
    assert "10,000 users are measured**, drawn by seed from 31,000 with listens in test" in written(evaluation)[0]


def test_each_stage_stands_beside_the_one_before(evaluation, written):
    assert "## What each stage is worth" not in written(evaluation)[0]
    stages = {"score": paired(0.02, 0.01, 0.03, 0.2), "ranker": paired(-0.003, -0.013, 0.007, 0.2)}
    evaluation["stages"] = {"discovery": stages, "cold_start": {}}
    text, _ = written(evaluation)
    assert "| discovery | `two_tower_alone` | 0.2000 | – | – |" in text
    assert "| discovery | `two_tower` | – | +0.0200 [+0.0100, +0.0300] | 30 / 10 / 60 |" in text
    assert "| discovery | `ranked` | 0.2000 | -0.0030 [-0.0130, +0.0070] | 30 / 10 / 60 |" in text
