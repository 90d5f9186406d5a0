import json
from pathlib import Path

import pytest

from loopback_core.errors import LoopbackError
from loopback_core.reporting.paper import Documents, fill, find_blocks
from loopback_core.reporting.paper.__main__ import main
from loopback_core.reporting.paper.documents import read_run

DOCS = Path(__file__).parents[2] / "docs"


def mean(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


@pytest.fixture
def run():
    """Two recommenders that answer and one that cannot; the log and the preset are called by their paths."""
    return {
        "schema": 1,
        "settings": {},
        "source": {
            "name": "/home/ann/secret/listens.tsv",
            "events": 12345,
            "users": 100,
            "tracks": 2000,
            "artists": 300,
        },
        "split": {"strategy": "global", "train": 9876, "validation": 1234, "test": 1235},
        "tasks": {
            "discovery": {
                "users": 75,
                "positives": 1500,
                "recommenders": {
                    "ranked": {
                        "ndcg@10": mean(0.02, 0.01, 0.03),
                        "recall@100": mean(0.05, 0.04, 0.06),
                        "coverage@10": mean(0.25),
                        "popularity@10": mean(1234.56, 1000.0, 1500.0),
                    },
                    "two_tower_alone": {"ndcg@10": mean(0.02, 0.01, 0.03)},
                    "personal_decayed": None,
                    "random": {"ndcg@10": mean(0.0, 0.0, 0.0), "hit_rate@10": mean(0.005)},
                    "recent_artist": {"ndcg@10": mean(0.067, 0.033, 0.107), "gini@10": mean(0.9)},
                },
            }
        },
        "paired": {
            "discovery": {
                "recent_artist": {
                    "ndcg@10": {
                        **{"difference": -0.047, "low": -0.08, "high": -0.01, "p": 0.004, "p_holm": 0.008},
                        **{"won": 9, "lost": 30, "tied": 36},
                    },
                    "recall@100": {
                        **{"difference": 0.01, "low": -0.02, "high": 0.03, "p": 0.6, "p_holm": 1.0},
                        **{"won": 20, "lost": 20, "tied": 35},
                    },
                }
            }
        },
        "segments": {"discovery": {"tail": {"random": {"recall@100": mean(0.001, 0.0, 0.002)}}}},
        "rival": {"discovery": "recent_artist"},
        "unreachable_positives": {"discovery": 0.64},
        "tuning": {
            "discovery": {
                "popularity_users": {"grid": {}, "settings": {}, "ndcg@10": 0.007, "trials": [{}]},
                "recent_artist": {
                    "grid": {},
                    "settings": {"half_life_days": 14, "power": 0.5},
                    "ndcg@10": 0.05,
                    "trials": [{}, {}],
                },
            }
        },
        "preset": "/home/ann/secret/mine.toml",
        "seed": 3,
        "versions": {"trained_towers": "a2f58abc6265fba3"},
        "index": {"kind": "flat", "recall@100": 1.0, "p50_ms": None, "p99_ms": None},
        "seconds": {"trained_towers": 53.4, "evaluation": 4.2},
        "peak_rss_mb": {"trained_towers": 1429.4},
    }


def block(marker, *content):
    return "\n".join([f"<!-- {marker} -->", *content, "<!-- end -->"]) + "\n"


def filled(marker, run, name="slice"):
    """The lines between the markers."""
    return fill(block(marker, "*not filled yet*"), Documents(runs={name: run})).splitlines()[1:-1]


def test_a_table_lists_the_recommenders_by_ndcg_and_those_that_cannot_answer_last(run):
    assert filled("table slice discovery", run) == [
        "75 users, 1,500 positives; 64.0 % of what they play there lies outside the catalog and is not scored.",
        "",
        "| recommender | ndcg@10 | hit_rate@10 | recall@100 | recall@1000 |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| recent_artist (rival) | 0.0670 [0.0330, 0.1070] | – | – | – |",
        "| **ranked** | 0.0200 [0.0100, 0.0300] | – | 0.0500 [0.0400, 0.0600] | – |",
        "| random | 0.0000 [0.0000, 0.0000] | 0.0050 | – | – |",
        "| personal_decayed | – | – | – | – |",
    ]


def test_the_reference_protocol_says_that_its_positives_leak(run):
    run["tasks"]["reference_protocol"] = run["tasks"]["discovery"]
    run["unreachable_positives"]["reference_protocol"] = 0.5
    counts = "75 users, 1,500 positives; 50.0 % of what they play there is unknown to train."
    assert filled("table slice reference_protocol", run)[0] == counts


def test_the_facts_name_the_run_by_its_key_and_sum_its_seconds(run):
    assert filled("facts slice", run) == [
        "**slice**: 12,345 listens, 100 users, 2,000 tracks, 300 artists; split `global` into 9,876 / 1,234 / 1,235 "
        "listens; preset `custom`, seed 3; index flat, recall@100 1.0000; versions trained_towers `a2f58abc6265fba3`, "
        "baselines `–`, evaluation `–`; 58 s in all, and the peak memory of each step: trained_towers 53 s / 1,429 MB, "
        "evaluation 4 s / – MB."
    ]


@pytest.mark.parametrize(
    ("difference", "low", "high", "p_holm", "words"),
    [
        (-0.047, -0.08, -0.01, 0.008, "lose to it"),
        (0.015, 0.01, 0.02, 0.008, "beat it"),
        (0.015, 0.01, 0.02, 0.16, "ahead, not significant after correction"),
        (0.015, -0.01, 0.02, 0.9, "no clear difference"),
    ],
)
def test_the_verdict_follows_the_interval_and_the_corrected_p(run, difference, low, high, p_holm, words):
    paired = run["paired"]["discovery"]["recent_artist"]["ndcg@10"]
    paired.update(difference=difference, low=low, high=high, p_holm=p_holm)
    assert filled("verdict slice", run) == [
        "| task | rival | what is served | ndcg@10 | p / Holm's p | recall@100 | won / lost / tied |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: |",
        f"| discovery | recent_artist | {words} | {difference:+.4f} [{low:+.4f}, {high:+.4f}] | 0.0040 / {p_holm:.4f} "
        "| +0.0100 [-0.0200, +0.0300] | 9 / 30 / 36 |",
    ]


def test_without_intervals_or_without_a_rival_there_is_no_verdict(run):
    run["paired"]["discovery"]["recent_artist"]["ndcg@10"].update(low=None, high=None, p=None, p_holm=None)
    assert filled("verdict slice", run)[2].startswith("| discovery | recent_artist | no verdict | -0.0470 | – / – |")
    run["rival"] = {"discovery": None}
    assert filled("verdict slice", run)[2] == "| discovery | – | no verdict | – | – / – | – | – |"


def test_segments_show_recall_by_tracks_and_ndcg_by_users(run):
    assert filled("segments slice discovery", run) == [
        "recall@100 by segment:",
        "",
        "| recommender | head | mid | tail |",
        "| --- | ---: | ---: | ---: |",
        "| recent_artist | – | – | – |",
        "| **ranked** | – | – | – |",
        "| random | – | – | 0.0010 [0.0000, 0.0020] |",
        "| personal_decayed | – | – | – |",
        "",
        "ndcg@10 by segment:",
        "",
        "| recommender | light | medium | heavy | repeaters | explorers |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| recent_artist | – | – | – | – | – |",
        "| **ranked** | – | – | – | – | – |",
        "| random | – | – | – | – | – |",
        "| personal_decayed | – | – | – | – | – |",
    ]


def test_beyond_accuracy_leaves_out_recommenders_without_values(run):
    assert filled("beyond slice discovery", run) == [
        "| recommender | coverage@10 | gini@10 | novelty@10 | artist_diversity@10 | popularity@10 "
        "| popularity_amplification@10 |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| recent_artist | – | 0.9000 | – | – | – | – |",
        "| **ranked** | 0.2500 | – | – | – | 1,234.6 [1,000.0, 1,500.0] | – |",
    ]


def test_tuning_lists_the_choice_of_each_baseline_best_on_validation_first(run):
    assert filled("tuning slice", run) == [
        "| task | baseline | chosen | ndcg@10 on validation | points tried |",
        "| --- | --- | --- | ---: | ---: |",
        "| discovery | recent_artist | half_life_days 14, power 0.5 | 0.0500 | 2 |",
        "| discovery | popularity_users | – | 0.0070 | 1 |",
    ]


def test_a_baseline_that_the_data_is_too_large_for_is_named_under_the_tuning(run):
    run["obstacles"] = {"ease": "EASE inverts a matrix, and this one is too large"}
    assert filled("tuning slice", run)[-2:] == [
        "",
        "Not fitted: ease. EASE inverts a matrix, and this one is too large.",
    ]


@pytest.mark.parametrize(
    "marker",
    ["table slice cold_start", "segments slice new_users", "beyond slice cold_start", "verdict slice", "tuning slice"],
)
def test_what_an_older_file_does_not_hold_was_not_measured(marker, run):
    older = {**run, "tasks": {}, "rival": {}, "paired": {}}
    del older["segments"], older["tuning"]
    assert filled(marker, older) == ["*not measured in this run*"]


def test_no_path_of_a_log_or_a_preset_is_printed(run):
    recommenders = run["tasks"]["discovery"]["recommenders"]
    recommenders["two_tower:/home/ann/secret/mine.toml"] = {"ndcg@10": mean(0.01)}
    recommenders["two_tower:reference"] = {"ndcg@10": mean(0.03)}
    kinds = ("facts slice", "verdict slice", "tuning slice")
    tasks = ("table slice discovery", "segments slice discovery", "beyond slice discovery")
    text = fill("".join(block(marker) for marker in (*kinds, *tasks)), Documents(runs={"slice": run}))
    assert "secret" not in text
    assert "mine" not in text
    assert "| **two_tower:custom** | 0.0100 |" in text
    assert "| **two_tower:reference** | 0.0300 |" in text


def test_filling_twice_changes_nothing_and_leaves_the_prose_alone(run):
    paper = "# Title\n\nBefore.\n\n" + block("table slice discovery", "old") + "\nAfter.\n"
    once = fill(paper, Documents(runs={"slice": run}))
    assert once.startswith("# Title\n\nBefore.\n\n<!-- table slice discovery -->\n75 users")
    assert once.endswith("|\n<!-- end -->\n\nAfter.\n")
    assert fill(once, Documents(runs={"slice": run})) == once


def test_blocks_of_a_run_that_is_not_given_stay_as_they_are(run):
    others = block("table sample discovery", "kept", "", "as it is")
    assert fill(block("facts slice") + others, Documents(runs={"slice": run})).endswith(others)


@pytest.mark.parametrize(
    ("paper", "sentence"),
    [
        (block("tabel slice discovery"), "Line 1: 'tabel slice discovery' is not a marker; known are facts, verdict, "),
        (block("table slice discover"), "Line 1: 'discover' is not a task; known are discovery, next_listen, "),
        (block("table slice"), "Line 1: 'table slice' must have the form 'table RUN TASK'."),
        (block("facts slice discovery"), "Line 1: 'facts slice discovery' must have the form 'facts RUN'."),
        ("<!-- facts slice -->\n", "Line 1: the block 'facts slice' has no <!-- end -->."),
        ("\n<!-- end -->\n", "Line 2: <!-- end --> is out of place; "),
        (block("facts slice", "<!-- facts sample -->"), "Line 2: <!-- facts sample --> is out of place; "),
    ],
)
def test_a_marker_that_cannot_be_filled_is_an_error_that_names_its_line(paper, sentence):
    with pytest.raises(LoopbackError) as error:
        find_blocks(paper.splitlines())
    assert str(error.value).startswith(sentence)


@pytest.fixture
def files(tmp_path, run):
    """A paper with two blocks of the slice and one of the sample, and the evaluation of the slice as an artifact."""
    folder = tmp_path / "evaluation" / "0123456789abcdef"
    folder.mkdir(parents=True)
    (folder / "evaluation.json").write_text(json.dumps(run))
    paper = tmp_path / "paper.md"
    paper.write_text(block("facts slice") + block("table slice discovery") + block("facts sample", "*not filled yet*"))
    return str(paper), f"slice={folder / 'evaluation.json'}"


def test_the_command_fills_what_it_is_given_and_names_the_rest(files, capsys):
    paper, slice_ = files
    assert main([paper, "--run", slice_]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "facts slice: filled",
        "table slice discovery: filled",
        "--run sample: not given, its blocks are left as they are",
    ]
    text = Path(paper).read_text()
    assert "evaluation `0123456789abcdef`" in text
    assert text.endswith(block("facts sample", "*not filled yet*"))


def test_check_writes_nothing_and_fails_until_the_paper_is_filled(files, capsys):
    paper, slice_ = files
    before = Path(paper).read_text()
    assert main([paper, "--run", slice_, "--check"]) == 1
    assert "table slice discovery: differs from its run" in capsys.readouterr().out
    assert Path(paper).read_text() == before
    main([paper, "--run", slice_])
    assert main([paper, "--run", slice_, "--check"]) == 0
    Path(paper).write_text(Path(paper).read_text().replace("0.0670", "0.0671"))
    capsys.readouterr()
    assert main([paper, "--run", slice_, "--check"]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "table slice discovery: differs from its run"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("slice", None, "other.json cannot be read"),
        ("slice", "{", "other.json cannot be read"),
        ("slice", "[1]", "other.json cannot be read"),
        ("slice", '{"schema": 1}', "other.json cannot be read (source: Field required)"),
        ("artists", None, "other.json cannot be read (No such file or directory)"),
        ("", "{}", "is not of the form NAME=PATH"),
    ],
)
def test_the_command_refuses_what_it_cannot_use_in_a_sentence(files, tmp_path, capsys, name, content, sentence):
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    assert main([files[0], "--run", f"{name}={path}"]) == 2
    assert sentence in capsys.readouterr().err


