"""The choices of an ablation: from the reference upwards, and each choice removed from the whole recipe."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from loopback_core.errors import SettingsError
from loopback_core.settings import RECIPE, Settings, load_settings, merged
from loopback_core.training.recipes import Overrides

_MASKS = {"mask_same_track": True, "mask_known_positives": True}
_NO_MASKS = dict.fromkeys(_MASKS, False)
_HISTORIES = {"user_encoder": "pooled", "track_encoder": "sum"}
_SHORT = {"artist_half_lives": [14.0], "artist_powers": [1.0], "track_half_lives": [30.0], "track_powers": [1.0]}


def _mixed(logq: float) -> dict[str, Any]:
    return {"objective": "sampled", "sampled": {"uniform_share": 0.5, "logq": logq}}


def _sampled(**changes: Any) -> Overrides:
    return {"training": {"sampled": changes}}


CHOICES: dict[str, tuple[str, Overrides]] = {
    "reference": ("reference", {}),
    "+ masks": ("reference", {"training": {**_MASKS, "in_batch": {"mask_same_user": True}}}),
    "+ sparse optimizer": ("reference_sparse", {}),
    "+ mixed negatives": ("reference_sparse", {"training": _mixed(logq=0.0)}),
    "+ logQ 0.5": ("reference_sparse", {"training": _mixed(logq=0.5)}),
    "+ logQ 1": ("reference_sparse", {"training": _mixed(logq=1.0)}),
    "+ history": ("reference_sparse", {"towers": _HISTORIES, "training": _mixed(logq=1.0)}),
    RECIPE: ("default", {}),
    "without masks": ("default", {"training": _NO_MASKS}),
    "without uniform negatives": ("default", _sampled(uniform_share=0.0)),
    "without logQ": ("default", _sampled(logq=0.0)),
    "with logQ 0.5": ("default", _sampled(logq=0.5)),
    "without long memory": ("default", {"towers": {"pooled": _SHORT}}),
    "without history dropout": ("default", {"towers": {"pooled": {"dropout": 0.0}}}),
    "without id dropout": ("default", {"towers": {"sum": {"id_dropout": 0.0}}}),
    "without averaging": ("default", {"training": {"average_epochs": False}}),
    "without related artists": ("default", {"training": {"fitted": {"related_artists": 0}}}),
    "with names": ("default", {"towers": {"sum": {"ngram_buckets": 65_536}}}),
    "with track statistics": ("default", {"towers": {"sum": {"track_statistics": True}}}),
    "with hard negatives": ("default", _sampled(hard_share=0.25)),
    "with twice the negatives": ("default", _sampled(negatives=4096)),
    "repeats weigh a quarter": ("default", _sampled(repeat_weight=0.25)),
    "with shorter stretches": ("default", _sampled(request_span=128)),
    "with nearer targets": ("default", _sampled(target_window=32)),
    "all users in a step": ("default", _sampled(users_per_group=0)),
    "with the order of listens": ("default", {"towers": {"user_encoder": "hstu"}}),
    "with the order of listens, the next one": (
        "default",
        {
            "towers": {"user_encoder": "hstu"},
            "training": {"sampled": {"target_window": 1, "request_stride": 1, "users_per_group": 0}},
        },
    ),
    "with context and demographics": ("default", {"towers": {"pooled": {"context": True, "demographics": True}}}),
}
"""Name -> (preset, what the choice changes of it), in the order of the table."""


def choose(names: Sequence[str]) -> list[str]:
    """The choices of these names in the order of the table; 'all' means every one, and the recipe is always among them.

    Raises:
        SettingsError: a name is neither 'all' nor a choice.
    """
    if unknown := [name for name in names if name not in CHOICES and name != "all"]:
        raise SettingsError(
            f"ablation.choices names {', '.join(map(repr, unknown))}; known are 'all', {', '.join(map(repr, CHOICES))}."
        )
    return [name for name in CHOICES if "all" in names or name in names or name == RECIPE]


def settings_of(
    choice: str, seed: int, given: Overrides | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """The settings under which a choice is trained.

    given: overrides of the run, such as fewer epochs; the values of the choice come before them. Keys of kinds that the
    choice does not have are left out. A refit reads validation, on which choices are measured: it is switched off, and so
    is the search, which would choose anew.
    """
    preset, changes = CHOICES[choice]
    training = {**changes.get("training", {}), "preset": preset, "seed": seed, "refit": False, "recipe": "given"}
    overrides = merged(given or {}, {**changes, "training": training})
    return load_settings(overrides, environ, leave_out_unread=True)
