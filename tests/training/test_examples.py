import numpy as np
import pytest
import torch

from loopback_core.settings import InBatchSettings, TrainingSettings
from loopback_core.training.examples import Examples

MASKS = ("mask_same_track", "mask_same_user", "mask_known_positives")


def masking(*names, **training):
    masks = {name: name in names for name in MASKS}
    in_batch = InBatchSettings(mask_same_user=masks.pop("mask_same_user"))
    return TrainingSettings(in_batch=in_batch, **masks, **training)


def grid(*rows):
    return np.array([[character == "x" for character in row] for row in rows])


# Six rows of a batch: (user, track). User 0 plays tracks 0 and 1, user 1 plays 1 and 2, user 2 plays 3.
USER = np.array([0, 0, 1, 1, 2, 0])
TRACK = np.array([0, 1, 1, 2, 3, 0])

SAME_TRACK = grid(".....x", "..x...", ".x....", "......", "......", "x.....")
SAME_USER = grid(".x...x", "x....x", "...x..", "..x...", "......", "xx....")
KNOWN = grid(".xx..x", "x.x..x", ".x.x..", ".xx...", "......", "xxx...")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("mask_same_track",), SAME_TRACK),
        (("mask_same_user",), SAME_USER),
        (("mask_known_positives",), KNOWN),
        (("mask_same_track", "mask_same_user"), SAME_TRACK | SAME_USER),
        (MASKS, SAME_TRACK | SAME_USER | KNOWN),
    ],
)
def test_each_setting_masks_exactly_its_false_negatives(hand_log, names, expected):
    mask = Examples(hand_log, masking(*names)).false_negatives(USER, TRACK)
    assert mask.tolist() == expected.tolist()


def test_one_batch_leaves_nothing_behind_for_the_next(hand_log):
    examples = Examples(hand_log, masking("mask_known_positives"))
    examples.false_negatives(USER, TRACK)
    mask = examples.false_negatives(np.array([0, 2]), np.array([0, 3]))
    assert not mask.any()


def test_without_masks_there_is_no_mask(hand_log):
    assert Examples(hand_log, masking()).false_negatives(USER, TRACK) is None
    assert Examples(hand_log, masking()).batch(np.array([0, 1])).false_negative is None


def test_a_batch_holds_the_listens_of_its_rows_with_their_artists(hand_log):
    batch = Examples(hand_log, masking("mask_same_track")).batch(np.array([5, 2, 1]))
    assert batch.user.tolist() == [2, 0, 0]
    assert batch.track.tolist() == [3, 1, 1]
    assert batch.artist.tolist() == [1, 0, 0]
    assert batch.false_negative.tolist() == grid("...", "..x", ".x.").tolist()


def pairs(batches):
    return [
        (user, track)
        for batch in batches
        for user, track in zip(batch.user.tolist(), batch.track.tolist(), strict=True)
    ]


@pytest.mark.parametrize(("batch_size", "sizes"), [(100, [100, 100, 100]), (70, [70, 70, 70, 70, 20]), (299, [300])])
def test_an_epoch_serves_every_listen_once_and_no_row_stands_alone(random_log, batch_size, sizes):
    batches = list(Examples(random_log, masking(batch_size=batch_size)).epoch(1))
    assert [len(batch.user) for batch in batches] == sizes
    events = random_log.events
    assert sorted(pairs(batches)) == sorted(zip(events.user.tolist(), events.track.tolist(), strict=True))


def test_the_order_depends_on_seed_and_epoch_alone(random_log):
    def order(seed, epoch, before=()):
        examples = Examples(random_log, masking(seed=seed, batch_size=50))
        for earlier in before:
            list(examples.epoch(earlier))
        np.random.seed(epoch)  # noqa: NPY002 - the global generators are not asked
        torch.manual_seed(epoch)
        return pairs(examples.epoch(epoch))

    assert order(0, 2) == order(0, 2, before=[1, 7])
    assert order(0, 2) != order(0, 1)
    assert order(0, 2) != order(1, 2)
