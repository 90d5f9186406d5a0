"""Towers of which one product finds candidates, and more of both puts them in order."""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor

from loopback_core.data import Floats
from loopback_core.features.track_content import TrackContent
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers
from loopback_core.lineage.track_views import View
from loopback_core.retrieval.embed import track_vectors

_TRACKS_AT_ONCE = 16_384


class PreRanker(MultiVectorTowers):
    """What is kept of a user is one row that begins with the vector of the plain user tower; the first view is that of the plain track tower."""

    merge = "sum"

    own: ClassVar[tuple[str, ...]] = ()
    """How the names of the weights begin that the plain towers do not have."""

    def searched(self, users: Floats) -> Floats:
        """See :class:`MultiVectorTowers`."""
        return users[:, : self.settings.output_dim]

    @torch.inference_mode()
    def with_more(self, content: TrackContent, more: Callable[[Tensor], Tensor]) -> tuple[View, Tensor]:
        """The first view, and what is made of its vectors, (n, D) -> (n, ...), on the CPU."""
        vectors = track_vectors(self, content)
        parts = torch.split(torch.from_numpy(vectors), _TRACKS_AT_ONCE)
        return View(vectors), torch.cat([more(part.to(self.device)).float().cpu() for part in parts], dim=0)

    def _load_from_state_dict(self, state: Any, prefix: str, *more: Any) -> None:
        for name, saved in state.items():
            if name.removeprefix(prefix).startswith(self.own):
                state[name] = saved.clone()  # where a file is mapped, products differ in their last digit
        super()._load_from_state_dict(state, prefix, *more)
