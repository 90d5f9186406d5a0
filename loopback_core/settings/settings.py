"""All settings of the project, one frozen section for each part of the chain."""

from pydantic import Field

from loopback_core.settings.automation_settings import AutomationSettings
from loopback_core.settings.bundle_settings import BundleSettings
from loopback_core.settings.drift_settings import DriftSettings
from loopback_core.settings.evaluation_settings import AblationSettings, ChecksSettings, EvaluationSettings
from loopback_core.settings.index_settings import IndexSettings
from loopback_core.settings.lineage_settings import LineageSettings
from loopback_core.settings.promotion_settings import PromotionSettings
from loopback_core.settings.ranking_settings import RankingSettings
from loopback_core.settings.reranking_settings import RerankingSettings
from loopback_core.settings.section import Section
from loopback_core.settings.served_settings import ServedSettings
from loopback_core.settings.source_settings import SourceSettings, SplitSettings
from loopback_core.settings.towers_settings import TowersSettings
from loopback_core.settings.training_settings import TrainingSettings


class Settings(Section):
    """All sections; made by :func:`load_settings`, passed down whole or by section."""

    source: SourceSettings = Field(default_factory=SourceSettings)
    split: SplitSettings = Field(default_factory=SplitSettings)
    towers: TowersSettings = Field(default_factory=TowersSettings)
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    ranking: RankingSettings = Field(default_factory=RankingSettings)
    reranking: RerankingSettings = Field(default_factory=RerankingSettings)
    index: IndexSettings = Field(default_factory=IndexSettings)
    evaluation: EvaluationSettings = Field(default_factory=EvaluationSettings)
    bundle: BundleSettings = Field(default_factory=BundleSettings)
    drift: DriftSettings = Field(default_factory=DriftSettings)
    promotion: PromotionSettings = Field(default_factory=PromotionSettings)
    ablation: AblationSettings = Field(default_factory=AblationSettings)
    lineage: LineageSettings = Field(default_factory=LineageSettings)
    checks: ChecksSettings = Field(default_factory=ChecksSettings)
    served: ServedSettings = Field(default_factory=ServedSettings)
    automation: AutomationSettings = Field(default_factory=AutomationSettings)

    def contradiction(self) -> str:
        """See :class:`Section`."""
        if self.training.objective == "in_batch" and self.towers.user_encoder != "id":
            return (
                f"training.objective = 'in_batch' trains user ids, and towers.user_encoder is "
                f"{self.towers.user_encoder!r}: set it to 'id', or training.objective to 'sampled'"
            )
        return ""
