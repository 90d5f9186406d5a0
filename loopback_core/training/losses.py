"""The contrastive losses of the towers."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def in_batch_infonce(
    users: Tensor, tracks: Tensor, inverse_temperature: Tensor, false_negative: Tensor | None = None
) -> Tensor:
    """Symmetric InfoNCE with in-batch negatives (van den Oord et al. 2018; Radford et al. 2021 for the two directions).

    Row i's positive is track i; every other track of the batch is a negative of user i, every other user one of
    track i, but for the masked pairs, which leave both denominators.

    users, tracks: (B, D) of unit norm. inverse_temperature: scalar. false_negative: (B, B) bool with an empty
    diagonal, or None. Returns the mean loss in nats, a scalar.
    """
    logits = (users * inverse_temperature) @ tracks.T  # (B, B)
    if false_negative is not None:
        logits = logits.masked_fill(false_negative, -torch.inf)
    positive = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, positive) + F.cross_entropy(logits.T, positive)) / 2


def sampled_softmax(
    users: Tensor,
    positives: Tensor,
    request: Tensor,
    negatives: Tensor,
    inverse_temperature: Tensor,
    correction: Tensor,
    false_negative: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Cross entropy of each positive against the negatives that all requests share.

    With s the scaled score, a positive p of request a costs log(exp s(a, p) + sum over j of exp(s(a, j) - c(j))) - s(a, p).
    The positive is given, not drawn, and enters as it is ("Correcting the LogQ Correction", RecSys 2025); where
    c = log(m q), m negatives drawn from q, the sum estimates that of the full softmax (Bengio & Senécal 2003; Yi et al.
    2019). The correction is taken off after the division by the temperature: before it, it would be scaled along.

    Logits and their gradients are made for some requests at a time, in one pass: the whole (A, M) block would go through
    memory some ten times, which takes longer than the products of matrices.

    users: (A, D), positives: (T, D), negatives: (M, D), of unit norm. request: (T,) the row of `users` of each positive,
    ascending. inverse_temperature: scalar. correction: (M,) nats. false_negative: (A, M) bool: pairs that leave the
    denominator. weight: (T,) of each positive in the mean, or None: all the same; 0 where all weights are 0.
    Returns the mean loss in nats, a scalar.
    """
    if weight is None:
        share = torch.full_like(positives[:, 0], 1 / max(len(request), 1))
    else:
        share = weight / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)
    loss: Tensor = _SampledSoftmax.apply(
        users, positives, negatives, inverse_temperature, request, correction, false_negative, share
    )
    return loss


LOGITS_AT_ONCE = {"cpu": 1 << 19, "cuda": 1 << 25}
"""By the kind of device; on a CPU they stay in its cache."""


class _SampledSoftmax(torch.autograd.Function):
    """The loss and, in the same pass, its gradients by the first four inputs."""

    @staticmethod
    def forward(context: Any, *inputs: Any) -> Tensor:
        users, positives, negatives, scale, request, correction, false_negative, share = inputs
        d_users, d_positives, d_negatives = (torch.zeros_like(vectors) for vectors in (users, positives, negatives))
        d_scale = torch.zeros_like(scale)
        loss: Tensor = users.new_zeros(())
        rows = max(1, LOGITS_AT_ONCE.get(users.device.type, 1 << 19) // max(len(negatives), 1))
        starts = torch.arange(0, len(users) + rows, rows, device=request.device)
        targets = torch.searchsorted(request, starts).tolist()
        for number, start in enumerate(range(0, len(users), rows)):
            stop, of = min(start + rows, len(users)), slice(targets[number], targets[number + 1])
            block, own, row = users[start:stop], positives[of], request[of] - start
            logits = (block * scale) @ negatives.T - correction
            if false_negative is not None:
                logits = logits.masked_fill_(false_negative[start:stop], -torch.inf)
            largest = logits.amax(dim=1, keepdim=True).clamp(min=torch.finfo(logits.dtype).min)
            exponentials = logits.sub_(largest).exp_()
            total = exponentials.sum(dim=1)
            others = total.log() + largest[:, 0]  # (rows,): one for all positives of a request
            of_target = block.index_select(0, row)
            product = (of_target * own).sum(dim=1)
            score, against = product * scale, others.index_select(0, row)
            both = torch.logaddexp(score, against)
            loss += (share[of] * (both - score)).sum()

            d_score = share[of] * ((score - both).exp() - 1)
            d_others = torch.zeros_like(others).index_add_(0, row, share[of] * (against - both).exp())
            d_logits = exponentials.mul_((d_others / total.clamp(min=torch.finfo(total.dtype).tiny))[:, None])
            mean_negative = d_logits @ negatives
            d_scale += (mean_negative * block).sum() + (d_score * product).sum()
            d_users[start:stop] = scale * mean_negative
            d_users[start:stop].index_add_(0, row, (scale * d_score)[:, None] * own)
            d_positives[of] = (scale * d_score)[:, None] * of_target
            d_negatives += d_logits.T @ (block * scale)
        context.save_for_backward(d_users, d_positives, d_negatives, d_scale)
        return loss

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return *(gradients[0] * gradient for gradient in context.saved_tensors), None, None, None, None
