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


@dataclass(frozen=True)
class Targets:
    """The targets that a step's negatives are drawn from, and how often each track is one: exact counts."""

    all: Ids  # (n,) tracks
    tracks: Ids  # distinct, ascending
    shares: NDArray[np.float64]  # beside them, adding up to 1

    @classmethod
    def of(cls, targets: Ids) -> "Targets":
        """Count these."""
        tracks, counts = np.unique(targets, return_counts=True)
        return cls(targets, tracks, counts / max(len(targets), 1))

    def draw(self, count: int, rng: np.random.Generator) -> Ids:
        """So many of them at random, with replacement."""
        return self.all[rng.integers(0, len(self.all), count)]

    def share(self, tracks: Ids) -> NDArray[np.float64]:
        """The share of each of these tracks, 0 for one that is no target."""
        place = np.minimum(np.searchsorted(self.tracks, tracks), len(self.tracks) - 1)
        return np.where(self.tracks[place] == tracks, self.shares[place], 0.0)


@dataclass(frozen=True)
class Requests:
    """A moments at which somebody asked, with T listens that answer them."""

    moments: Moments
    intent: Ids  # (A,) ANYTHING or ONLY_NEW
    target: Ids  # (T,) tracks
    is_repeat: NDArray[np.bool_]  # (T,) the user had played the track before that listen
    request: Ids  # (T,) the request that each target answers, ascending
    group: Targets  # of the users of the step's group, over the epoch: this step's are among them


class RequestPlan:
    """Which listens of the fit data answer which moment; every listen is a target once an epoch.

    The moments of a history lie `request_stride` listens apart, from a phase that each epoch draws. A listen answers a
    moment at most `target_window` listens before it (or a stride, where that is longer), so that one reading of a history serves about a stride of targets.
    First plays answer requests for new tracks as well. Requests within `request_span` listens of a history come in one
    step, so that what they share of it is read once.
    """

    def __init__(self, data: FitData, settings: TrainingSettings) -> None:
        self.settings = settings
        self.histories = Histories.of(data.events, np.arange(data.catalog.n_users), data.now, data.demographics)
        tracks = self.histories.tracks
        self.row = tracks.row_numbers()
        self._place = np.arange(len(self.row)) - tracks.offsets[self.row]
        pair = self.row * data.catalog.n_tracks + tracks.values
        order = np.argsort(pair, kind="stable")  # of one track of one user the first play comes first
        self.first_plays = order[np.diff(pair[order], prepend=-1) != 0]  # by user, then by track
        # Row u: the tracks that user u ever plays, each once, in the order of `first_plays`.
        self.played = Ragged.from_pairs(self.row[self.first_plays], tracks.values[self.first_plays], len(tracks))
        self._is_repeat = np.ones(len(self.row), np.bool_)
        self._is_repeat[self.first_plays] = False

    def __len__(self) -> int:
        """Targets of an epoch."""
        return len(self.row) + len(self.first_plays)

    def epoch(self, epoch: int) -> Iterator[Requests]:
        """Batches of about `batch_size` targets, in an order that depends on (seed, epoch) alone."""
        rng = np.random.default_rng([self.settings.seed, epoch])
        moments: list[Ids] = []
        targets: list[Ids] = []
        request: list[Ids] = []
        intent: list[Ids] = []
        for wanted, answers in ((ANYTHING, np.arange(len(self.row))), (ONLY_NEW, self.first_plays)):
            heard = self._moments(answers, rng)
            answers, heard = answers[heard > 0], heard[heard > 0]  # with nothing heard there is nothing to learn from
            place = self.histories.tracks.offsets[self.row[answers]] + heard
            distinct, number = np.unique(place, return_inverse=True)
            request.append(number + sum(map(len, moments)))
            moments.append(distinct)
            targets.append(answers)
            intent.append(np.full(len(distinct), wanted))
        yield from self._batches(*(np.concatenate(parts) for parts in (moments, targets, request, intent)), rng=rng)

    def _moments(self, listens: Ids, rng: np.random.Generator) -> Ids:
        """How much of its history each listen's request has heard: on the grid of the epoch, 0 for a first listen."""
        stride, place = self.settings.request_stride, self._place[listens]
        phase = rng.integers(0, stride, len(self.histories))[self.row[listens]]
        earlier = place - rng.integers(0, self.settings.target_window, len(listens))
        earlier = np.where(earlier > 0, earlier, rng.integers(0, np.maximum(place, 1)))  # a young history has no more
        after = -(-(earlier + phase) // stride) * stride - phase  # the next place of the grid
        moment = np.where(after > place, after - stride, after)
        heard: Ids = np.where(moment > 0, moment, place)  # before the first place of the grid each listen has its own
        return heard

    def _batches(
        self, moments: Ids, targets: Ids, request: Ids, intent: Ids, *, rng: np.random.Generator
    ) -> Iterator[Requests]:
        """moments: (M,) places in the histories. targets: listens. request: (targets,) number of the moment of each."""
        row = np.searchsorted(self.histories.tracks.offsets, moments, side="right") - 1
        n_groups = self._n_groups()
        group = rng.permutation(len(self.histories))[row] % n_groups
        heard = moments - self.histories.tracks.offsets[row]
        _, stretch = np.unique(
            row * (len(self.row) + 1) + (heard - 1) // self.settings.request_span, return_inverse=True
        )
        order = np.lexsort((rng.permutation(len(moments))[stretch], group))
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        by_rank = np.argsort(rank[request], kind="stable")
        targets, request = targets[by_rank], rank[request][by_rank]
        ends = np.searchsorted(request, np.arange(len(order) + 1))  # targets of the first so many requests
        tracks = self.histories.tracks.values[targets]

        blocks = []
        starts = np.searchsorted(group[order], np.arange(n_groups + 1))
        per_batch = max(1, round(self.settings.batch_size * len(order) / max(len(targets), 1)))
        for number, (low, high) in enumerate(pairwise(starts)):
            blocks += [(start, min(start + per_batch, high), number) for start in range(low, high, per_batch)]
        groups = [Targets.of(tracks[ends[low] : ends[high]]) for low, high in pairwise(starts)]
        for block in rng.permutation(len(blocks)):
            start, stop, number = blocks[block]
            asked, low, high = order[start:stop], ends[start], ends[stop]
            yield Requests(
                Moments(row[asked], moments[asked], self._now(row[asked], moments[asked])),
                intent[asked],
                tracks[low:high],
                self._is_repeat[targets[low:high]],
                request[low:high] - start,
                groups[number],
            )

    def _n_groups(self) -> int:
        per_group = self.settings.users_per_group
        return max(1, -(-len(self.histories) // per_group)) if per_group else 1

    def _now(self, row: Ids, moment: Ids) -> Ids:
        """A request is made when the listen after it begins."""
        last = self.histories.tracks.offsets[row + 1] - 1
        now: Ids = self.histories.timestamps[np.minimum(moment, last)]
        return now
