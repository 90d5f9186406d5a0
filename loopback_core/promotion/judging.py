"""The step that judges a challenger: questions, differences, bounds, verdict."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from loopback_core.data import SECONDS_PER_DAY
from loopback_core.evaluation.evaluation_json import Evaluation
from loopback_core.promotion.accumulated_loss import add_losses
from loopback_core.promotion.bounds import measured_bounds, serving_bounds, short_lists
from loopback_core.promotion.comparing import compare_lists, lists_of
from loopback_core.promotion.contender import Contender
from loopback_core.promotion.deciding import decide
from loopback_core.promotion.promotion_json import Decision, PromotionJson, WindowJson, write_promotion
from loopback_core.promotion.promotion_plot import plot_promotion
from loopback_core.promotion.translation import Translation
from loopback_core.promotion.window import asked_tasks
from loopback_core.settings import Settings

PICTURE = "promotion.png"


def write_verdict(promotion: PromotionJson, folder: Path) -> dict[str, str | None]:
    """Write `promotion.json`, and a picture where something was compared; returns a summary."""
    write_promotion(promotion, folder)
    if promotion["differences"]:
        plot_promotion(promotion["differences"], folder / PICTURE)
    return {
        "decision": promotion["decision"],
        "sentence": promotion["sentence"],
        "challenger": promotion["challenger"],
        "champion": promotion["champion"],
    }


def unjudged(
    decision: Decision, sentence: str, challenger: str, champion: str | None, faults: Sequence[str] = ()
) -> PromotionJson:
    """The verdict where nothing is asked: the first bundle, the one that is served already, one that cannot be judged."""
    return PromotionJson(
        schema=1,
        decision=decision,
        sentence=sentence,
        challenger=challenger,
        champion=champion,
        champion_age_days=None,
        window=None,
        differences=[],
        lost={},
        bounds=[],
        faults=[*faults],
    )


def judge_challenger(
    challenger: Contender,
    champion: Contender,
    evaluation: Evaluation,
    settings: Settings,
    lost_before: Mapping[str, float] | None = None,
) -> PromotionJson:
    """Ask both the same, in the newest part of the challenger's log, and decide.

    evaluation: of the challenger. lost_before: by task, what was lost since the best champion when this one was promoted.
    """
    asked = asked_tasks(challenger, champion, settings.evaluation)
    if not asked:
        sentence = (
            "The test part of the log has no listens after those that the champion's evaluated model was trained on: bring newer "
            "listens, or choose by hand: loopback promote VERSION --reason TEXT."
        )
        return unjudged("quarantine", sentence, challenger.version, champion.version, [sentence])
    translation = Translation.between(challenger.splits.track_names, champion.evaluated)
    differences, lists = [], []
    for task in asked:
        ours = lists_of(task, challenger.evaluated, None, "challenger")
        theirs = lists_of(task, champion.evaluated, translation, "champion")
        lists.append(ours)
        profiles, margin = challenger.splits.users, settings.promotion.margin
        differences += compare_lists(task, theirs, ours, profiles, margin, settings.evaluation)
    bounds = [
        *measured_bounds(evaluation, settings),
        short_lists(lists, settings),
        *serving_bounds(challenger, champion, settings),
    ]
    age_days = max(challenger.last_listen - champion.last_listen, 0) / SECONDS_PER_DAY
    lost = add_losses(lost_before or {}, differences)
    decision, sentence = decide(differences, lost, bounds, age_days, settings.promotion.max_age_days)
    now = [
        int(moment) for task in asked for at in task.at for moment in (at.histories.now.min(), at.histories.now.max())
    ]
    window = WindowJson(
        since=min(now), until=int(challenger.splits.test.timestamp.max()), moments=max(len(task.at) for task in asked)
    )
    return PromotionJson(
        schema=1,
        decision=decision,
        sentence=sentence,
        challenger=challenger.version,
        champion=champion.version,
        champion_age_days=age_days,
        window=window,
        differences=differences,
        lost=lost,
        bounds=bounds,
        faults=[],
    )
