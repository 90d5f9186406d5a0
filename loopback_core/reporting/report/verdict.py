"""What a reader wants to know first: does the model beat the best baseline, by how much, how sure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from loopback_core.evaluation.thresholds import beats_popularity, recall_floor
from loopback_core.reporting.report.report_tables import DASH, table
from loopback_core.reporting.safe_text import code
from loopback_core.tasks.metrics import MAIN_METRIC

Outcome = Literal["wins", "cannot be told apart", "loses"]

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Verdict:
    """The towers against the rival of one task. Where too few users were scored there is no outcome."""

    task: str
    users: int
    rival: str | None
    paired: Mapping[str, Any]  # difference, low, high, p_holm, won, lost, tied; empty when nothing was compared

    @property
    def outcome(self) -> Outcome | None:
        """By whether the paired interval contains zero."""
        low, high = self.paired.get("low"), self.paired.get("high")
        if low is None or high is None:
            return None
        return "wins" if low > 0 else "loses" if high < 0 else "cannot be told apart"

    @property
    def survives_correction(self) -> bool:
        """False when the interval excludes zero, but Holm's correction for the number of baselines does not."""
        p = self.paired.get("p_holm")
        return p is None or p < SIGNIFICANT or self.outcome not in ("wins", "loses")


def verdicts(evaluation: Mapping[str, Any]) -> list[Verdict]:
    """One per task that has a verdict to expect, in the order of the tasks."""
    found = []
    for task, measured in evaluation["tasks"].items():
        if task in evaluation["rival"]:
            rival = evaluation["rival"][task]
            paired = (evaluation["paired"].get(task, {}).get(rival) or {}).get(MAIN_METRIC, {})
            found.append(Verdict(task, measured["users"], rival, paired))
    return found


def verdict(evaluation: Mapping[str, Any]) -> list[str]:
    """The first paragraphs of the report: two sentences, a table, the checks."""
    found = verdicts(evaluation)
    return [f"{_by_how_much(found)} {_how_sure(found)}", *_table(found), _checks(evaluation)]


def _by_how_much(found: list[Verdict]) -> str:
    metric = MAIN_METRIC.replace("ndcg", "nDCG")
    parts = []
    for outcome in ("wins", "cannot be told apart", "loses"):
        named = [
            f"{_named(v)} ({v.paired['difference']:+.4f} against {code(v.rival or DASH)})"
            for v in found
            if v.outcome == outcome
        ]
        if named:
            parts.append(f"**{outcome}** in {_listed(named)}")
    if not parts:
        return f"Whether the two-tower beats the best baseline by {metric} cannot be said of any task."
    return f"Measured by {metric} against the baseline that was best on validation, the two-tower {_listed(parts)}."


def _how_sure(found: list[Verdict]) -> str:
    sure, unsure = [], []
    for v in found:
        if v.outcome is not None:
            correction = "" if v.survives_correction else ", so not after the correction"
            interval = f"[{v.paired['low']:+.4f}, {v.paired['high']:+.4f}]"
            sure.append(f"{interval} in {_named(v)} ({v.users:,} users, p {_p(v.paired.get('p_holm'))}{correction})")
        elif v.rival is None:
            unsure.append(f"no baseline answered {_named(v)}")
        else:
            unsure.append(f"{_named(v)} has {v.users:,} scored user{'s' * (v.users != 1)}, too few for a verdict")
    intervals = f"the 95 % interval of the paired difference and its p after Holm's correction are {_listed(sure)}"
    return f"How sure: {'; '.join([intervals] * bool(sure) + unsure) or 'nothing was compared'}."


def _table(found: list[Verdict]) -> Iterator[str]:
    columns = [
        "task",
        "rival",
        "the two-tower",
        f"difference of {MAIN_METRIC}",
        "p (Holm)",
        "won / lost / tied",
        "users",
    ]
    rows = []
    for v in found:
        paired, difference = v.paired, v.paired.get("difference")
        cells = [_named(v), code(v.rival) if v.rival else DASH, v.outcome or "no verdict"]
        if difference is None:
            cells += [DASH, DASH, DASH]
        else:
            interval = f" [{paired['low']:+.4f}, {paired['high']:+.4f}]" if v.outcome else ""
            users = " / ".join(f"{paired[key]:,}" for key in ("won", "lost", "tied"))
            cells += [f"{difference:+.4f}{interval}", _p(paired.get("p_holm")).removeprefix("= "), users]
        rows.append([*cells, f"{v.users:,}"])
    if rows:
        yield table(columns, rows, words=3)


def _checks(evaluation: Mapping[str, Any]) -> str:
    floor = recall_floor(evaluation, evaluation["settings"]["checks"]["recall_floor"])
    checks = {"recall_floor": floor, "beats_popularity": beats_popularity(evaluation)}
    return "\n".join(
        f"- Check `{name}` **{'passed' if threshold.passed else 'FAILED'}**: {threshold.sentence}."
        for name, threshold in checks.items()
    )


def _named(found: Verdict) -> str:
    return found.task.replace("_", " ")


def _p(p: float | None) -> str:
    return DASH if p is None else "< 0.001" if p < 0.001 else f"= {p:.3f}"


def _listed(parts: list[str]) -> str:
    """a, b and c."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
