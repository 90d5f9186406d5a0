"""The sampled softmax of scores that are made of several products."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from loopback_core.lineage.track_views import Merge
from loopback_core.training.sampled import SampledBatch

PRODUCTS_AT_ONCE = 1 << 22
"""Products of user vectors with negatives that are held in one pass."""


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
    The products of a block of requests are computed again in the backward pass instead of being kept.

    users: (A, U, D). views: each (T + M, D), of the targets and then of the negatives. plain: vectors of users, (A, E), and of
    tracks, (T + M, E), whose product is added to each score.
    """
    count = len(batch)
    positives, negatives = [view[:count] for view in views], [view[count:] for view in views]
    of_target = users.index_select(0, batch.request)
    products = torch.stack([(of_target @ view[..., None])[..., 0] for view in positives]).amax(dim=0)  # (T, U)
    merged = _merged(products, merge)
    if plain is not None:
        merged = merged + (plain[0].index_select(0, batch.request) * plain[1][:count]).sum(dim=1)
    score = inverse_temperature * merged
    rows = max(1, PRODUCTS_AT_ONCE // max(1, users.shape[1] * len(batch.correction)))
    others = [
        checkpoint(
            _log_of_others,
            users[part],
            batch.false_negative[part],
            batch.correction,
            inverse_temperature,
            merge,
            None if plain is None else (plain[0][part], plain[1][count:]),
            *negatives,
            use_reentrant=False,
        )
        for part in (slice(start, start + rows) for start in range(0, len(users), rows))
    ]
    return cost_of_targets(score, torch.cat(others), batch)


def cost_of_targets(score: Tensor, others: Tensor, batch: SampledBatch) -> Tensor:
    """The mean over the targets of -log of their share in the softmax, a scalar.

    score: (T,) of each target. others: (A,) the logarithm of what the negatives add to the denominator of each request.
    """
    missed = torch.logaddexp(score, others.index_select(0, batch.request)) - score
    if batch.weight is None:
        return missed.mean()
    return (missed * batch.weight).sum() / batch.weight.sum().clamp(min=torch.finfo(missed.dtype).tiny)


def _log_of_others(
    users: Tensor,
    false_negative: Tensor,
    correction: Tensor,
    inverse_temperature: Tensor,
    merge: Merge,
    plain: tuple[Tensor, Tensor] | None,
    *views: Tensor,
) -> Tensor:
    """(A,) the logarithm of what the negatives add to the denominator.

    users: (A, U, D). views: each (M, D). plain: (A, E) and (M, E).
    """
    flat = users.flatten(0, 1)
    products = flat @ views[0].T
    for view in views[1:]:
        products = torch.maximum(products, flat @ view.T)
    scores = _merged(products.view(*users.shape[:2], -1).transpose(1, 2), merge)  # (A, M)
    if plain is not None:
        scores = torch.addmm(scores, plain[0], plain[1].T)
    logits = inverse_temperature * scores - correction
    return logits.masked_fill(false_negative, torch.finfo(logits.dtype).min).logsumexp(dim=1)


def _merged(products: Tensor, merge: Merge) -> Tensor:
    """(..., U) -> (...)."""
    return products.amax(dim=-1) if merge == "max" else products.sum(dim=-1)
