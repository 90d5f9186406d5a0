import math

import numpy as np
import pytest

from loopback_core.ranking.related_artists import RelatedArtists


def with_weights(change):
    """A change of the weights of the towers."""

    def spoil(folder):
        from safetensors.torch import load_file, save_file

        from loopback_core.towers.two_tower import WEIGHTS

        weights = load_file(folder / WEIGHTS)
        change(weights)
        save_file(weights, folder / WEIGHTS)

    return spoil


def test_a_loss_may_rise_in_between_when_it_falls_in_the_end(trained):
    verdict = trained.verdict("loss_falls", trained.sound["trained_towers"])
    assert verdict.passed
    assert verdict.facts == {"first_loss": 3.0, "last_loss": 2.75, "epochs": 3}


@pytest.mark.parametrize("last", [3.0, 3.5])
def test_a_loss_that_does_not_fall_is_reported(trained, last):
    verdict = trained.verdict("loss_falls", trained.with_losses(3.0, 2.0, last))
    assert not verdict.passed
    assert verdict.sentence == f"the loss rose from 3.0000 to {last:.4f}: lower the learning rates"


def test_one_epoch_cannot_rise(trained):
    assert trained.verdict("loss_falls", trained.with_losses(3.0)).passed


@pytest.mark.parametrize(
    ("losses", "epoch"), [((3.0, math.nan, 2.0), 2), ((math.nan, 2.0), 1), ((3.0, 2.0, math.inf), 3)]
)
def test_a_loss_that_is_not_finite_is_reported_with_its_epoch(trained, losses, epoch):
    towers = trained.with_losses(*losses)
    verdict = trained.verdict("loss_falls", towers)
    assert not verdict.passed
    assert verdict.sentence == f"the loss of epoch {epoch} is not finite"
    assert towers.verdicts()["loss_falls"]["sentence"] == verdict.sentence


def test_a_history_without_epochs_fails(trained):
    assert not trained.verdict("loss_falls", trained.with_losses()).passed


def test_weights_of_this_catalog_load(trained):
    assert trained.verdict("weights_load", trained.sound["trained_towers"]).passed


def test_weights_that_are_not_finite_are_named(trained):
    def poison(weights):
        weights["tracks.track.weight"][1, 2] = math.nan

    verdict = trained.verdict("weights_load", trained.spoiled("trained_towers", with_weights(poison)))
    assert not verdict.passed
    assert verdict.sentence == "tracks.track.weight has values that are not finite"


def test_related_artists_that_are_not_finite_are_named(trained):
    def poison(folder):
        RelatedArtists(np.arange(2), np.array([[0, np.nan], [1, 0]], np.float32)).save(folder)

    verdict = trained.verdict("weights_load", trained.spoiled("trained_towers", poison))
    assert not verdict.passed
    assert verdict.sentence == "related.weights has values that are not finite"


@pytest.mark.parametrize("sizes", [(3, 3, 3), (2, 5, 3), (2, 3, 4)])
def test_weights_made_for_another_catalog_are_found(trained, sizes):
    def another(folder):
        from loopback_core.towers.two_tower import TwoTower, Vocabulary

        TwoTower(Vocabulary(*sizes), TwoTower.load(folder).settings).save(folder)

    verdict = trained.verdict("weights_load", trained.spoiled("trained_towers", another))
    assert not verdict.passed
    assert verdict.sentence == "the weights were made for another catalog"


def test_weights_cut_short_do_not_load(trained):
    towers = trained.copy("trained_towers")
    path = towers.folder / "towers.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    verdict = trained.verdict("weights_load", towers)
    assert not verdict.passed
    assert (
        f"{towers} is damaged (towers.safetensors: 1,884 bytes instead of 1,892); delete the folder" in verdict.sentence
    )
    assert trained.verdict("files_intact", towers).facts["damaged"].keys() == {"towers.safetensors"}
