import itertools
import re
import warnings
import xml.etree.ElementTree as ET

import numpy as np
import polars as pl
import pytest

from loopback_core.data import NOTHING, Events, Ranking
from loopback_core.recommenders.baselines import BASELINES
from loopback_core.reporting.plots import (
    plot_ablation,
    plot_calibration,
    plot_embedding,
    plot_evaluation,
    plot_moments,
    plot_popularity,
    plot_recall,
    plot_reranking,
    plot_training,
)
from loopback_core.reporting.plots.colours import COLOURS, INK, colour, emphasised, line
from loopback_core.reporting.plots.embedding_plot import mean_vectors, principal_directions
from loopback_core.reporting.plots.figure import spread_apart
from loopback_core.splits.catalog_counts import count_catalog

LARGEST = 100_000  # bytes that the UI takes
SVG = "{http://www.w3.org/2000/svg}"


def mean(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def metrics(value):
    return {"ndcg@10": mean(value, 0.9 * value, 1.1 * value)} | {f"recall@{k}": mean(value) for k in (10, 100, 1000)}


def read(path):
    """The SVG next to a picture, after checking that both can be read."""
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n") and len(content) < LARGEST
    text = path.with_suffix(".svg").read_text("utf-8")
    assert "currentColor" in text and INK not in text
    assert not re.search(r'(href|src)="(?!#)', text) and "url(http" not in text and "<script" not in text
    tree = ET.fromstring(text)
    ids = [element.get("id") for element in tree.iter() if element.get("id")]
    assert all(name.startswith(f"{path.stem}-") for name in ids)
    return tree


def texts(tree):
    return ["".join(element.itertext()).strip() for element in tree.iter(f"{SVG}text")]


def catalog_of(artists, names):
    """A catalog in which every track is played once, and the names of its artists."""
    n_tracks = len(artists)
    events = Events(np.zeros(n_tracks, np.int32), np.arange(n_tracks, dtype=np.int32), np.arange(n_tracks))
    frame = pl.DataFrame({"artist": artists, "artist_name": [names[artist] for artist in artists]})
    return count_catalog(events, np.array(artists, np.int32)), frame


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_the_training_curve_names_its_metric_and_takes_a_single_epoch(tmp_path):
    epoch = {"loss": 7.5, "validation": {"discovery/ndcg@10": 0.1}}
    plot_training([epoch], "discovery/ndcg@10", tmp_path / "training.png")
    assert "discovery/ndcg@10 on validation" in texts(read(tmp_path / "training.png"))


def test_an_evaluation_is_drawn_task_by_task_and_a_task_without_users_is_not(tmp_path):
    recommenders = {"ranked": metrics(0.3), "recent_artist": metrics(0.4), "random": metrics(0.01), "ease": None}
    plot_evaluation(
        {
            "tasks": {
                "discovery": {"users": 30, "recommenders": recommenders},
                "cold_start": {"users": 0, "recommenders": {}},
            },
            "rival": {"discovery": "recent_artist"},
            "segments": {"discovery": {"head": recommenders, "explorers": recommenders}},
        },
        tmp_path,
    )
    drawn = sorted(path.name for path in tmp_path.glob("*.png"))
    assert drawn == ["ndcg_discovery.png", "recall_discovery.png", "segments_discovery.png"]
    forest = texts(read(tmp_path / "ndcg_discovery.png"))
    places = [forest.index(name) for name in ("random", "ranked", "recent_artist (rival)")]  # from the bottom up
    assert places == sorted(places) and "ease" not in forest
    assert {"head", "explorers", "tracks"} <= set(texts(read(tmp_path / "segments_discovery.png")))


def test_recall_names_emphasised_recommenders_alone(tmp_path):
    recommenders = {name: metrics(0.1) for name in ("ranked", "two_tower_index", "ease", "ials", "random")}
    plot_recall(recommenders, "ease", tmp_path / "recall.png", "Discovery")
    assert {"ranked", "ease", "random", "10", "100", "1000"} <= set(texts(read(tmp_path / "recall.png")))
    assert not {"ials", "two_tower_index"} & set(texts(read(tmp_path / "recall.png")))


def test_recall_without_a_hit_is_still_a_picture(tmp_path):
    plot_recall({"ranked": metrics(0.0)}, None, tmp_path / "recall.png", "Discovery")
    assert "Discovery" in texts(read(tmp_path / "recall.png"))


def test_the_popularity_plot_names_played_tracks_and_emphasised_recommenders(tmp_path):
    lists = np.array([[0, 1], [1, NOTHING]])
    rankings = {name: Ranking(lists, lists.astype(np.float32)) for name in ("ranked", "ease", "ials")}
    path = tmp_path / "popularity.png"
    plot_popularity(np.array([9, 4, 1]), np.array([2, 2, 0]), rankings, 10, path, "ease")
    assert {"played in test", "ranked", "ease"} <= set(texts(read(path)))
    assert "ials" not in texts(read(path))


def test_the_calibration_shows_every_count_and_marks_one_outside_its_range(tmp_path):
    def count(observed):
        return {"trials": 100, "expected": 10.0, "observed": observed, "p": 0.5, "low": 3.0, "high": 19.0}

    path = tmp_path / "calibration.png"
    plot_calibration({"tasks": {"next_listen": {"hits@10": count(11), "hits@50": count(30)}}}, path)
    assert {"next listen, hits@10  (11)", "next listen, hits@50  (30)"} <= set(texts(read(path)))
    assert path.with_suffix(".svg").read_text("utf-8").count("#e03131") >= 1


def test_artists_of_any_script_are_named_in_the_embedding_map_and_hostile_names_stay_text(tmp_path):
    names = ["宇多田ヒカル", "A$AP $x_1$", "<script>x</script>", "tab\tand\x00nul", "\u202eevil", "Сплин"]
    angle = np.arange(6)
    vectors = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)  # in a circle: room for all names
    path = tmp_path / "embedding.png"
    plot_embedding(vectors, *catalog_of(range(6), names), path)
    shown = texts(read(path))
    assert {"宇多田ヒカル", "A$AP $x_1$", "<script>x</script>", "tab and nul", "evil", "Сплин"} <= set(shown)


