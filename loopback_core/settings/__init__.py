"""Every setting of the project, and how they are read."""

from loopback_core.settings.automation_settings import AutomationSettings
from loopback_core.settings.drift_settings import DriftSettings
from loopback_core.settings.evaluation_settings import AblationSettings, ChecksSettings, EvaluationSettings
from loopback_core.settings.index_settings import (
    ENGINE_OF_KIND,
    HnswSettings,
    IndexSettings,
    IvfSettings,
    PgvectorSettings,
    PqSettings,
    QdrantSettings,
    ShardSettings,
    WantedSettings,
)
from loopback_core.settings.layers import merged
from loopback_core.settings.lineage_settings import (
    AttentionSettings,
    CrossSettings,
    LineageSettings,
    RankTowerSettings,
    SparseSettings,
)
from loopback_core.settings.loading import RECIPE, load_settings, searched_only, without_searched
from loopback_core.settings.ranking_settings import RankingSettings
from loopback_core.settings.reranking_settings import RERANKING_METHODS, RerankingMethod, RerankingSettings
from loopback_core.settings.section import Section
from loopback_core.settings.served_settings import ServedSettings
from loopback_core.settings.settings import Settings
from loopback_core.settings.source_settings import SourceSettings, SplitSettings, SplitStrategy, in_utc
from loopback_core.settings.toml_files import shipped_presets
from loopback_core.settings.towers_settings import (
    READ_HISTORIES,
    HstuSettings,
    MlpSettings,
    PooledSettings,
    SumSettings,
    TowersSettings,
)
from loopback_core.settings.training_settings import (
    FittedSettings,
    InBatchSettings,
    SampledSettings,
    SearchSettings,
    TrainingSettings,
)

__all__ = [
    "ENGINE_OF_KIND",
    "READ_HISTORIES",
    "RECIPE",
    "RERANKING_METHODS",
    "AblationSettings",
    "AttentionSettings",
    "AutomationSettings",
    "ChecksSettings",
    "CrossSettings",
    "DriftSettings",
    "EvaluationSettings",
    "FittedSettings",
    "HnswSettings",
    "HstuSettings",
    "InBatchSettings",
    "IndexSettings",
    "IvfSettings",
    "LineageSettings",
    "MlpSettings",
    "PgvectorSettings",
    "PooledSettings",
    "PqSettings",
    "QdrantSettings",
    "RankTowerSettings",
    "RankingSettings",
    "RerankingMethod",
    "RerankingSettings",
    "SampledSettings",
    "SearchSettings",
    "Section",
    "ServedSettings",
    "Settings",
    "ShardSettings",
    "SourceSettings",
    "SparseSettings",
    "SplitSettings",
    "SplitStrategy",
    "SumSettings",
    "TowersSettings",
    "TrainingSettings",
    "WantedSettings",
    "in_utc",
    "load_settings",
    "merged",
    "searched_only",
    "shipped_presets",
    "without_searched",
]
