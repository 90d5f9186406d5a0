"""The one Definitions object: everything that Dagster loads."""

import dagster as dg

from loopback_assets import (
    ablation,
    baselines,
    bundles,
    drift,
    evaluation,
    lineage,
    listens,
    promotion,
    rankers,
    retrieval,
    served_quality,
    splits,
    training,
)
from loopback_assets.automation import data_quality, retrain, run_failure_alert, weekly_retrain
from loopback_assets.checks import CHECK_DEFINITIONS
from loopback_assets.new_listens import new_listens
from loopback_assets.resources import Loopback

defs = dg.Definitions(
    assets=dg.load_assets_from_modules(
        [
            listens,
            splits,
            baselines,
            training,
            rankers,
            retrieval,
            evaluation,
            bundles,
            drift,
            promotion,
            served_quality,
            ablation,
            lineage,
        ]
    ),
    asset_checks=CHECK_DEFINITIONS,
    jobs=[retrain, data_quality],
    schedules=[weekly_retrain],
    sensors=[new_listens, run_failure_alert],
    resources={"loopback": Loopback()},
    # Training uses every core: parallel processes would compete for them, and add their start-up time.
    executor=dg.in_process_executor,
)
