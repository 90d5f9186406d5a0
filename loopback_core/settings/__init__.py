"""Every setting of the project, and how they are read."""

from loopback_core.settings.loading import load_settings, shipped_presets
from loopback_core.settings.section import Section
from loopback_core.settings.sections import (
    AblationSettings,
    ChecksSettings,
    EvaluationSettings,
    IndexSettings,
    Settings,
    SourceSettings,
    SplitSettings,
    SplitStrategy,
)
from loopback_core.settings.towers import TowersSettings
from loopback_core.settings.training import TrainingSettings

__all__ = [
    "AblationSettings",
    "ChecksSettings",
    "EvaluationSettings",
    "IndexSettings",
    "Section",
    "Settings",
    "SourceSettings",
    "SplitSettings",
    "SplitStrategy",
    "TowersSettings",
    "TrainingSettings",
    "load_settings",
    "shipped_presets",
]
