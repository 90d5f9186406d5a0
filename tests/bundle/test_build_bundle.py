import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from planted_artifacts import planted_evaluated

from loopback_core.bundle.build_bundle import build_bundle
from loopback_core.bundle.bundle_files import read_json, read_user_ids
from loopback_core.bundle.canaries import CANARIES, wrong_answers
from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import Ragged
from loopback_core.errors import ArtifactError, SettingsError
from loopback_core.ranking.corrector_files import save_correctors
from loopback_core.ranking.linear_corrector import LinearCorrector
from loopback_core.ranking.linear_ranker import LinearRanker
from loopback_core.recommenders.index_recommender import IndexRecommender
from loopback_core.recommenders.ranked_towers import Towers
from loopback_core.retrieval.indexes import build_index, save_index
from loopback_core.settings import IndexSettings, Settings
from loopback_core.tasks.task_builders import TASKS


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    return planted_evaluated(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="module")
def folder(evaluated, tmp_path_factory):
    """A bundle of the evaluated towers."""
    folder = tmp_path_factory.mktemp("bundle")
    build_bundle(evaluated, Settings(bundle={"refit": "none"}), folder, folder)
    return folder


def retrained(evaluated, folder, **training):
    """A bundle whose towers are trained on everything, for one pass."""
    given = {"recipe": "given", "objective": "sampled", "batch_size": 64, "device": "cpu", **training}
    chosen = Settings.model_validate({"towers": evaluated.summary["settings"]["towers"], "training": given})
    summary = {**evaluated.summary, "settings": chosen.model_dump(include={"towers", "training"})}
    (folder / "checkpoints").mkdir()
    (folder / "bundle").mkdir()
    return build_bundle(replace(evaluated, summary=summary), Settings(), folder / "bundle", folder / "checkpoints")


def check_answers(evaluated, folder):
    """The evaluated towers and ranker, over the histories of the tasks, through the index, against a bundle of them."""
    served, period = ServedBundle.load(folder), evaluated.splits.testing_period
    towers = Towers.load(evaluated.towers, evaluated.ranker)
    for name in ("discovery", "next_listen"):
        task = TASKS[name](period)
        scorer = towers.scorer(task, served.bundle.vectors)
        assert scorer.corrector is not None
        measured = IndexRecommender(scorer, served.bundle.index, 0).recommend(task.histories, 100, task.exclude)
        histories = served.bundle.histories(
            [task.histories.tracks[row] for row in range(len(task.users))],
            np.split(task.histories.timestamps, task.histories.tracks.offsets[1:-1]),
            task.histories.now.tolist(),
        )
        again = served.bundle.recommender(name).recommend(histories, 100, task.exclude)
        np.testing.assert_array_equal(again.tracks, measured.tracks)
        np.testing.assert_allclose(again.scores, measured.scores, rtol=1e-5)


def test_the_answers_are_those_of_the_evaluation_to_the_last_track(evaluated, folder):
    check_answers(evaluated, folder)


def test_weights_for_the_best_candidates_are_served(evaluated, tmp_path):
    ranker, folder = tmp_path / "ranker", tmp_path / "bundle"
    shutil.copytree(evaluated.ranker, ranker, ignore=shutil.ignore_patterns("corrector.*"))
    folder.mkdir()
    weights = LinearCorrector(LinearRanker.of({"listeners": 3.0}), 40)
    save_correctors({"discovery": weights, "next_listen": weights}, ranker)
    changed = replace(evaluated, ranker=ranker)
    build_bundle(changed, Settings(bundle={"refit": "none"}), folder, folder)
    assert ServedBundle.load(folder).bundle.towers.correctors == {"discovery": weights, "next_listen": weights}
    check_answers(changed, folder)


def test_histories_go_up_to_the_end_of_the_log(evaluated, folder):
    served, splits = ServedBundle.load(folder), evaluated.splits
    users = read_user_ids(folder)
    assert users == splits.users["user_id"].head(len(users)).to_list()
    for user in (0, 7):
        tracks, times = served.history(int(served.users.find([users[user]])[0]))
        everything = splits.everything.events
        known = (everything.user == user) & (everything.track < served.bundle.catalog.n_tracks)
        np.testing.assert_array_equal(np.sort(times), np.sort(everything.timestamp[known]))
        assert len(tracks) == known.sum()


