"""Late interaction: every vector of the user looks for its own best vector of the track.

(Khattab & Zaharia 2020, "ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over BERT".)
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from loopback_core.features.track_content import TrackContent
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers, in_order, last_states
from loopback_core.lineage.track_views import View
from loopback_core.settings import Settings
from loopback_core.towers.track import SumTrackTower
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import UserInputs
from loopback_core.training.sampled import SampledBatch

PRODUCTS_AT_ONCE = 1 << 22
"""Products of user vectors with negatives that are held in one pass."""


class LateTowers(MultiVectorTowers):
    """score(u, t) = sum over i of w_i * max over j of u_i · t_j (MaxSim).

    u_0 is the vector of the plain user tower, the others are the states of the last listens; t_0 is the vector of the plain
    track tower, t_1 that of the artist. The weights w add up to 1 over the vectors that a user has; ColBERT has none, but
    there a query is nothing else than its words, and here most of what is known of a user is in u_0.
    """

    merge = "sum"

    def __init__(self, vocabulary: Vocabulary, settings: Settings) -> None:
        super().__init__(vocabulary, settings)
        in_order(self, "late")
        self.listens = min(settings.lineage.listens, settings.towers.hstu.window)
        weights = torch.zeros(2, 1 + self.listens)  # for each intent; in logarithms
        weights[:, 0] = torch.tensor(float(self.listens)).log()  # half of the score is that of the plain towers
        self.weights = nn.Parameter(weights)

    def user_vectors(self, inputs: UserInputs) -> Tensor:
        """-> (A, 1 + N, D), each as long as its weight; zeros where there was no listen."""
        users, last = in_order(self, "late")
        assert inputs.last is not None and inputs.intent is not None
        states = last.states(inputs.last)
        pooled = F.normalize(users.total(inputs, states), dim=-1)
        lately, is_heard = last_states(states, inputs.last, self.listens)
        is_there = F.pad(is_heard, (1, 0), value=True)
        weights = self.weights.index_select(0, inputs.intent)
        weights = weights.masked_fill(~is_there, -torch.inf).softmax(dim=1)
        return torch.cat([pooled[:, None], lately], dim=1) * weights[..., None]

    def views(self, content: TrackContent) -> list[View]:
        """A vector for each track, and one for each artist."""
        n_artists = int(content.artist.max(initial=-1)) + 1
        with torch.inference_mode():
            artists = self._of_artists(torch.arange(n_artists, device=self.device)).float().cpu().numpy()
        return [*super().views(content), View(artists, content.artist)]

    def _of_artists(self, artist: Tensor) -> Tensor:
        assert isinstance(self.tracks, SumTrackTower)  # what reads histories needs it
        return F.normalize(self.tracks.artist(artist), dim=-1)

    def loss_of(self, batch: SampledBatch) -> Tensor:
        """The sampled softmax of :func:`loopback_core.training.losses.sampled_softmax`, of scores by MaxSim.

        The products of a block of requests are computed again in the backward pass instead of being kept.
        """
        users, count = self.user_vectors(batch.users), len(batch)
        views = [self.tracks(batch.tracks), self._of_artists(batch.tracks.artist)]
        positives, negatives = [view[:count] for view in views], [view[count:] for view in views]
        scale, of_target = self.inverse_temperature(), users.index_select(0, batch.request)
        score = scale * torch.stack([(of_target @ view[..., None])[..., 0] for view in positives]).amax(0).sum(dim=1)
        rows = max(1, PRODUCTS_AT_ONCE // max(1, users.shape[1] * len(batch.correction)))
        blocks = [
            checkpoint(_log_of_others, block, *negatives, scale, batch.correction, mask, use_reentrant=False)
            for block, mask in zip(torch.split(users, rows), torch.split(batch.false_negative, rows), strict=True)
        ]
        against = torch.cat(blocks).index_select(0, batch.request)
        missed = torch.logaddexp(score, against) - score
        if batch.weight is None:
            return missed.mean()
        return (missed * batch.weight).sum() / batch.weight.sum().clamp(min=torch.finfo(missed.dtype).tiny)


def _log_of_others(
    users: Tensor, tracks: Tensor, artists: Tensor, scale: Tensor, correction: Tensor, false_negative: Tensor
) -> Tensor:
    """(A,) the logarithm of what the negatives add to the denominator. users: (A, U, D). tracks, artists: (M, D)."""
    flat = users.flatten(0, 1)
    best = torch.maximum(flat @ tracks.T, flat @ artists.T).view(*users.shape[:2], -1).sum(dim=1)
    logits = (scale * best - correction).masked_fill(false_negative, torch.finfo(best.dtype).min)
    return logits.logsumexp(dim=1)
