"""The sampled softmax of scores that are made of several products."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from loopback_core.lineage.track_views import Merge
from loopback_core.training.sampled import SampledBatch

PRODUCTS_AT_ONCE = {"cpu": 1 << 19, "cuda": 1 << 25}
"""Products of user vectors with negatives that are made in one pass, by the kind of device; on a CPU they stay in its cache."""


def merged_softmax(
    users: Tensor,
    views: Sequence[Tensor],
    batch: SampledBatch,
    inverse_temperature: Tensor,
    merge: Merge,
    plain: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """The loss of :func:`loopback_core.training.losses.sampled_softmax`, of scores that merge the best products; a scalar.

    Positives and negatives are scored as they are served: with `max` a target trains the interest nearest to it alone, and a
    negative pushes away the interest nearest to it, also one that no target trains. (ComiRec compares negatives with the
    interest of the target alone; then the other interests of a user score what they like, and their tracks are served too.)
    Products and their gradients are made for some requests at a time, in one pass, as in `sampled_softmax`.

    users: (A, U, D). views: each (T + M, D), of the targets and then of the negatives. plain: vectors of users, (A, E), and of
    tracks, (T + M, E), whose product is added to each score.
    """
    plain_users, plain_tracks = (None, None) if plain is None else map(_in_full, plain)
    with torch.autocast(users.device.type, enabled=False):
        return _loss_in_full(
            _in_full(users), [*map(_in_full, views)], batch, inverse_temperature, merge, plain_users, plain_tracks
        )


def _in_full(vectors: Tensor) -> Tensor:
    """At least in single precision: thousands of small terms are added up."""
    return vectors.to(torch.promote_types(vectors.dtype, torch.float32))


def _loss_in_full(
    users: Tensor,
    views: Sequence[Tensor],
    batch: SampledBatch,
    scale: Tensor,
    merge: Merge,
    plain_users: Tensor | None,
    plain_tracks: Tensor | None,
) -> Tensor:
    count = len(batch)
    of_target = users.index_select(0, batch.request)
    products = torch.stack([(of_target * view[:count, None]).sum(dim=2) for view in views]).amax(dim=0)  # (T, U)
    score, negatives = products.amax(dim=1) if merge == "max" else products.sum(dim=1), None
    if plain_users is not None and plain_tracks is not None:
        score = score + (plain_users.index_select(0, batch.request) * plain_tracks[:count]).sum(dim=1)
        negatives = plain_tracks[count:]
    of_negatives = (users, scale, plain_users, negatives, *(view[count:] for view in views))
    loss: Tensor = _MergedSoftmax.apply(merge, batch, scale * score, *of_negatives)
    return loss


def cost_of_targets(score: Tensor, others: Tensor, batch: SampledBatch) -> Tensor:
    """The mean over the targets of -log of their share in the softmax, a scalar.

    score: (T,) of each target. others: (A,) the logarithm of what the negatives add to the denominator of each request.
    """
    missed = torch.logaddexp(score, others.index_select(0, batch.request)) - score
    return (missed * _shares(batch, score)).sum()


def _shares(batch: SampledBatch, score: Tensor) -> Tensor:
    """(T,) of each target in the mean."""
    if batch.weight is None:
        return torch.full_like(score, 1 / max(len(score), 1))
    return batch.weight / batch.weight.sum().clamp(min=torch.finfo(batch.weight.dtype).tiny)


class _MergedSoftmax(torch.autograd.Function):
    """The loss, and in the same pass its gradients by the scores of the targets and by all that the negatives' are made of."""

    @staticmethod
    def forward(context: Any, merge: Merge, batch: SampledBatch, *inputs: Any) -> Tensor:
        score, users, scale, plain_users, plain_tracks, *views = inputs
        by_inputs: list[Any] = [None if of is None else torch.zeros_like(of) for of in inputs]
        d_score, d_users, d_scale, d_plain_users, d_plain_tracks, *d_views = by_inputs
        loss: Tensor = score.new_zeros(())
        share = _shares(batch, score)
        most = PRODUCTS_AT_ONCE.get(users.device.type, 1 << 19)
        rows = max(1, most // max(1, users.shape[1] * len(batch.correction)))
        starts = torch.arange(0, len(users) + rows, rows, device=users.device)
        targets = torch.searchsorted(batch.request, starts).tolist()
        for number, start in enumerate(range(0, len(users), rows)):
            block, of = slice(start, min(start + rows, len(users))), slice(targets[number], targets[number + 1])
            best, nearest = _best_views(users[block], views)
            merged = best.amax(dim=1) if merge == "max" else best.sum(dim=1)  # (rows, M)
            winners = (best == merged[:, None]).to(best.dtype) if merge == "max" else None
            if plain_users is not None:
                merged.addmm_(plain_users[block], plain_tracks.T)
            logits = (merged * scale).sub_(batch.correction)
            logits.masked_fill_(batch.false_negative[block], -torch.inf)
            largest = logits.amax(dim=1, keepdim=True).clamp(min=torch.finfo(logits.dtype).min)
            exponentials = logits.sub_(largest).exp_()
            total = exponentials.sum(dim=1)
            others = total.log() + largest[:, 0]
            row = batch.request[of] - start
            against = others.index_select(0, row)
            both = torch.logaddexp(score[of], against)
            loss += (share[of] * (both - score[of])).sum()

            d_score[of] = share[of] * ((score[of] - both).exp() - 1)
            d_others = torch.zeros_like(others).index_add_(0, row, share[of] * (against - both).exp())
            d_logits = exponentials.mul_((d_others / total.clamp(min=torch.finfo(total.dtype).tiny))[:, None])
            d_scale += (d_logits * merged).sum()
            d_merged = d_logits.mul_(scale)
            if plain_users is not None:
                d_plain_users[block] = d_merged @ plain_tracks
                d_plain_tracks += d_merged.T @ plain_users[block]
            d_best = d_merged[:, None]
            if winners is not None:
                d_best = winners.mul_(d_best / winners.sum(dim=1, keepdim=True))
            d_users[block] = _to_views(d_best, nearest, users[block], views, d_views)
        context.save_for_backward(*(of for of in by_inputs if of is not None))
        context.is_given = [of is not None for of in by_inputs]
        return loss

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        kept = iter(context.saved_tensors)
        return None, None, *(gradients[0] * next(kept) if is_given else None for is_given in context.is_given)


def _best_views(users: Tensor, views: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """(R, U, M) the largest product over the views, and of each view where it is the nearest; of one view none is kept.

    users: (R, U, D). views: each (M, D).
    """
    flat = users.flatten(0, 1)
    products = [flat @ view.T for view in views]
    best, nearest = products[0], []
    for other in products[1:]:
        best = torch.maximum(best, other)
    left = None
    for of_view in products[:-1]:  # one view for each pair: the first of those that are as near
        is_nearest = of_view == best if left is None else (of_view == best) & left
        left = ~is_nearest if left is None else left & ~is_nearest
        nearest.append(is_nearest)
    if left is not None:
        nearest.append(left)
    return best.view(*users.shape[:2], -1), nearest


def _to_views(
    d_best: Tensor, nearest: list[Tensor], users: Tensor, views: Sequence[Tensor], d_views: Sequence[Tensor]
) -> Tensor:
    """Add to the gradients of the views, and return that of the users, (R, U, D).

    d_best: (R, U, M), or (R, 1, M) where it is the same for all vectors of a user.
    """
    if d_best.shape[1] == 1 and not nearest:
        d_views[0].addmm_(d_best[:, 0].T, users.sum(dim=1))
        return (d_best[:, 0] @ views[0])[:, None].expand_as(users)
    flat, d_flat = users.flatten(0, 1), d_best.expand(*users.shape[:2], -1).flatten(0, 1)
    d_users = torch.zeros_like(flat)
    for number, (view, d_view) in enumerate(zip(views, d_views, strict=True)):
        of_view = d_flat * nearest[number] if nearest else d_flat
        d_view.addmm_(of_view.T, flat)
        d_users.addmm_(of_view, view)
    return d_users.view_as(users)