def test_an_embedding_of_one_artist_is_still_a_picture(tmp_path):
    path = tmp_path / "embedding.png"
    plot_embedding(np.ones((2, 3), np.float32), *catalog_of([0, 0], ["Air"]), path)
    assert "Air" in texts(read(path))


def test_the_vector_of_an_artist_is_the_mean_of_its_tracks():
    vectors = np.array([[0, 2], [4, 0], [2, 2]], np.float32)
    catalog, _ = catalog_of([1, 0, 1], ["Air", "Can"])
    assert mean_vectors(vectors, catalog, np.array([1, 0])).tolist() == [[1, 2], [4, 0]]


def test_the_first_direction_is_that_of_the_largest_variance():
    coordinates, shares = principal_directions(np.array([[3.0, 0, 1], [-3, 0, 1], [0, 1, 1], [0, -1, 1]]))
    assert np.allclose(np.abs(coordinates), [[3, 0], [3, 0], [0, 1], [0, 1]])
    assert np.allclose(shares, [0.9, 0.1])


def test_labels_are_spread_apart_in_order_and_stay_below_the_top():
    assert np.allclose(spread_apart([0.5, 0.1, 0.52], 0.1), [0.5, 0.1, 0.6])
    assert np.allclose(spread_apart([1.0, 0.99], 0.1), [1.0, 0.9])
    assert spread_apart([], 0.1) == []


def contrast(one, other):
    """Contrast of two colours such as '#ffffff', 1 to 21 (WCAG 2)."""

    def luminance(hexadecimal):
        channels = np.array([int(hexadecimal[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_an_ablation_has_a_panel_for_each_task_and_a_line_for_each_choice_the_first_on_top(tmp_path):
    measured = {"served": {"ndcg@10": mean(0.2, 0.1, 0.3)}, "alone": {"ndcg@10": mean(0.1)}}
    rows = [
        {"choice": "reference", "tasks": {}},  # it diverged
        {"choice": "default", "tasks": {"discovery": measured, "next_listen": measured}},
    ]
    content = {"users": {"discovery": 9, "next_listen": 9}, "rows": rows}
    plot_ablation(content, tmp_path / "ablation.png")
    found = texts(read(tmp_path / "ablation.png"))
    assert {"Discovery", "Next listen", "what is served", "the towers alone"} <= set(found)
    assert [text for text in found if text in ("reference", "default")] == ["default", "reference"] * 2


@pytest.mark.parametrize(("name", "page"), [*itertools.product(COLOURS, ("#ffffff", "#14181e"))])
def test_every_colour_is_legible_on_the_light_and_on_the_dark_page(name, page):
    assert contrast(COLOURS[name], page) >= 3


def test_every_baseline_has_a_colour_and_variants_of_the_towers_have_theirs():
    assert set(BASELINES) <= set(COLOURS) and len(set(COLOURS.values())) == len(COLOURS)
    assert colour("two_tower:my.toml") == colour("two_tower_index") == COLOURS["ranked"]


def test_another_preset_is_emphasised_by_its_own_line_style():
    assert emphasised(["two_tower:reference", "ease"], None) == ["two_tower:reference"]
    assert line("two_tower:reference") != line("ranked")


def test_the_towers_the_rival_popularity_and_random_are_emphasised():
    names = ["ranked", "two_tower", "two_tower_alone", "two_tower_index", "ease", "ials", "popularity_users", "random"]
    assert emphasised(names, "ials") == ["ranked", "ials", "popularity_users", "random"]


def test_differences_at_moments_stand_beside_the_official_ones(tmp_path):
    def compared(*differences):
        counts = {"p": 0.1, "p_holm": 0.1, "won": 1, "lost": 1, "tied": 1}
        return {
            name: {"ndcg@10": {"difference": value, "low": value - 0.01, "high": value + 0.01, **counts}}
            for name, value in zip(("recent_artist", "ease", "random"), differences, strict=False)
        }

    columns = {"official cut": compared(0.1, 0.02, 0.3), "moments": compared(0.08)}
    plot_moments(columns, "ease", tmp_path / "moments_discovery.png", "Discovery")
    shown = texts(read(tmp_path / "moments_discovery.png"))
    assert {"official cut", "moments", "recent_artist", "ease (rival)", "ndcg@10: ranked minus it"} <= set(shown)
    assert "random" not in shown


def test_re_ranking_is_drawn_along_the_dial_with_the_shipped_point(tmp_path):
    dial = [
        {"diversity": d, "ndcg": 0.2 - 0.1 * d, "distance": d, "artists": 1 + 9 * d, "entropy": d} for d in (0, 0.5, 1)
    ]
    measured = {
        "choice": {"method": "dpp", "diversity": 0.5},
        "curve": {"mmr": dial, "dpp": dial},
        "lists": {"reranked": dial[1], "ranked": dial[0], "ease": dial[2]},
    }
    plot_reranking(measured, "ease", tmp_path / "reranking_discovery.png", "Discovery")
    shown = set(texts(read(tmp_path / "reranking_discovery.png")))
    assert {"mmr", "dpp", "chosen", "ease (rival)", "artists among the first 10", "Discovery"} <= shown
