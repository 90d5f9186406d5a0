"""The settings of what starts a retrain by itself."""

from pydantic import Field

from loopback_core.settings.section import Section

FEWEST_LISTENS = 1_000
"""What `checks.min_train_events` asks of a log: with fewer the first run would fail."""


class AutomationSettings(Section):
    """When the sensor `new_listens` starts a retrain. No artifact depends on it."""

    min_new_listens: int | None = Field(
        None,
        ge=1,
        le=10**12,
        description="So many listens must be new since the newest interactions; unset: a hundredth of its listens, at least 1,000. "
        "A hundredth of the log is a tenth of test: with less the next report measures much the same days again.",
    )

    def enough(self, listens: int) -> int:
        """How many listens must be new where the newest interactions holds `listens`."""
        return self.min_new_listens or max(FEWEST_LISTENS, listens // 100)
