"""What the new bundle says against the one in service: neighbours and lists, never vectors, whose spaces rotate."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.data import NOTHING, Floats, Ids
from loopback_core.drift.drift_json import LimitJson, ListsJson, ModelDriftJson, SideJson
from loopback_core.drift.model_limits import FigureLimit, Figures, limits_of_models
from loopback_core.recommenders.bundle import SERVED_TASKS
from loopback_core.recommenders.name_keys import Keys
from loopback_core.settings import DriftSettings

COMPARED_FIRST = 10

MOST_ASKED, MOST_NEIGHBOURS, MOST_USERS = 1_000, 50_000, 2_000
"""Tracks whose neighbours are compared, tracks that may be neighbours, the most popular ones, and users whose lists are."""

ASKED_AT_ONCE = 100  # tracks asked at once

LARGEST_NORM_ERROR_OF_TRACKS = 1e-3


def model_drift(
    champion: ServedBundle, challenger: ServedBundle, settings: DriftSettings, past: Sequence[Figures] = ()
) -> ModelDriftJson:
    """Compare two bundles over the tracks and users that both know by name.

    champion: the bundle in service. challenger: the new one. past: of earlier comparisons, from which the limits come.
    """
    tracks, users = (
        _of_both(*keys) for keys in ((champion.keys.tracks, challenger.keys.tracks), (champion.users, challenger.users))
    )
    sides = _side(champion), _side(challenger)
    asked, overlap = _neighbour_overlap(champion, challenger, tracks)
    lists = {task: _compare_lists(champion, challenger, task, users, tracks) for task in SERVED_TASKS}
    figures = _figures(overlap, lists)
    limits = limits_of_models(list(figures), past, settings)
    alarms, exceeded = [], limits.exceeded(figures)
    if overlap is not None and "overlap" in exceeded:
        floor = exceeded["overlap"].lower
        alarms.append(
            f"Of the {COMPARED_FIRST} tracks nearest to a track the two bundles share {overlap:.1%}; the floor is {floor:.1%}."
        )
    if sides[1]["largest_norm_error"] > LARGEST_NORM_ERROR_OF_TRACKS:
        alarms.append(f"Vectors of the new bundle are not of unit norm (off by {sides[1]['largest_norm_error']:.2g}).")
    return {
        "champion": sides[0],
        "challenger": sides[1],
        "tracks_of_both": len(tracks),
        "users_of_both": len(users),
        "asked": asked,
        "overlap": overlap,
        "lists": {task: {**of, "alarms": _alarms(of, task, exceeded)} for task, of in lists.items()},
        "alarms": alarms,
        "figures": figures,
        "limits": {name: _limit_json(limit) for name, limit in limits.of.items()},
        "earlier_comparisons": limits.comparisons,
    }


def _figures(overlap: float | None, lists: Mapping[str, ListsJson]) -> dict[str, float]:
    """What is held against limits: shares, and ratios of the challenger to the champion."""
    figures = {} if overlap is None else {"overlap": overlap}
    for task, of in lists.items():
        if of["changed"] is not None:
            figures[f"{task} changed"] = of["changed"]
        for what, (old, new) in (("popularity", of["popularity"]), ("distinct", of["distinct"])):
            if old and new:
                figures[f"{task} {what}"] = new / old
    return figures


def _limit_json(limit: FigureLimit) -> LimitJson:
    return {
        "lower": limit.lower if np.isfinite(limit.lower) else None,
        "upper": limit.upper if np.isfinite(limit.upper) else None,
    }


def _of_both(champion: Keys, challenger: Keys) -> Ids:
    """(n, 2) the ids that a name has in either, of the names that both have."""
    _, first, second = np.intersect1d(champion.hashes, challenger.hashes, assume_unique=True, return_indices=True)
    return np.stack([champion.ids[first], challenger.ids[second]], axis=1).astype(np.int64)


def _side(served: ServedBundle) -> SideJson:
    vectors = np.asarray(served.bundle.vectors)
    return {
        "tracks": len(vectors),
        "users": served.known["n_users"],
        "largest_norm_error": float(np.abs(np.linalg.norm(vectors, axis=1) - 1).max(initial=0)),
        "centroid": float(np.linalg.norm(vectors.mean(axis=0))) if len(vectors) else 0.0,
    }


def _neighbour_overlap(champion: ServedBundle, challenger: ServedBundle, tracks: Ids) -> tuple[int, float | None]:
    """How many tracks were asked, and the mean share of their COMPARED_FIRST nearest tracks that both bundles have."""
    most_popular = np.argsort(-champion.bundle.catalog.listeners[tracks[:, 0]], kind="stable")[:MOST_NEIGHBOURS]
    both = tracks[np.sort(most_popular)]
    if len(both) <= COMPARED_FIRST:
        return 0, None
    asked = np.sort(np.random.default_rng(0).permutation(len(both))[:MOST_ASKED])
    near = [
        _nearest(np.asarray(served.bundle.vectors)[both[:, side]], asked)
        for side, served in enumerate((champion, challenger))
    ]
    return len(asked), float(np.mean([len(np.intersect1d(*pair)) / COMPARED_FIRST for pair in zip(*near, strict=True)]))


def _nearest(vectors: Floats, asked: Ids) -> Ids:
    """(len(asked), COMPARED_FIRST) the tracks nearest to each, itself left out, in any order. vectors: (n, D) of more than COMPARED_FIRST tracks."""
    blocks = []
    for start in range(0, len(asked), ASKED_AT_ONCE):
        block = asked[start : start + ASKED_AT_ONCE]
        products = vectors[block] @ vectors.T
        products[np.arange(len(block)), block] = -np.inf
        blocks.append(np.argpartition(-products, COMPARED_FIRST - 1, axis=1)[:, :COMPARED_FIRST])
    return np.concatenate(blocks)


def _compare_lists(champion: ServedBundle, challenger: ServedBundle, task: str, users: Ids, tracks: Ids) -> ListsJson:
    """The first COMPARED_FIRST of the users whose lists both bundles hold, at most MOST_USERS, by seed."""
    held = [_first_of(served, task, users[:, side]) for side, served in enumerate((champion, challenger))]
    of_both = np.flatnonzero((held[0][:, 0] != NOTHING) & (held[1][:, 0] != NOTHING))
    of_both = np.sort(np.random.default_rng(0).permutation(of_both)[:MOST_USERS])
    old, new = (first[of_both] for first in held)
    in_new = np.full(len(champion.bundle.vectors), NOTHING)
    in_new[tracks[:, 0]] = tracks[:, 1]
    shared = _shared(np.where(old == NOTHING, NOTHING, in_new[old]), new)
    popularity = [_popularity(served, first) for served, first in ((champion, old), (challenger, new))]
    distinct = [len(np.unique(first[first != NOTHING])) for first in (old, new)]
    return {
        "users": len(of_both),
        "overlap": float(shared.mean()) if len(of_both) else None,
        "changed": float((shared == 0).mean()) if len(of_both) else None,
        "popularity": popularity,
        "distinct": distinct,
        "alarms": [],
    }


def _first_of(served: ServedBundle, task: str, users: Ids) -> Ids:
    """(users, COMPARED_FIRST) the first tracks of the list of each, NOTHING where it ends or the bundle holds none."""
    first = np.full((len(users), COMPARED_FIRST), NOTHING)
    known = served.lists.get(task)
    if known is None or not len(known.users):
        return first
    place = np.minimum(np.searchsorted(known.users, users), len(known.users) - 1)
    has_list = known.users[place] == users
    of_list = known.tracks[place[has_list], :COMPARED_FIRST]
    first[has_list, : of_list.shape[1]] = of_list
    return first


def _shared(old: Ids, new: Ids) -> NDArray[np.float64]:
    """(rows,) the share of the COMPARED_FIRST places of two lists that hold the same tracks. old, new: (rows, COMPARED_FIRST), NOTHING for no track."""
    same = (old[:, :, None] == new[:, None, :]) & (new != NOTHING)[:, None, :]
    return np.asarray(same.any(axis=2).sum(axis=1) / COMPARED_FIRST, np.float64)


def _popularity(served: ServedBundle, lists: Ids) -> float | None:
    """The mean share of the users of a bundle who played a recommended track."""
    tracks = lists[lists != NOTHING]
    return (
        float(served.bundle.catalog.listeners[tracks].mean() / max(served.known["n_users"], 1)) if len(tracks) else None
    )


def _alarms(lists: ListsJson, task: str, exceeded: Mapping[str, FigureLimit]) -> list[str]:
    alarms, title = [], task.replace("_", " ")
    if limit := exceeded.get(f"{task} changed"):
        alarms.append(
            f"In {title} {lists['changed']:.1%} of {lists['users']:,} users keep none of their first {COMPARED_FIRST}; the limit is "
            f"{limit.upper:.1%}."
        )
    for what, name, (old, new) in (
        ("popularity of what is recommended", "popularity", lists["popularity"]),
        ("number of tracks recommended", "distinct", lists["distinct"]),
    ):
        if (limit := exceeded.get(f"{task} {name}")) and old and new:
            alarms.append(
                f"In {title} the {what} is {new / old:.2f} times that of the bundle in service; the limits are {limit.lower:.2f} and "
                f"{limit.upper:.2f}."
            )
    return alarms
