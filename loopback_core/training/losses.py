"""The contrastive loss of the towers."""

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
    logits = (users @ tracks.T) * inverse_temperature  # (B, B)
    if false_negative is not None:
        logits = logits.masked_fill(false_negative, -torch.inf)
    positive = torch.arange(len(users), device=users.device)
    return (F.cross_entropy(logits, positive) + F.cross_entropy(logits.T, positive)) / 2
