"""Training examples for towers that read histories: moments of histories, and many listens that came after each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from loopback_core.data import FitData, Histories, Ids, Ragged
from loopback_core.settings import TrainingSettings
from loopback_core.towers.decayed_counts import Moments
from loopback_core.towers.user import ANYTHING, ONLY_NEW

SmallIds = NDArray[np.int32]
"""Of every listen of a long log: half the memory."""

FEW_REPEATS = 0.01
"""In a log with a smaller share of repeats both intents ask for the same, and a listen answers one of them."""

PLANNED_AT_ONCE = 1 << 21
"""Listens whose moments are drawn at a time, which bounds the memory."""


@dataclass(frozen=True)
class Targets:
    """The targets that a step's negatives are drawn from, and how often each track is one: exact counts."""

    all: SmallIds  # (n,) tracks
    tracks: SmallIds  # distinct, ascending
    shares: NDArray[np.float64]  # of each of them, adding up to 1

    @classmethod
    def of(cls, targets: SmallIds) -> "Targets":
        """Count these."""
        tracks, counts = np.unique(targets, return_counts=True)
        return cls(targets, tracks, counts / max(len(targets), 1))

    def draw(self, count: int, rng: np.random.Generator) -> Ids:
        """`count` of them at random, with replacement."""
        return self.all[rng.integers(0, len(self.all), count)].astype(np.int64)

    def share(self, tracks: Ids) -> NDArray[np.float64]:
        """The share of each of these tracks, 0 for one that is no target."""
        place = np.minimum(np.searchsorted(self.tracks, tracks), len(self.tracks) - 1)
        return np.where(self.tracks[place] == tracks, self.shares[place], 0.0)


@dataclass(frozen=True)
class Requests:
    """A requests (moments of histories), with T listens that answer them."""

    moments: Moments
    intent: Ids  # (A,) ANYTHING or ONLY_NEW
    target: Ids  # (T,) tracks
    is_repeat: NDArray[np.bool_]  # (T,) the user had played the track before that listen
    request: Ids  # (T,) the request that each target answers, ascending
    group: Targets  # of the users of the step's group, over the epoch: this step's are among them


@dataclass(frozen=True)
class Pass:
    """All targets of one pass over the fit data, in the order of the M requests that they answer."""

    moments: Ids  # (M,) places in the histories, in the order of the steps
    row: Ids  # (M,) rows of the histories
    intent: Ids  # (M,)
    targets: SmallIds  # (T,) places in the histories
    ends: Ids  # (M + 1,) targets of the first i requests
    steps: list[tuple[int, int, int]]  # of each step: its first request, the one after its last, its group
    groups: list[Targets]


