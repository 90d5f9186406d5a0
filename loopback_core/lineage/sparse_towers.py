"""Towers that describe users and tracks by weights of terms, most of them zero.

(Formal et al. 2021, "SPLADE: Sparse Lexical and Expansion Model for First Stage Ranking"; Paria et al. 2020, "Minimizing FLOPs
to Learn Efficient Sparse Representations", for the regulariser.)
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from loopback_core.data import NOTHING
from loopback_core.data.names import TrackNames
from loopback_core.errors import SettingsError
from loopback_core.features.track_content import TrackContent
from loopback_core.lineage.merged_softmax import cost_of_targets
from loopback_core.lineage.multi_vector_towers import MultiVectorTowers
from loopback_core.lineage.name_parts import NameParts
from loopback_core.lineage.sparse_view import SparseView, heaviest
from loopback_core.lineage.track_views import TrackView
from loopback_core.settings import Settings
from loopback_core.towers.embedding import IdEmbedding
from loopback_core.towers.pool import Pool
from loopback_core.towers.readers import TrackReader
from loopback_core.towers.track import TrackInputs
from loopback_core.towers.two_tower import Vocabulary
from loopback_core.towers.user import HistoryUserTower, UserInputs
from loopback_core.training.sampled import SampledBatch

OF_USER, OF_TRACK = 0, 1

ACTIVE = -1.0
"""Bias of the codes at the start; the products that they read have a standard deviation of 1, so that a sixth is above 0."""

DIFFERENCE = 0.01
"""Standard deviation of the weights of artists and words at the start, around 1."""

PLAYED_ARTISTS = 3.0
"""The gates of played artists at the start: a pool has a norm of 1, and an artist a small part of it."""

TRACKS_AT_ONCE = 8192


@dataclass(frozen=True)
class TrackTerms:
    """The weights of n tracks before they are divided by `norm`."""

    codes: Tensor  # (n, C)
    artist: Tensor  # (n,) of its own artist; 0 where the weights do not know it
    word_row: Tensor  # (total,) which track ...
    word: Tensor  # ... has which bucket
    norm: Tensor  # (n,)


@dataclass(frozen=True)
class UserTerms:
    """The weights of A requests before they are divided by `norm`."""

    codes: Tensor  # (A, C)
    words: Tensor  # (A, B)
    artists: Tensor  # (A, K) of the K artists that were asked for; the norm is of all
    norm: Tensor  # (A,)


class SparseTowers(MultiVectorTowers):
    """score(u, t) = sum over the terms j of u_j t_j, with u, t >= 0 of unit norm before all but the heaviest terms are cut off.

    Terms are C learned codes, B buckets of the words of names, and the artists, in this order. Every weight is
    log(1 + relu(x)). Codes: x is a product with the vector of the plain tower; user and track share the directions, not the bias.
    Words and artists of a track: its own, each with a learned weight. Those of a user: of what was played, by its pooled counts;
    its words also by the weight that tracks give them, so that what is cut off is what is in every name.
    Only codes expand to what was not played; SPLADE expands to every word, which for artists would cost a product with each.
    """

    merge = "sum"
    steps: Tensor  # () int64, of the training; the weight of the regulariser rises with them

    def __init__(self, vocabulary: Vocabulary, settings: Settings, names: TrackNames | None = None) -> None:
        super().__init__(vocabulary, settings, names)
        if settings.towers.user_encoder != "pooled" or not settings.towers.pooled.listens:
            raise SettingsError("The family 'sparse' of the lineage reads pools: set towers.user_encoder to 'pooled'.")
        self.sparse_settings, is_sparse = settings.lineage.sparse, settings.training.optimizer == "sparse"
        codes, buckets, dim = self.sparse_settings.codes, self.sparse_settings.words, settings.towers.output_dim
        self.name_parts = NameParts(names, vocabulary.n_tracks, buckets)
        self.directions = nn.Parameter(torch.randn(codes, dim, device="cpu"))
        self.code_bias = nn.Parameter(torch.full((2, codes), ACTIVE))
        n_artists = vocabulary.n_artists
        self.artist_weight = IdEmbedding(n_artists, 1, std=DIFFERENCE, sparse=is_sparse, of="artists")
        self.word_weight = IdEmbedding(buckets, 1, std=DIFFERENCE, sparse=is_sparse, of="buckets")
        if names is not None:
            rarity = torch.cat([self.name_parts.rarity(buckets), torch.ones(1)])[:, None]
            self.word_weight.weight.data += torch.expm1(rarity) - 1  # the weight of a word is its rarity at first
        pooled = settings.towers.pooled
        self.played_artist_gates = nn.Parameter(torch.full((2, len(pooled.artist_half_lives)), PLAYED_ARTISTS))
        self.played_word_gates = nn.Parameter(torch.ones(2, len(pooled.track_half_lives)))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @property
    def width(self) -> int:
        """Number of terms."""
        return self.sparse_settings.codes + self.sparse_settings.words + self.vocabulary.n_artists

    def user_vectors(self, inputs: UserInputs) -> Tensor:
        """-> (A, 1, terms): the heaviest terms, the others 0."""
        artists = torch.arange(self.vocabulary.n_artists, device=self.device)
        terms = self._of_users(inputs, artists)
        vectors = torch.cat([terms.codes, terms.words, terms.artists], dim=1) / terms.norm[:, None]
        best, place = vectors.topk(min(self.sparse_settings.user_terms, vectors.shape[1]), dim=1)
        return torch.zeros_like(vectors).scatter(1, place, best)[:, None]

    @torch.inference_mode()
    def views(self, content: TrackContent) -> list[TrackView]:
        """The heaviest terms of every track."""
        self.eval()
        reader, blocks = TrackReader(content, self.settings), []
        for start in range(0, len(content), TRACKS_AT_ONCE):
            tracks = np.arange(start, min(start + TRACKS_AT_ONCE, len(content)))
            inputs = reader.read(tracks).to(self.device)
            blocks.append(self._view_of(inputs))
        return [SparseView.joined(blocks, self.width)]

    def loss_of(self, batch: SampledBatch) -> Tensor:
        """The sampled softmax of the products, and the FLOPS regulariser, whose weight rises with the square of the steps."""
        count, inverse_temperature = len(batch), self.inverse_temperature()
        tracks = self._of_tracks(batch.tracks)
        artists, column = torch.unique(batch.tracks.artist, return_inverse=True)
        users = self._of_users(batch.users, artists)
        words = users.words * self._word_weights()
        positive = self._of_targets(users, words, tracks, column, batch)
        against = self._of_negatives(users, words, tracks, column[count:], count) / users.norm[:, None]
        others = (inverse_temperature * against - batch.correction).masked_fill(
            batch.false_negative, torch.finfo(against.dtype).min
        )
        loss = cost_of_targets(inverse_temperature * positive, others.logsumexp(dim=1), batch)
        return loss + self._flops_weight() * (
            _flops(users.codes, users.norm) + _flops(users.words, users.norm) + _flops(tracks.codes, tracks.norm)
        )

    def _flops_weight(self) -> float:
        if self.training:
            self.steps += 1
        share = min(1.0, int(self.steps) / self.sparse_settings.warm_up)
        return self.sparse_settings.flops * share**2

    def _of_targets(
        self, users: UserTerms, words: Tensor, tracks: TrackTerms, column: Tensor, batch: SampledBatch
    ) -> Tensor:
        """(T,) of each target with its request. column: (T + M,) of `users.artists`."""
        count, request = len(batch), batch.request
        codes = (users.codes.index_select(0, request) * tracks.codes[:count]).sum(dim=1)
        place = request * users.artists.shape[1] + column[:count]
        artist = users.artists.flatten().index_select(0, place) * tracks.artist[:count]
        last = int(torch.searchsorted(tracks.word_row, count))
        row, word = tracks.word_row[:last], tracks.word[:last]
        weights = words.flatten().index_select(0, request.index_select(0, row) * words.shape[1] + word)
        scores: Tensor = (codes + artist).index_add(0, row, weights)
        return scores / (users.norm.index_select(0, request) * tracks.norm[:count])

    def _of_negatives(self, users: UserTerms, words: Tensor, tracks: TrackTerms, column: Tensor, count: int) -> Tensor:
        """(A, M) of each request with each negative, not yet divided by the norms of the users."""
        first = int(torch.searchsorted(tracks.word_row, count))
        negatives = len(tracks.norm) - count
        offsets = torch.searchsorted(tracks.word_row[first:] - count, torch.arange(negatives, device=self.device))
        of_words = F.embedding_bag(tracks.word[first:], words.T.contiguous(), offsets, mode="sum").T
        of_artists = users.artists.index_select(1, column) * tracks.artist[count:]
        scores: Tensor = (users.codes @ tracks.codes[count:].T + of_artists + of_words) / tracks.norm[count:]
        return scores

    def _of_tracks(self, inputs: TrackInputs) -> TrackTerms:
        codes = self._codes(self.tracks(inputs), OF_TRACK)
        known = (inputs.artist >= 0) & (inputs.artist < self.artist_weight.count)
        artist = _activation(1 + self.artist_weight(inputs.artist)[:, 0]) * known
        row, word = self.name_parts.of(inputs.track)
        squares = codes.square().sum(dim=1) + artist.square()
        squares = squares.index_add(0, row, self._word_weights().square().index_select(0, word))
        return TrackTerms(codes, artist, row, word, squares.clamp(min=1e-12).sqrt())

    def _of_users(self, inputs: UserInputs, artists: Tensor) -> UserTerms:
        """artists: (K,) distinct, ascending."""
        users, intent = self.users, inputs.intent
        assert isinstance(users, HistoryUserTower) and intent is not None
        assert inputs.artists is not None and inputs.tracks is not None and inputs.pooled is None
        codes = self._codes(users(inputs), OF_USER)
        squares, columns = [], []
        for ids, strengths in self._strengths(inputs.artists, self.played_artist_gates, intent):
            weights = _activation(strengths)
            squares.append(weights.square().sum(dim=1))
            place = torch.searchsorted(artists, ids).clamp(max=len(artists) - 1)
            found = (artists[place] == ids).nonzero()[:, 0]
            nothing = weights.new_zeros(len(weights), len(artists))
            columns.append(nothing.index_add(1, place[found], weights.index_select(1, found)))
        counts = []
        for ids, strengths in self._strengths(inputs.tracks, self.played_word_gates, intent):
            row, word = self.name_parts.of(ids)
            nothing = strengths.new_zeros(len(strengths), self.sparse_settings.words)
            counts.append(nothing.index_add(1, word, strengths.index_select(1, row)))
        words = _activation(torch.cat(counts)) * self._word_weights()
        squared = codes.square().sum(dim=1) + words.square().sum(dim=1) + torch.cat(squares)
        return UserTerms(codes, words, torch.cat(columns), squared.clamp(min=1e-12).sqrt())

    def _strengths(self, pool: Pool, gates: Tensor, intent: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Of each block of a pool the items, (n,), and how much each request has of each, (R, n)."""
        dropout, found, first = self.settings.pooled.dropout if self.training else 0.0, [], 0
        for ids, weights in zip(pool.ids, pool.weights, strict=True):
            gate = gates.index_select(0, intent[first : first + len(weights)])
            strengths = (weights * gate[..., None]).sum(dim=1)
            if dropout:
                strengths = strengths * (torch.rand_like(strengths) >= dropout)
            found.append((ids, strengths))
            first += len(weights)
        return found

    def _codes(self, vectors: Tensor, side: int) -> Tensor:
        return _activation(vectors @ self.directions.T + self.code_bias[side])

    def _word_weights(self) -> Tensor:
        """(B,) of a track."""
        return _activation(1 + self.word_weight(torch.arange(self.word_weight.count, device=self.device))[:, 0])

    def _view_of(self, inputs: TrackInputs) -> SparseView:
        kept, terms = self.sparse_settings, self._of_tracks(inputs)
        best, code = terms.codes.topk(min(kept.track_terms, kept.codes), dim=1)
        rows = torch.arange(len(terms.norm), device=self.device)
        artist = inputs.artist.where(terms.artist > 0, NOTHING)
        row = torch.cat([rows.repeat_interleave(best.shape[1]), terms.word_row, rows])
        term = torch.cat([code.flatten(), kept.codes + terms.word, kept.codes + kept.words + artist])
        weight = torch.cat([best.flatten(), self._word_weights().index_select(0, terms.word), terms.artist])
        weight = weight / terms.norm.index_select(0, row)
        arrays = (part.cpu().numpy() for part in (row, term, weight.float()))
        return heaviest(*arrays, n_rows=len(rows), width=self.width, count=kept.track_terms)

    def _load_from_state_dict(self, state: Any, prefix: str, *more: Any) -> None:
        if (saved := state.get(prefix + "directions")) is not None:
            state[prefix + "directions"] = saved.clone()  # where a file is mapped, products differ in their last digit
        super()._load_from_state_dict(state, prefix, *more)


def _activation(x: Tensor) -> Tensor:
    """log(1 + relu(x)) of SPLADE: nothing, or a weight that grows ever more slowly."""
    return torch.log1p(torch.relu(x))


def _flops(weights: Tensor, norm: Tensor) -> Tensor:
    """The products of two drawn vectors that are not 0, smoothed: the sum over terms of the square of the mean weight."""
    return (weights / norm[:, None]).mean(dim=0).square().sum()
