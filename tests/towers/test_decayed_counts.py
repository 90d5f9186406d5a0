import numpy as np
import pytest

from loopback_core.data import Histories, Ragged
from loopback_core.towers.decayed_counts import Bag, DecayedCounts, Moments, Scale, blocks_at_the_end, decayed_plays

DAY = 86_400


def histories(rows, seed=None):
    """rows: lists of (item, day), oldest first."""
    numbers = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    items = np.array([item for row in rows for item, _ in row], np.int64)
    days = np.array([day for row in rows for _, day in row], np.float64)
    now = np.full(len(rows), 100 * DAY, np.int64)
    return Histories(
        np.arange(len(rows)), Ragged.from_pairs(numbers, items, len(rows)), (days * DAY).astype(np.int64), now
    )


def bag_of(blocks):
    """All that weighs something, request by request."""
    parts, first = [], 0
    for block in blocks:
        row, column = np.nonzero(block.weights.any(axis=1))
        parts.append((block.items[column], block.weights[row, :, column], first + row))
        first += len(block.weights)
    return Bag(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def as_dict(bag, row, scale=0):
    return {int(i): float(w) for i, w, r in zip(bag.items, bag.weights[:, scale], bag.row, strict=True) if r == row}


def test_plays_count_by_their_age_and_never_twice():
    history = histories([[(7, 0), (8, 10), (7, 20)], []])
    counts = DecayedCounts(history, history.tracks.values, [Scale(10, 1), Scale(0, 1), Scale(0, 0)])
    bag = bag_of(counts.blocks(Moments(np.array([0]), np.array([3]), np.array([30 * DAY])), 100))
    assert as_dict(bag, 0) == pytest.approx({7: 0.5**3 + 0.5, 8: 0.25})
    assert as_dict(bag, 0, 1) == {7: 2.0, 8: 1.0}
    assert as_dict(bag, 0, 2) == pytest.approx({7: np.log(3), 8: np.log(2)})


def test_a_moment_knows_nothing_of_what_comes_after_it():
    history = histories([[(7, 0), (8, 10), (7, 20), (9, 21)]])
    counts = DecayedCounts(history, history.tracks.values, [Scale(0, 1)])
    for heard, expected in enumerate([{}, {7: 1}, {7: 1, 8: 1}, {7: 2, 8: 1}, {7: 2, 8: 1, 9: 1}]):
        moments = Moments(np.array([0]), np.array([heard]), np.array([50 * DAY]))
        assert as_dict(bag_of(counts.blocks(moments, 100)), 0) == expected


def test_what_was_not_heard_lately_is_left_out_and_what_was_keeps_all_its_plays():
    history = histories([[(7, 0), (8, 1), (7, 2), (9, 3)]])
    counts = DecayedCounts(history, history.tracks.values, [Scale(0, 1)])
    bag = bag_of(counts.blocks(Moments.at_the_end(history), 2))
    assert as_dict(bag, 0) == {7: 2, 9: 1}


def test_a_count_too_large_for_what_it_is_kept_in_stays_finite():
    history = histories([[(3, 0)] * 70_000])
    counts = DecayedCounts(history, history.tracks.values, [Scale(0, 1)])
    bag = bag_of(counts.blocks(Moments.at_the_end(history), 1))
    assert as_dict(bag, 0) == {3: np.finfo(np.float16).max}


def test_unknown_items_are_in_no_bag():
    history = histories([[(-1, 0), (3, 1), (-1, 2)]])
    counts = DecayedCounts(history, history.tracks.values, [Scale(0, 1)])
    bag = bag_of(counts.blocks(Moments.at_the_end(history), 10))
    assert as_dict(bag, 0) == {3: 1}


def test_any_moment_of_any_history_agrees_with_counting_from_the_start():
    rng = np.random.default_rng(0)
    rows = [
        sorted(
            zip(rng.integers(0, 9, n).tolist(), (rng.random(n) * 90).tolist(), strict=True), key=lambda pair: pair[1]
        )
        for n in (40, 0, 1, 70)
    ]
    history = histories(rows)
    scales = [Scale(5, 1), Scale(0, 0), Scale(30, 0.5)]
    counts = DecayedCounts(history, history.tracks.values, scales)
    row = np.array([0, 0, 1, 2, 3, 3])
    heard = np.array([13, 40, 0, 1, 5, 69])
    now = np.full(6, 95 * DAY)
    bag = bag_of(counts.blocks(Moments(row, history.tracks.offsets[row] + heard, now), 1000))
    for request in range(6):
        seen = rows[row[request]][: heard[request]]
        for number, (days, power) in enumerate(scales):
            expected = {}
            for item, day in seen:
                age = 95 - int(day * DAY) / DAY
                expected[item] = expected.get(item, 0) + (0.5 ** (age / days) if days else 1)
            expected = {item: np.log1p(count) if power == 0 else count**power for item, count in expected.items()}
            assert as_dict(bag, request, number) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("listens", [1, 7, 25, 1000])
def test_moments_that_share_a_block_weigh_what_each_does_alone(listens):
    rng = np.random.default_rng(1)
    rows = [
        [(int(item), day) for item, day in zip(rng.integers(-1, 12, n), np.sort(rng.random(n) * 90), strict=True)]
        for n in (60, 90)
    ]
    history = histories(rows)
    counts = DecayedCounts(history, history.tracks.values, [Scale(5, 1), Scale(0, 0), Scale(30, 0.5)])
    row = np.array([0, 0, 0, 0, 1, 1, 1])
    heard = np.array([10, 30, 12, 12, 90, 0, 70])  # in any order, twice at one place, at both ends
    place = history.tracks.offsets[row] + heard
    moments = Moments(row, place, np.append(history.timestamps, 95 * DAY)[place] + 10)
    blocks = list(counts.blocks(moments, listens))
    assert (len(blocks) == 2) == (listens == 1000)
    together = bag_of(blocks)
    for request in range(7):
        alone = bag_of(counts.blocks(Moments(*(part[[request]] for part in (row, place, moments.now))), listens))
        for scale in range(3):
            assert as_dict(together, request, scale) == pytest.approx(as_dict(alone, 0, scale), rel=1e-3)
        last = {item for item, _ in rows[row[request]][max(0, heard[request] - listens) : heard[request]]} - {-1}
        assert set(as_dict(alone, 0)) == last


def test_at_the_end_of_a_history_everything_weighs_what_its_last_moment_says():
    rng = np.random.default_rng(2)
    rows = [
        [(int(i), d) for i, d in zip(rng.integers(-1, 9, n), np.sort(rng.random(n) * 90), strict=True)]
        for n in (0, 40, 3)
    ]
    history, scales = histories(rows), [Scale(5, 1), Scale(0, 0), Scale(30, 0.5)]
    bag = decayed_plays(history, history.tracks.values, scales)
    expected = bag_of(DecayedCounts(history, history.tracks.values, scales).blocks(Moments.at_the_end(history), 1000))
    for row in range(3):
        for scale in range(3):
            assert as_dict(bag, row, scale) == pytest.approx(as_dict(expected, row, scale), rel=1e-3)


@pytest.mark.parametrize("listens", [1, 7, 1000])
def test_blocks_at_the_end_are_those_of_the_last_moment(listens):
    rng = np.random.default_rng(3)
    rows = [
        [(int(i), d) for i, d in zip(rng.integers(-1, 12, n), np.sort(rng.random(n) * 90), strict=True)]
        for n in (0, 60, 3)
    ]
    history, scales = histories(rows), [Scale(5, 1), Scale(0, 0), Scale(30, 0.5)]
    items = history.tracks.values
    expected = DecayedCounts(history, items, scales).blocks(Moments.at_the_end(history), listens)
    for block, other in zip(blocks_at_the_end(history, items, scales, listens), expected, strict=True):
        assert block.items.tolist() == other.items.tolist()
        assert block.weights == pytest.approx(other.weights, rel=1e-3)
