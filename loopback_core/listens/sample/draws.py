"""Random draws that come out the same on every machine, and the two processes that the sample is built from.

Only `Generator.random` is used: uniform doubles straight from the bits of PCG64. Everything else is made of them here,
so that neither a new NumPy sampler nor another CPU changes a log. Sums run in a fixed order, and results are whole
numbers or orderings, which the last bit of a logarithm does not change.
"""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

NOVELTY = 0.25
"""A late arrival waits this share of the places that an old item of its rank waits."""


def stream(version: int, seed: int, *place: int) -> np.random.Generator:
    """The generator of one part of a log: independent of all other parts."""
    return np.random.Generator(np.random.PCG64([version, seed, *place]))


def bell(rng: np.random.Generator, *shape: int) -> Doubles:
    """About standard normal: the sum of twelve uniforms, less six."""
    total: Doubles = rng.random((12, *shape)).sum(axis=0) - 6.0
    return total


def below(rng: np.random.Generator, limit: int, *shape: int) -> Ints:
    """Uniform whole numbers in [0, limit)."""
    return np.floor(rng.random(shape) * limit).astype(np.int64)


def weighted(uniform: Doubles, weights: Doubles) -> Ints:
    """One index into `weights` per uniform number, in proportion to the weights."""
    cumulative = np.cumsum(weights)
    position = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    index: Ints = np.minimum(position, len(weights) - 1).astype(np.int64)
    return index


def starts_of(groups: Ints, n_groups: int) -> Ints:
    """Offsets (n_groups + 1,) of each group in `groups`, which is sorted."""
    offsets: Ints = np.searchsorted(groups, np.arange(n_groups + 1)).astype(np.int64)
    return offsets


def carried_forward(values: Ints, is_set: Flags) -> Ints:
    """`values` where `is_set`, elsewhere the last value that was set; the first one is set."""
    places = np.where(is_set, np.arange(len(values)), 0)
    return values[np.maximum.accumulate(places)]


def race(uniform: Doubles, weights: Doubles) -> Doubles:
    """Finishing times whose order is a weighted draw without replacement: the heavier, the earlier."""
    return -np.log1p(-uniform) / weights


def first_meetings(
    finish: Doubles, item_group: Ints, item_time: Ints, slot_group: Ints, slot_time: Ints, n_groups: int
) -> Ints:
    """Which item is met at which slot: every item at most once, none before its time.

    Within a group the items that exist from the first slot on are met in the order of `finish`. A later one starts at
    the first slot after its time and then waits for a share NOVELTY of its rank, so that it is met early.

    finish, item_group, item_time: (items,), sorted by group. slot_group, slot_time: (slots,), sorted by group, then
    time. Returns the item of every slot, (slots,); -1 where the group has nothing left.
    """
    slot_start = starts_of(slot_group, n_groups)
    horizon = int(max(slot_time.max(initial=0), item_time.max(initial=0))) + 1
    earliest = np.searchsorted(slot_group * horizon + slot_time, item_group * horizon + np.maximum(item_time, 0))
    earliest = earliest - slot_start[item_group]
    reachable = np.flatnonzero(earliest < np.diff(slot_start)[item_group])

    by_rank = reachable[np.lexsort((finish[reachable], item_group[reachable]))]
    group, late = item_group[by_rank], earliest[by_rank] > 0
    old_so_far: Ints = np.cumsum(~late) - ~late
    item_start = starts_of(group, n_groups)
    rank = np.arange(len(group)) - item_start[group]
    old_rank = old_so_far - np.append(old_so_far, 0)[np.minimum(item_start, len(group))][group]
    key = np.where(late, earliest[by_rank] + NOVELTY * rank, old_rank)

    order = np.lexsort((key, group))
    item, group = by_rank[order], group[order]
    # Each item takes the first free slot after the one before it and not before its own: max(previous + 1, earliest).
    place = np.arange(len(group)) - item_start[group]
    room = len(slot_group) + len(group) + 1
    slot = np.maximum.accumulate(earliest[item] - place + group * 2 * room) - group * 2 * room + place
    fits = slot < np.diff(slot_start)[group]
    met = np.full(len(slot_group), -1, dtype=np.int64)
    met[slot_start[group[fits]] + slot[fits]] = item[fits]
    return met


def origins(source: Ints) -> Ints:
    """Follow `source` (each entry an earlier index, or itself) to the end, for all entries at once."""
    while True:
        further = source[source]
        if np.array_equal(further, source):
            return source
        source = further