def test_a_folder_that_is_no_version_is_not_taken_for_one(tmp_path, run):
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(run))
    assert read_run(f"slice={path}")[1]["versions"] == {"trained_towers": "a2f58abc6265fba3"}


@pytest.fixture
def ablation():
    """Two choices of which one was measured, in discovery alone."""
    served = {"ndcg@10": mean(0.03, 0.02, 0.04), "recall@100": mean(0.1)}
    costs = {"best_epoch": 2.0, "seconds": 60.0, "targets_per_second": 1e4, "parameters": 5000.0}
    row = {"choice": "default", "preset": "default", "overrides": {}, "diverged": [], "runs": [], **costs}
    row |= {"tasks": {"discovery": {"served": served}}, "paired": {}}
    users = {"p": 0.01, "p_holm": 0.01, "won": 1, "lost": 4, "tied": 70}
    worse = {"served": {"ndcg@10": {"difference": -0.01, "low": -0.02, "high": -0.005, **users}}}
    other = {**row, "choice": "reference", "paired": {"discovery": worse}}
    facts = {"versions": {}, "seeds": [0, 1], "resamples": 2000, "users": {"discovery": 75}}
    return {"schema": 1, **facts, "rows": [other, row]}


def test_an_ablation_and_a_run_of_the_same_name_fill_their_own_blocks(files, ablation, tmp_path, capsys):
    (tmp_path / "ablation.json").write_text(json.dumps(ablation))
    paper, slice_ = files
    Path(paper).write_text(block("ablation slice", "*not filled yet*") + Path(paper).read_text())
    assert main([paper, "--ablation", f"slice={tmp_path / 'ablation.json'}"]) == 0
    text = Path(paper).read_text()
    assert "with the seeds 0, 1, and measured at several moments of validation" in text
    assert "| reference | 0.0300 [0.0200, 0.0400] | -0.0100 [-0.0200, -0.0050] | – | – | 0.1000 | – |" in text
    assert "| **default** | 2.0 | 60 | 10,000 | 5,000 |" in text
    assert "slice: not given, its blocks are left as they are" in capsys.readouterr().out
    assert main([paper, "--run", slice_, "--ablation", f"slice={tmp_path / 'ablation.json'}", "--check"]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "facts slice: differs from its run"


def test_a_run_without_a_block_is_refused(files, capsys):
    paper, slice_ = files
    assert main([paper, "--run", slice_, "--run", slice_.replace("slice=", "artists=")]) == 2
    assert (
        f"No block of {paper} is filled by --run artists; correct its name or add a block." in capsys.readouterr().err
    )


def test_several_files_are_filled_by_one_command(files, tmp_path):
    paper, slice_ = files
    other = tmp_path / "slice.md"
    other.write_text(block("verdict slice"))
    assert main([paper, str(other), "--run", slice_]) == 0
    assert "| discovery | recent_artist | lose to it |" in other.read_text()
    assert "75 users" in Path(paper).read_text()


def test_an_evaluation_is_no_ablation_and_nothing_at_all_fills_nothing(files, capsys):
    paper, slice_ = files
    assert main([paper, "--ablation", slice_]) == 2
    assert (
        "evaluation.json cannot be read (seeds: Field required). It is missing, damaged or of an older version"
        in capsys.readouterr().err
    )
    with pytest.raises(SystemExit):
        main([paper])
    assert "give at least one --run, --ablation or --seeds" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["slice", "artists", "sample", "xiami"])
