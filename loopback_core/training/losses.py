"""The contrastive losses of the towers."""

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

    users: (A, D), positives: (T, D), negatives: (M, D), of unit norm. request: (T,) the row of `users` of each positive.
    inverse_temperature: scalar. correction: (M,) nats. false_negative: (A, M) bool: pairs that leave the denominator.
    weight: (T,) of each positive in the mean, or None: all the same; 0 where all weights are 0.
    Returns the mean loss in nats, a scalar.
    """
    logits = (users * inverse_temperature) @ negatives.T - correction  # (A, M)
    if false_negative is not None:
        logits = logits.masked_fill(false_negative, -torch.inf)
    others = logits.logsumexp(dim=1)  # (A,): one for all positives of a request
    scores = (users.index_select(0, request) * positives).sum(dim=1) * inverse_temperature  # (T,)
    losses = torch.logaddexp(scores, others.index_select(0, request)) - scores
    if weight is None:
        return losses.mean()
    return (weight * losses).sum() / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)
