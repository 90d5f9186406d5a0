"""RankTower: what it scores before it is trained, and the tiers of its negatives."""

import numpy as np
import pytest
import torch
from retriever_contract import N_TRACKS, N_USERS, SMALL

from loopback_core.lineage.families import FAMILIES, settings_of_family
from loopback_core.lineage.rank_towers import RankTowers
from loopback_core.settings import merged
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.training.sampled import SampledExamples

FAMILY = FAMILIES["rank_tower"]
EVERYONE = np.arange(N_USERS)
DIM, NEGATIVES = SMALL["towers"]["output_dim"], SMALL["training"]["sampled"]["negatives"]


def made(data, **sampled):
    given = merged(SMALL, {"training": {"sampled": {"hard_share": 0.5, "hard_pool": 12, **sampled}}})
    settings = settings_of_family(FAMILY, 0, given, {})
    torch.manual_seed(0)
    model = FAMILY.make(Vocabulary(N_USERS, N_TRACKS, data.catalog.n_artists), settings, data.names)
    assert isinstance(model, RankTowers)
    return settings, model


def test_the_family_mines_tracks_near_the_users():
    assert settings_of_family(FAMILY, 0, SMALL, {}).training.sampled.hard_share > 0


def test_all_tracks_that_were_found_near_the_users_are_among_the_negatives(data):
    settings, model = made(data)
    examples = SampledExamples(data, settings)
    examples.refresh(model)
    batch = next(iter(examples.epoch(2)))
    count = len(batch.correction)
    assert count > NEGATIVES
    drawn, stands_for = model.drawn_negatives(count, torch.device("cpu"))
    assert drawn[9:].tolist() == list(range(NEGATIVES, count)) and set(stands_for[9:].tolist()) == {1.0}
    assert len(set(drawn[:9].tolist())) == 9 and max(drawn[:9]) < NEGATIVES
    assert stands_for[:9].sum().item() == pytest.approx(NEGATIVES)
    model.train().loss_of(batch).backward()
    assert model.weight.grad is not None and model.weight.grad.abs() > 0


def test_without_found_tracks_and_with_the_full_softmax_each_tier_is_counted(data):
    _, model = made(data)
    drawn, _ = model.drawn_negatives(NEGATIVES, torch.device("cpu"))  # the first epoch has found nothing yet
    assert len(drawn) == 9
    _, everything = made(data, uniform_share=1.0, negatives=N_TRACKS)
    drawn, stands_for = everything.drawn_negatives(N_TRACKS + 5, torch.device("cpu"))
    assert drawn[9:].tolist() == [N_TRACKS + place for place in range(5)] and stands_for[
        :9
    ].sum().item() == pytest.approx(N_TRACKS)
