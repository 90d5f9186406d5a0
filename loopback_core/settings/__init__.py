"""Every setting of the project, and how they are read."""

from loopback_core.settings.loading import load_settings, shipped_presets
from loopback_core.settings.sections import (
    AblationSettings,
    ChecksSettings,
    EvaluationSettings,
    IndexSettings,
    Section,
    Settings,
    SourceSettings,
    SplitSettings,
    SplitStrategy,
    TowersSettings,
    TrainingSettings,
)

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
