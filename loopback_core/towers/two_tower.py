"""Two towers and a temperature, and how they are kept on disk."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from loopback_core.errors import ArtifactError
from loopback_core.settings import TowersSettings
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.id_towers import IdUserTower, MLPTrackTower
from loopback_core.towers.track import SumTrackTower, TrackInputs
from loopback_core.towers.user import HistoryUserTower, UserInputs

WEIGHTS, SHAPE = "towers.safetensors", "towers.json"


@dataclass(frozen=True)
class Vocabulary:
    """How many ids the towers have a row for, those that occur in train, and how many numbers describe a track."""

    n_users: int
    n_tracks: int
    n_artists: int
    n_statistics: int = 0  # numbers of a track from the fit data
    n_columns: int = 0  # numbers of a track from a file of features


TrackTower = MLPTrackTower | SumTrackTower
UserTower = IdUserTower | HistoryUserTower


def _track_tower(vocabulary: Vocabulary, settings: TowersSettings, *, sparse: bool) -> TrackTower:
    n_tracks, n_artists = vocabulary.n_tracks, vocabulary.n_artists
    if settings.track_encoder == "mlp":
        return MLPTrackTower(n_tracks, n_artists, settings, sparse=sparse)
    widths = vocabulary.n_statistics, vocabulary.n_columns
    return SumTrackTower(n_tracks, n_artists, settings, widths, sparse=sparse)


def _user_tower(n_users: int, tracks: TrackTower, settings: TowersSettings, *, sparse: bool) -> UserTower:
    if settings.user_encoder == "id":
        return IdUserTower(n_users, settings, sparse=sparse)
    assert isinstance(tracks, SumTrackTower)  # the settings check it
    return HistoryUserTower(tracks, settings, sparse=sparse)


class TwoTower(nn.Module):
    """score(u, t) = user_tower(u) · track_tower(t) / temperature, both vectors on the unit sphere."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        settings: TowersSettings,
        *,
        sparse: bool = False,
        temperature: float = 0.07,
        max_inverse_temperature: float = 100.0,
    ) -> None:
        super().__init__()
        self.vocabulary, self.settings = vocabulary, settings
        self.max_inverse_temperature = max_inverse_temperature
        tracks = _track_tower(vocabulary, settings, sparse=sparse)
        self.users = _user_tower(vocabulary.n_users, tracks, settings, sparse=sparse)
        self.tracks = tracks
        inverse = min(1 / temperature, max_inverse_temperature)
        self.log_inverse_temperature = nn.Parameter(torch.tensor(math.log(inverse)))

    def inverse_temperature(self) -> Tensor:
        """1 / temperature, a scalar."""
        return self.log_inverse_temperature.exp()

    @torch.no_grad()
    def bound_temperature(self) -> None:
        """Bring 1 / temperature back to its bound, without which a smaller temperature alone lowers the loss.

        After each step, and not by clamping what the loss reads: a clamped value has no gradient to come back by.
        """
        self.log_inverse_temperature.clamp_(max=math.log(self.max_inverse_temperature))

    def forward(self, users: UserInputs, tracks: TrackInputs) -> tuple[Tensor, Tensor]:
        """-> user vectors (B, D) and track vectors (B, D)."""
        return self.users(users), self.tracks(tracks)

    def embeddings(self) -> list[IdEmbedding]:
        """Every id table of both towers."""
        return [module for module in self.modules() if isinstance(module, IdEmbedding)]

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.log_inverse_temperature.device

    def save(self, folder: Path) -> None:
        """Write the weights as safetensors and what is needed to build the module again as JSON."""
        weights = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        save_file(weights, folder / WEIGHTS)
        shape = {
            "vocabulary": asdict(self.vocabulary),
            "towers": self.settings.model_dump(),
            "max_inverse_temperature": self.max_inverse_temperature,
        }
        (folder / SHAPE).write_text(json.dumps(shape, indent=1) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> "TwoTower":
        """Read what :meth:`save` wrote; runs no code from the files.

        Raises:
            ArtifactError: a file is missing or damaged.
        """
        try:
            shape = json.loads((folder / SHAPE).read_text("utf-8"))
            with torch.device("meta"):  # no memory, and no initial values
                model = cls(
                    Vocabulary(**shape["vocabulary"]),
                    TowersSettings(**shape["towers"]),
                    max_inverse_temperature=shape["max_inverse_temperature"],
                )
            model.load_state_dict(load_file(folder / WEIGHTS), assign=True)  # the mapped file, read where it is used
        except Exception as error:  # safetensors, JSON and torch each raise errors of their own
            raise ArtifactError(f"The towers in {folder} cannot be read ({error}); train them again.") from error
        return model.eval()
