import numpy as np
import pytest

from loopback_core.data import Histories
from loopback_core.settings import SampledSettings, TrainingSettings
from loopback_core.towers.user import ONLY_NEW
from loopback_core.training.negatives import NegativeSampler
from loopback_core.training.requests import RequestPlan


def drawn(data, masks=True, **chosen):
    sampled = SampledSettings(**{"request_stride": 4, "target_window": 5, "negatives": 50, **chosen})
    settings = TrainingSettings(
        objective="sampled", batch_size=60, sampled=sampled, mask_same_track=masks, mask_known_positives=masks
    )
    plan = RequestPlan(data, settings)
    sampler = NegativeSampler(data, plan, settings)
    rng = np.random.default_rng(0)
    return settings, [(requests, sampler.draw(requests, rng)) for requests in plan.epoch(1)]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_the_uniform_share_is_exact_and_the_others_are_targets_of_the_group(random_log, share):
    _, batches = drawn(random_log, uniform_share=share, users_per_group=1, negatives=2000)
    for requests, negatives in batches:
        assert len(negatives.tracks) == 2000
        in_group = np.isin(np.arange(30), requests.group.tracks)
        counts = np.bincount(negatives.tracks, minlength=30)
        expected = 2000 * ((1 - share) * requests.group.share(np.arange(30)) + share / 30)
        assert np.all(np.abs(counts - expected) < 6 * np.sqrt(expected) + 1e-9)
        assert not in_group.all()


@pytest.mark.parametrize(("negatives", "all_once"), [(10, False), (15, True)])
def test_of_a_small_catalog_every_track_is_a_negative_once(random_log, negatives, all_once):
    _, batches = drawn(random_log, uniform_share=1.0, negatives=negatives)
    for _, of_step in batches:
        assert (len(of_step.tracks) == 30) is all_once
        if all_once:
            assert of_step.tracks.tolist() == list(range(30))
            assert not of_step.correction.any()


@pytest.mark.parametrize("logq", [0.0, 0.5, 1.0])
def test_the_correction_is_that_of_the_mixture_they_were_drawn_from(random_log, logq):
    _, batches = drawn(random_log, uniform_share=0.4, logq=logq)
    targets = np.concatenate([requests.target for requests, _ in batches])
    share = np.bincount(targets, minlength=30) / len(targets)  # one group: all targets of the epoch
    for _, negatives in batches:
        tracks = negatives.tracks
        expected = logq * np.log(50 * (0.6 * share[tracks] + 0.4 / 30))
        np.testing.assert_allclose(negatives.correction, expected, rtol=1e-5, atol=1e-6)


def test_the_mask_holds_own_targets_and_for_discovery_what_is_known_by_the_end_of_the_window(random_log):
    settings, batches = drawn(random_log)
    history = Histories.of(random_log.events, np.arange(12), random_log.now)
    seen = {True: 0, False: 0}
    for requests, negatives in batches:
        tracks = negatives.tracks
        for row, (user, place) in enumerate(zip(requests.moments.row, requests.moments.place, strict=True)):
            known = set(requests.target[requests.request == row])
            if requests.intent[row] == ONLY_NEW:
                low, high = history.tracks.offsets[user : user + 2]
                known |= set(history.tracks.values[low : min(place + settings.sampled.target_window, high)])
            expected = [track in known for track in tracks]
            assert negatives.false_negative[row].tolist() == expected
            seen[True] += sum(expected)
            seen[False] += len(expected) - sum(expected)
    assert min(seen.values()) > 100


def test_nothing_is_masked_unless_asked(random_log):
    _, batches = drawn(random_log, masks=False)
    assert not any(negatives.false_negative.any() for _, negatives in batches)
