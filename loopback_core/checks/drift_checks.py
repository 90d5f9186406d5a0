"""Drift: are the new weeks as those before them, is the past what it was, does the new model say what the old one says?

They warn. What makes data untrustworthy stops a promotion, which reads `drift.json` itself.
"""

from loopback_core.checks.check import Verdict
from loopback_core.drift.drift_json import model_alarms, read_drift
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore


def data_is_alike(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """Every statistic of the new weeks of the log is within the limits that its past gave, and few new rows were rejected."""
    data = read_drift(artifact.folder)["data"]
    weeks, rejects = data["weeks"], data["rejects"]
    wrong = [one["sentence"] for one in (*weeks["statistics"], rejects) if one["alarm"]]
    values = {one["name"]: one["value"] for one in weeks["statistics"]}
    facts = {"calibrated": weeks["calibrated"], "past_weeks": weeks["past_weeks"], **values}
    return Verdict(not wrong, " ".join(wrong) or weeks["sentence"], facts)


def past_is_the_same(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The log still holds the listens of the log of the bundle in service, and no others of that time."""
    past = read_drift(artifact.folder)["data"]["past"]
    return Verdict(not past["alarm"], past["sentence"], {"kept": past["kept"], "known": past["known"]})


def models_are_alike(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The new bundle finds similar neighbours, and recommends similar tracks to the same users, as the one in service."""
    drift = read_drift(artifact.folder)
    if drift["models"] is None:
        return Verdict(True, "No other bundle is in service, so that there is none to compare with.", {})
    wrong = model_alarms(drift)
    changed = {f"{task}_changed": lists["changed"] for task, lists in drift["models"]["lists"].items()}
    good = f"{drift['models']['tracks_of_both']:,} tracks and {drift['models']['users_of_both']:,} users are known to both bundles."
    return Verdict(not wrong, " ".join(wrong) or good, {"overlap": drift["models"]["overlap"], **changed})
