"""The part of a step's requests that one of several workers reads."""

from dataclasses import replace

import numpy as np

from loopback_core.towers.decayed_counts import Moments
from loopback_core.training.requests import Requests


def part_of(requests: Requests, rank: int, workers: int) -> Requests:
    """The requests of worker `rank`, with their targets: each request goes to one worker, each worker has about as many targets.

    Requests next to each other stay together, since they share what is read of a history. A worker for whom none is left
    reads one request without a target: it has to take part in the step.
    """
    begin, end = (_boundary(requests, number, workers) for number in (rank, rank + 1))
    of = slice(*np.searchsorted(requests.request, [begin, end]))
    rows = slice(begin, max(end, begin + 1)) if begin < len(requests.intent) else slice(begin - 1, begin)
    moments = requests.moments
    return replace(
        requests,
        moments=Moments(moments.row[rows], moments.place[rows], moments.now[rows]),
        intent=requests.intent[rows],
        target=requests.target[of],
        is_repeat=requests.is_repeat[of],
        request=requests.request[of] - begin,
    )


def _boundary(requests: Requests, number: int, workers: int) -> int:
    """The first request of part `number`."""
    if number in (0, workers):
        return len(requests.intent) if number else 0
    return int(requests.request[len(requests.request) * number // workers]) if len(requests.request) else 0
