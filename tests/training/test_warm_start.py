from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from planted_log import planted_splits

from loopback_core.data.names import TrackNames
from loopback_core.errors import ArtifactError
from loopback_core.settings import Settings, load_settings
from loopback_core.splits import Splits
from loopback_core.towers.two_tower import TwoTower
from loopback_core.training.optimizers import RowwiseAdagrad
from loopback_core.training.set_up import set_up
from loopback_core.training.train import train_towers
from loopback_core.training.warm_start import ACCUMULATORS, EarlierTraining, StartingWeights, save_accumulators

SETTINGS = load_settings(
    {
        "towers": {"output_dim": 16},
        "training": {
            "sampled": {"negatives": 64, "users_per_group": 0},
            "batch_size": 256,
            "learning_rate": 0.01,
            "epochs": 8,
            "device": "cpu",
            "warm_start": True,
        },
    },
    environ={},
)


@pytest.fixture(scope="module")
def splits(tmp_path_factory):
    return planted_splits(tmp_path_factory.mktemp("log"))


@pytest.fixture(scope="module")
def earlier(splits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("earlier")
    for name in ("towers", "checkpoints"):
        (folder / name).mkdir()
    summary = train_towers(splits, SETTINGS, folder / "towers", folder / "checkpoints")
    return EarlierTraining(folder / "towers", splits, summary)


def train_from(earlier, splits, settings, folder):
    for name in ("towers", "checkpoints"):
        (folder / name).mkdir(parents=True)
    return train_towers(splits, settings, folder / "towers", folder / "checkpoints", earlier)


def of_names(frame, order):
    """The names of a log that numbers its tracks in this order, and the artists as they come."""
    names = frame[order.tolist()].select("artist_name", "track_name")
    artists = names["artist_name"].unique(maintain_order=True)
    number = {name: i for i, name in enumerate(artists)}
    artist = pl.Series("artist", [number[name] for name in names["artist_name"]], pl.Int32)
    return TrackNames(lambda: names.with_columns(artist))


def test_weights_and_accumulators_go_to_the_rows_of_the_same_names(splits, earlier, tmp_path):
    data = splits.tuning
    before, optimizers = set_up(data, SETTINGS, torch.device("cpu"))
    (adagrad,) = (one for one in optimizers if isinstance(one, RowwiseAdagrad))
    for accumulator in adagrad.accumulators:
        accumulator.copy_(torch.arange(len(accumulator), dtype=torch.float32) + 1)
    before.save(tmp_path)
    save_accumulators(before, optimizers, tmp_path / ACCUMULATORS)

    n_tracks = data.catalog.n_tracks
    order = np.random.default_rng(0).permutation(n_tracks)
    names = of_names(splits.track_names, order)
    new = TrackNames(
        lambda: names.frame.with_columns(
            track_name=pl.when(pl.int_range(n_tracks) == 3).then(pl.lit("never heard")).otherwise("track_name")
        )
    )
    other = SETTINGS.model_copy(update={"training": SETTINGS.training.model_copy(update={"seed": 5})})
    after, its_optimizers = set_up(data, other, torch.device("cpu"))
    fresh = after.tracks.track.weight.detach().clone()
    StartingWeights(tmp_path, TrackNames(lambda: splits.track_names)).put_into(after, its_optimizers, new)

    ours, theirs = after.tracks.track.weight, before.tracks.track.weight
    same = np.arange(n_tracks) != 3
    assert torch.equal(ours[:n_tracks][same], theirs[order][same])
    assert torch.equal(ours[3], fresh[3])
    old_artist = dict(splits.track_names.select("artist_name", "artist").iter_rows())
    for artist, name in new.frame.select("artist", "artist_name").unique().iter_rows():
        assert torch.equal(after.tracks.artist.weight[artist], before.tracks.artist.weight[old_artist[name]])
    for name, weight in before.state_dict().items():
        if "track" not in name and "artist" not in name:
            assert torch.equal(after.state_dict()[name], weight), name
    (moved,) = (one for one in its_optimizers if isinstance(one, RowwiseAdagrad))
    table = next(i for i, one in enumerate(moved.tables) if one is after.tracks.track)
    assert moved.accumulators[table][:n_tracks][same].tolist() == (order[same] + 1).tolist()
    assert moved.accumulators[table][3] == 0


def test_a_warm_start_takes_a_fifth_of_the_epochs_to_about_the_same_value(splits, earlier, tmp_path):
    summary = train_from(earlier, splits, SETTINGS, tmp_path)
    assert summary["is_warm"] and not earlier.summary["is_warm"]
    assert summary["epochs"] == max(1, round(0.2 * earlier.summary["best_epoch"]))
    assert summary["epochs_from_new"] == earlier.summary["best_epoch"]
    metric = SETTINGS.training.validation_metric
    assert summary["best"]["validation"][metric] > 0.9 * earlier.summary["best"]["validation"][metric]
    for folder in (tmp_path / "towers", tmp_path / "towers" / "tuned"):
        assert (folder / ACCUMULATORS).is_file()
        TwoTower.load(folder)
    again = train_from(
        replace(earlier, towers=tmp_path / "towers", summary=summary), splits, SETTINGS, tmp_path / "again"
    )
    assert again["epochs"] == summary["epochs"]  # a share of the first training, not of the one before


@pytest.mark.parametrize("changed", [{"towers": {"output_dim": 4}}, {"training": {"batch_size": 128}}])
def test_other_settings_begin_anew(splits, earlier, tmp_path, caplog, changed):
    given = SETTINGS.model_dump()
    for section, keys in changed.items():
        given[section].update(keys)
    given["training"]["epochs"] = 1
    summary = train_from(earlier, splits, Settings.model_validate(given), tmp_path)
    assert not summary["is_warm"] and summary["epochs"] == 1
    assert "training begins anew: [towers] or [training] were changed since" in caplog.text


def test_towers_that_have_seen_what_is_held_out_now_are_not_begun_with(splits, earlier):
    class Later(Splits):
        tuning = replace(splits.tuning, now=splits.tuning.now + 1)

    later = replace(earlier, splits=Later(splits.folder))
    assert "have seen listens that are held out now" in later.obstacle(splits, earlier.summary["given"])
    assert earlier.obstacle(splits, earlier.summary["given"]) == ""


def test_damaged_weights_are_a_sentence(splits, earlier, tmp_path):
    (tmp_path / "towers.json").write_text("{")
    start = StartingWeights(tmp_path, TrackNames(lambda: splits.track_names))
    model, optimizers = set_up(splits.tuning, SETTINGS, torch.device("cpu"))
    with pytest.raises(ArtifactError, match="cannot be read"):
        start.put_into(model, optimizers, TrackNames(lambda: splits.track_names))