def test_the_results_of_a_run_hold_every_kind_of_block_and_none_of_another_run(name):
    blocks = find_blocks((DOCS / "results" / f"{name}.md").read_text("utf-8").splitlines())
    assert {block.source for block in blocks} == {("run", name), ("seeds", name)}
    kinds = {"facts", "verdict", "table", "segments", "beyond", "tuning", "seeds"}
    assert {block.marker.split()[0] for block in blocks} == kinds


def test_the_results_of_the_ablation_are_one_block():
    lines = (DOCS / "results" / "ablation.md").read_text("utf-8").splitlines()
    assert [block.source for block in find_blocks(lines)] == [("ablation", "slice")]


def test_the_text_of_the_paper_holds_no_block():
    assert find_blocks((DOCS / "PAPER.md").read_text("utf-8").splitlines()) == []


def test_every_block_of_our_readme_is_known_and_filled():
    lines = (DOCS.parent / "README.md").read_text("utf-8").splitlines()
    blocks = find_blocks(lines)
    assert blocks
    assert all(lines[block.start].startswith("| task | rival |") for block in blocks)


@pytest.fixture
def seeds():
    """Three seeds of the towers in one task."""
    users = {"won": 30, "lost": 10, "tied": 35}
    main = {"difference": 0.02, "low": 0.01, "high": 0.03, "p": 0.001, "p_holm": 0.014, **users}
    deep = {"difference": 0.1, "low": -0.01, "high": 0.2, "p": 0.2, "p_holm": 1.0, **users}
    metrics = {"ndcg@10": main, "recall@100": deep}
    means = {"ndcg@10": mean(0.2, 0.1, 0.3), "recall@100": mean(0.5)}
    task = {
        "users": 75,
        "rival": "ease",
        "each": {"ranked": {"ndcg@10": [0.1, 0.2, 0.3]}},
        "mean": dict.fromkeys(("ranked", "two_tower_alone", "ease"), means),
        "against_rival": {"ranked": metrics},
    }
    facts = {"schema": 1, "seeds": [0, 1, 2], "versions": ["a", "b", "c"], "resamples": 2000}
    return {**facts, "tasks": {"next_listen": task}}


def test_the_verdict_of_seeds_has_a_row_per_task_in_the_words_of_every_verdict(seeds, tmp_path):
    (tmp_path / "seeds.json").write_text(json.dumps(seeds))
    paper = tmp_path / "README.md"
    paper.write_text(block("seeds_verdict sample"))
    assert main([str(paper), "--seeds", f"sample={tmp_path / 'seeds.json'}"]) == 0
    assert paper.read_text().splitlines()[1:-1] == [
        "| task | rival | what is served | ndcg@10 | p (Holm) | recall@100 | won / lost / tied | seeds |",
        "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
        "| next_listen | ease | beat it | +0.0200 [+0.0100, +0.0300] | 0.014 | +0.1000 [-0.0100, +0.2000] | 30 / 10 / 35 "
        "| 0, 1, 2 |",
    ]
