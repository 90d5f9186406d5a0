"""Late interaction: every vector of the user looks for its own best vector of the track.

(Khattab & Zaharia 2020, "ColBERT: Efficient and Effective Passage Search via Contextualized Late Interaction over BERT".)
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from loopback_core.data import Floats
from loopback_core.data.names import TrackNames
from loopback_core.features.track_content import TrackContent
from loopback_core.lineage.compressed_view import CompressedView
from loopback_core.lineage.merged_softmax import merged_softmax
from loopback_core.lineage.track_views import TrackView, View
from loopback_core.lineage.weighed_states import WeighedStates
from loopback_core.retrieval.embed import track_vectors
from loopback_core.settings import Settings
from loopback_core.towers.track import SumTrackTower
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import UserInputs
from loopback_core.training.sampled import SampledBatch


class LateTowers(WeighedStates):
    """score(u, t) = sum over i of w_i * max over j of u_i · t_j (MaxSim).

    u_i, w_i: see :class:`loopback_core.lineage.weighed_states.WeighedStates`. t_0 is the vector of the plain track tower, t_1 that of the
    artist. ColBERT has no weights, but there a query is nothing else than its words, and here most of what is known of a user is in u_0.
    """

    merge = "sum"

    family = "late"

    def __init__(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> None:
        super().__init__(vocabulary, settings, names)
        self.bits = settings.lineage.late.residual_bits

    def user_vectors(self, inputs: UserInputs) -> Tensor:
        """-> (A, 1 + N, D), each as long as its weight; zeros where there was no listen."""
        return self.weighed(inputs)

    def searched(self, users: Floats) -> Floats:
        """Their sum: its product with the vector of a track is the score of a track whose own vector is always the best one.

        On xiami the list of 100 holds .92 to .95 of the exact one, against .99 with a search by each vector, which takes five times as long;
        nDCG@10 and recall@100 are the same within .002 (`benchmarks/late_candidates.py`, docs/lineage.md).
        """
        total: Floats = users.sum(axis=0, keepdims=True)
        return total

    def views(self, content: TrackContent) -> list[TrackView]:
        """A vector for each track, and one for each artist."""
        n_artists = int(content.artist.max(initial=-1)) + 1
        with torch.inference_mode():
            artists = self._of_artists(torch.arange(n_artists, device=self.device)).float().cpu().numpy()
        views = [View(track_vectors(self, content)), View(artists, content.artist)]
        return [CompressedView.of(view, self.bits) for view in views] if self.bits else [*views]

    def _of_artists(self, artist: Tensor) -> Tensor:
        assert isinstance(self.tracks, SumTrackTower)  # what reads histories needs it
        return F.normalize(self.tracks.artist(artist), dim=-1)

    def loss_of(self, batch: SampledBatch) -> Tensor:
        """The sampled softmax of scores by MaxSim."""
        views = [self.tracks(batch.tracks), self._of_artists(batch.tracks.artist)]
        return merged_softmax(self.user_vectors(batch.users), views, batch, self.inverse_temperature(), self.merge)