class RequestPlan:
    """Which listens of the fit data answer which moment; every listen is a target once a pass.

    The moments of a history lie `request_stride` listens apart, from a phase that each pass draws. A listen answers a
    moment at most `target_window` listens before it (or a stride, where that is longer), so that one reading of a
    history serves about a stride of targets. First plays answer requests for new tracks as well. Requests within
    `request_span` listens of a history come in one step, so that their shared history is read once. An epoch is a
    pass, or, of a long log, a part of one with about `epoch_targets` targets.
    """

    def __init__(self, data: FitData, settings: TrainingSettings) -> None:
        self.settings = settings
        self.histories = Histories.of(data.events, np.arange(data.catalog.n_users), data.now, data.demographics)
        tracks = self.histories.tracks
        pair = tracks.row_numbers() * data.catalog.n_tracks + tracks.values
        order = np.argsort(pair, kind="stable")  # of one track of one user the first play comes first
        self.first_plays = order[np.diff(pair[order], prepend=-1) != 0]  # by user, then by track
        # Row u: the tracks that user u ever plays, each once, in the order of `first_plays`.
        self.played = Ragged.from_pairs(self.row(self.first_plays), tracks.values[self.first_plays], len(tracks))
        self._track = tracks.values.astype(np.int32)
        self._is_repeat = np.ones(len(tracks.values), np.bool_)
        self._is_repeat[self.first_plays] = False
        self._has_repeats = bool(self._is_repeat.mean() >= FEW_REPEATS)
        of_a_pass = len(tracks.values) + (len(self.first_plays) if self._has_repeats else 0)
        self.parts = max(1, round(of_a_pass / settings.sampled.epoch_targets)) if settings.sampled.epoch_targets else 1
        self._targets = of_a_pass // self.parts
        self._last: tuple[int, Pass] | None = None  # the last pass, with its number

    def __len__(self) -> int:
        """Targets of an epoch, about."""
        return self._targets

    def row(self, listens: Ids) -> Ids:
        """The row of the histories in which each of these listens stands."""
        row: Ids = np.searchsorted(self.histories.tracks.offsets, listens, side="right") - 1
        return row

    def epoch(self, epoch: int) -> Iterator[Requests]:
        """Steps of about `batch_size` targets, in an order that depends on (seed, epoch) alone. epoch: from 1."""
        number, part = divmod(epoch - 1, self.parts)
        if self._last is None or self._last[0] != number:
            self._last = None
            self._last = (number, self._pass(number))
        of_pass = self._last[1]
        for step in np.array_split(np.arange(len(of_pass.steps)), self.parts)[part]:
            yield self._requests(of_pass, *of_pass.steps[step])

    def _requests(self, of_pass: Pass, start: int, stop: int, group: int) -> Requests:
        moments, row = of_pass.moments[start:stop], of_pass.row[start:stop]
        targets = of_pass.targets[of_pass.ends[start] : of_pass.ends[stop]]
        return Requests(
            Moments(row, moments, self._now(row, moments)),
            of_pass.intent[start:stop],
            self.histories.tracks.values[targets],
            self._is_repeat[targets],
            np.repeat(np.arange(stop - start), np.diff(of_pass.ends[start : stop + 1])),
            of_pass.groups[group],
        )

    def _pass(self, number: int) -> Pass:
        rng = np.random.default_rng([self.settings.seed, number + 1])
        moments: list[Ids] = []
        targets: list[SmallIds] = []
        request: list[SmallIds] = []
        intent: list[Ids] = []
        for wanted, answers in self._answers(rng):
            phase = rng.integers(0, self.settings.sampled.request_stride, len(self.histories))
            pairs = [
                self._moments(answers[start : start + PLANNED_AT_ONCE], phase, rng)
                for start in range(0, len(answers), PLANNED_AT_ONCE)
            ]
            answering, place = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
            distinct, which = np.unique(place, return_inverse=True)
            request.append((which + sum(map(len, moments))).astype(np.int32))
            moments.append(distinct.astype(np.int64))
            targets.append(answering)
            intent.append(np.full(len(distinct), wanted))
        all_moments, all_intents = np.concatenate(moments), np.concatenate(intent)
        return self._in_steps(all_moments, all_intents, np.concatenate(targets), np.concatenate(request), rng=rng)

    def _answers(self, rng: np.random.Generator) -> list[tuple[int, Ids]]:
        """Intent, and the listens that answer a request with it."""
        everything = np.arange(len(self._is_repeat))
        if self._has_repeats:
            return [(ANYTHING, everything), (ONLY_NEW, self.first_plays)]
        asks_for_new = rng.integers(0, 2, len(everything)).astype(np.bool_)
        asks_for_new &= ~self._is_repeat
        return [(ANYTHING, everything[~asks_for_new]), (ONLY_NEW, everything[asks_for_new])]

    def _moments(self, listens: Ids, phase: Ids, rng: np.random.Generator) -> tuple[SmallIds, SmallIds]:
        """The listens that answer a moment, and the place of that moment; a first listen answers none.

        phase: (rows,) where the grid begins on which the moments of each history lie.
        """
        row = self.row(listens)
        begin, phase = self.histories.tracks.offsets[row], phase[row]
        stride, place = self.settings.sampled.request_stride, listens - begin
        earlier = place - rng.integers(0, self.settings.sampled.target_window, len(listens))
        earlier = np.where(earlier > 0, earlier, rng.integers(0, np.maximum(place, 1)))  # a short history
        after = -(-(earlier + phase) // stride) * stride - phase  # the next place of the grid
        moment = np.where(after > place, after - stride, after)
        heard = np.where(moment > 0, moment, place)  # before the first place of the grid each listen has its own
        something = heard > 0  # an empty history teaches nothing
        return listens[something].astype(np.int32), (begin + heard)[something].astype(np.int32)

    def _in_steps(
        self, moments: Ids, intent: Ids, targets: SmallIds, request: SmallIds, *, rng: np.random.Generator
    ) -> Pass:
        """moments: (M,) places in the histories. targets: listens. request: (targets,) number of the moment of each."""
        row = self.row(moments)
        n_groups = self._n_groups()
        group = rng.permutation(len(self.histories))[row] % n_groups
        heard = moments - self.histories.tracks.offsets[row]
        _, stretch = np.unique(
            row * (len(self._is_repeat) + 1) + (heard - 1) // self.settings.sampled.request_span, return_inverse=True
        )
        order = np.lexsort((rng.permutation(len(moments))[stretch], group))
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order))
        targets = targets[np.argsort(rank[request], kind="stable")]
        ends = np.concatenate([[0], np.cumsum(np.bincount(request, minlength=len(order))[order])])
        tracks = self._track[targets]

        steps = []
        starts = np.searchsorted(group[order], np.arange(n_groups + 1))
        per_step = max(1, round(self.settings.batch_size * len(order) / max(len(targets), 1)))
        for of_group, (low, high) in enumerate(pairwise(starts.tolist())):
            steps += [(start, min(start + per_step, high), of_group) for start in range(low, high, per_step)]
        groups = [Targets.of(tracks[ends[low] : ends[high]]) for low, high in pairwise(starts)]
        in_turn = [steps[step] for step in rng.permutation(len(steps))]
        return Pass(moments[order], row[order], intent[order], targets, ends, in_turn, groups)

    def _n_groups(self) -> int:
        per_group = self.settings.sampled.users_per_group
        return max(1, -(-len(self.histories) // per_group)) if per_group else 1

    def _now(self, row: Ids, moment: Ids) -> Ids:
        """A request is made when the listen after it begins."""
        last = self.histories.tracks.offsets[row + 1] - 1
        now: Ids = self.histories.timestamps[np.minimum(moment, last)]
        return now
