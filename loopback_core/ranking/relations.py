"""Which artists and which tracks go together, learned from the fit data beside the towers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from loopback_core.data import FitData, Floats
from loopback_core.ranking.related_artists import RelatedArtists, load_related
from loopback_core.ranking.track_neighbours import Neighbours, load_neighbours


@dataclass(frozen=True)
class Relations:
    """What the terms read besides the catalog and the history of the user; None: not learned."""

    artists: RelatedArtists | None = None
    tracks: Neighbours | None = None

    @classmethod
    def learn(cls, data: FitData, artists: int, neighbours: int) -> Self:
        """artists: among which related ones are learned. neighbours: that are kept of each track. 0: none."""
        return cls(
            RelatedArtists.learn(data, artists) if artists else None,
            Neighbours.learn(data, neighbours) if neighbours else None,
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            ArtifactError: a file is damaged.
        """
        return cls(load_related(folder), load_neighbours(folder))

    def arrays(self) -> dict[str, Floats]:
        """The weights that were learned, by name."""
        arrays = {} if self.artists is None else {"related.weights": self.artists.weights}
        if self.tracks is not None:
            arrays |= {"neighbours.rules": self.tracks.rules.data, "neighbours.sessions": self.tracks.sessions.data}
        return arrays

    def save(self, folder: Path) -> None:
        """Write what was learned."""
        for part in (self.artists, self.tracks):
            if part is not None:
                part.save(folder)


NO_RELATIONS = Relations()
"""Nothing was learned."""
