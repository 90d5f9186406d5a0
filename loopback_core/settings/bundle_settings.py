"""The settings of the bundle that is served."""

from typing import Literal

from pydantic import Field

from loopback_core.settings.section import Section


class BundleSettings(Section):
    """What is served of what was trained."""

    refit: Literal["all", "none"] = Field(
        "all",
        description="all: the towers are trained again, as long as was chosen, on the whole log with test. none: the towers "
        "that were evaluated are served, over the catalog that they were evaluated on.",
    )
    rerank: bool = Field(
        False,
        description="Lists are shown as diverse as was chosen on validation (see [reranking]), unless a request says otherwise; "
        "false: in the order of the scores.",
    )