def test_names_lead_to_ids_and_back(folder):
    served = ServedBundle.load(folder)
    names = served.names.to_pylist()
    found = served.keys.find_tracks([row["artist_name"] for row in names], [row["track_name"] for row in names])
    np.testing.assert_array_equal(found, np.arange(len(names)))
    assert served.keys.find_artists([served.artist_name(3), "Nobody"]).tolist() == [3, -1]
    assert served.users.find(["user_03", "nobody"]).tolist() == [served.users.find(["user_03"])[0], -1]


def test_a_bundle_gives_its_stored_answers_and_one_with_another_ranker_does_not(folder, tmp_path):
    canaries = read_json(folder / CANARIES)
    assert len(canaries) == 14 and all(len(canary["tracks"]) == 20 for canary in canaries)
    assert wrong_answers(ServedBundle.load(folder), canaries) == []
    other = tmp_path / "other"
    other.mkdir()
    for path in folder.iterdir():
        (other / path.name).symlink_to(path)
    (other / "scoring.json").unlink()
    rankers = json.loads((folder / "scoring.json").read_text())
    rankers["discovery"]["weights"]["listeners"] = 0.6
    (other / "scoring.json").write_text(json.dumps(rankers))
    wrong = wrong_answers(ServedBundle.load(other), canaries)
    assert wrong and all("discovery" in sentence for sentence in wrong)


def test_large_files_are_links_to_the_artifacts_above(evaluated, folder):
    for name, upstream in (("track_vectors.npy", evaluated.vectors), ("towers.safetensors", evaluated.towers)):
        assert (folder / name).samefile(upstream / name)


def test_towers_are_trained_again_on_the_whole_log(evaluated, tmp_path):
    summary = retrained(evaluated, tmp_path)
    served, everything = ServedBundle.load(tmp_path / "bundle"), evaluated.splits.everything
    assert summary["refit"] == served.known["refit"] == "all"
    assert served.known["now"] == everything.now > evaluated.splits.testing.now
    np.testing.assert_array_equal(served.bundle.catalog.plays, everything.catalog.plays)
    assert served.bundle.towers.model.vocabulary.n_tracks == everything.catalog.n_tracks
    comparison = summary["comparison"]
    assert 0 <= comparison["overlap"] <= 1 and comparison["largest_norm_error"] < 1e-4
    assert wrong_answers(served, read_json(tmp_path / "bundle" / CANARIES)) == []


def test_everything_holds_each_listen_once(evaluated):
    splits = evaluated.splits
    counts = [len(part) for part in (splits.train, splits.validation, splits.test)]
    assert len(splits.everything.events) == sum(counts) == splits.everything.catalog.plays.sum()


def test_parts_of_different_bundles_are_refused(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "track_vectors.npy").unlink()
    np.save(tmp_path / "track_vectors.npy", np.load(folder / "track_vectors.npy")[:-1])
    with pytest.raises(ArtifactError, match="different sizes"):
        ServedBundle.load(tmp_path)


def test_an_index_of_an_older_version_is_refused(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    vectors = np.load(folder / "track_vectors.npy")
    with_terms = np.concatenate([vectors, np.zeros((len(vectors), 7), np.float32)], axis=1)  # as they were indexed once
    for name in ("tracks.faiss", "index.json"):
        (tmp_path / name).unlink()
    save_index(build_index(with_terms, IndexSettings(kind="flat")), tmp_path)
    with pytest.raises(ArtifactError, match=r"another length .* build the bundle again"):
        ServedBundle.load(tmp_path)


def test_towers_of_user_ids_make_no_bundle(evaluated, tmp_path):
    by_id = {**evaluated.summary, "settings": {"towers": {"user_encoder": "id"}}}
    with pytest.raises(SettingsError, match="answer no history"):
        build_bundle(replace(evaluated, summary=by_id), Settings(), tmp_path, tmp_path)


def test_a_listen_to_an_unknown_track_of_a_known_artist_counts_by_the_artist(folder):
    """It lifts the other tracks of the artist, and is no track that was played."""
    served = ServedBundle.load(folder)
    bundle, artist = served.bundle, 5
    ids = bundle.listen_ids(np.array([-1]), np.array([artist]))
    histories = bundle.histories([ids], [np.array([bundle.now])], [bundle.now])
    empty = Ragged(np.array([0, 0]), np.zeros(0, np.int64))
    best = bundle.recommender("discovery").recommend(histories, 3, empty).tracks[0]
    assert bundle.catalog.artist[best].tolist() == [artist] * 3
