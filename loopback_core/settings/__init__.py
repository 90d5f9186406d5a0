"""Every setting of the project, and how they are read."""

from loopback_core.settings.loading import RECIPE, load_settings, shipped_presets
from loopback_core.settings.section import Section
from loopback_core.settings.settings import (
    ENGINE_OF_KIND,
    AblationSettings,
    ChecksSettings,
    EvaluationSettings,
    IndexSettings,
    Settings,
    SourceSettings,
    SplitSettings,
    SplitStrategy,
)
from loopback_core.settings.towers_settings import TowersSettings
from loopback_core.settings.training_settings import TrainingSettings

__all__ = [
    "ENGINE_OF_KIND",
    "RECIPE",
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
