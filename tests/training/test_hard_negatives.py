import numpy as np
import pytest
import torch

from loopback_core.features.track_content import TrackContent
from loopback_core.retrieval.embed import track_vectors, user_vectors
from loopback_core.settings import IndexSettings, SampledSettings, Settings, TowersSettings, TrainingSettings
from loopback_core.towers.user import ONLY_NEW
from loopback_core.training.optional.hard_negatives import HardNegatives
from loopback_core.training.requests import RequestPlan
from loopback_core.training.sampled import SampledExamples
from loopback_core.training.set_up import set_up

TOWERS = TowersSettings(user_encoder="pooled", track_encoder="sum", output_dim=8)


def settings_of(kind="flat", batch_size=60, **chosen):
    given = {
        "request_stride": 4,
        "target_window": 5,
        "negatives": 20,
        "request_span": 1,
        "hard_share": 0.5,
        "hard_pool": 6,
    }
    sampled = SampledSettings(**{**given, **chosen})
    training = TrainingSettings(objective="sampled", batch_size=batch_size, sampled=sampled)
    return Settings(towers=TOWERS, training=training, index=IndexSettings(kind=kind))


def mined(data, settings):
    model, _ = set_up(data, settings, torch.device("cpu"))
    hard = HardNegatives(data, plan := RequestPlan(data, settings.training), settings)
    hard.mine(model)
    return model, plan, hard


def played(data):
    return [set(data.events.track[data.events.user == user].tolist()) for user in range(data.catalog.n_users)]


@pytest.mark.parametrize("kind", ["flat", "hnsw"])
def test_the_pool_of_a_user_is_the_nearest_tracks_that_the_user_never_plays(random_log, kind):
    model, plan, hard = mined(random_log, settings_of(kind))
    tracks = track_vectors(model, TrackContent(random_log.catalog.artist))
    scores = user_vectors(model, plan.histories, random_log.catalog.artist, ONLY_NEW) @ tracks.T
    for user, known in enumerate(played(random_log)):
        best = [track for track in np.argsort(-scores[user]).tolist() if track not in known]
        assert hard.pool[user].tolist() == best[:6]
    assert hard.pool.lengths.min() > 0


def test_they_are_drawn_from_the_pools_of_the_users_who_ask_each_once(random_log):
    _, plan, hard = mined(random_log, settings_of(batch_size=8))
    rng = np.random.default_rng(0)
    few = 0
    for requests in plan.epoch(1):
        near = {track for user in requests.moments.row for track in hard.pool[user].tolist()}
        drawn = hard.draw(requests, rng).tolist()
        assert len(drawn) == len(set(drawn)) == min(10, len(near))
        assert set(drawn) <= near
        few += len(near) > 10
    assert few


def test_a_hard_negative_is_masked_for_exactly_the_users_who_play_it(random_log):
    _, plan, hard = mined(random_log, settings_of())
    known, rng, seen = played(random_log), np.random.default_rng(0), set()
    for requests in plan.epoch(1):
        drawn = hard.draw(requests, rng)
        expected = [[track in known[user] for track in drawn] for user in requests.moments.row]
        assert hard.false_negatives(requests, drawn).tolist() == expected
        seen.update(np.ravel(expected).tolist())
    assert seen == {True, False}


def test_a_batch_holds_them_after_the_others_with_their_weight(random_log):
    settings = settings_of(hard_weight=0.25)
    model, _ = set_up(random_log, settings, torch.device("cpu"))
    examples = SampledExamples(random_log, settings)
    assert all(batch.false_negative.shape[1] == 20 for batch in examples.epoch(1))  # none before they are mined
    examples.refresh(model)
    known = played(random_log)
    for batch in examples.epoch(2):
        assert batch.correction.shape == (30,) and len(batch.tracks) == len(batch) + 30
        assert batch.correction[20:].tolist() == pytest.approx([np.log(4)] * 10)
        hard = batch.tracks.track[-10:].tolist()
        for user, mask in zip(batch.users.user.tolist(), batch.false_negative[:, 20:].tolist(), strict=True):
            assert not {track for track, masked in zip(hard, mask, strict=True) if not masked} & known[user]


def test_the_loss_is_that_of_the_batch_without_what_is_masked(random_log):
    settings = settings_of(hard_weight=0.25)
    model, _ = set_up(random_log, settings, torch.device("cpu"))
    examples = SampledExamples(random_log, settings)
    examples.refresh(model)
    with torch.no_grad():
        for batch in examples.epoch(2):
            users, tracks = (vectors.double().numpy() for vectors in model(batch.users, batch.tracks))
            scale, losses = model.inverse_temperature().item(), []
            for target, request in enumerate(batch.request.tolist()):
                kept = ~batch.false_negative[request].numpy()
                own = scale * users[request] @ tracks[target]
                others = scale * tracks[len(batch) :] @ users[request] - batch.correction.numpy()
                losses.append(np.log(np.exp(own) + np.exp(others[kept]).sum()) - own)
            assert batch.loss(model).item() == pytest.approx(np.mean(losses), rel=1e-5)
