"""The bundle that is served."""

from fnmatch import fnmatch

from loopback_core.checks.check import Verdict
from loopback_core.settings import Settings
from loopback_core.store.artifacts import Artifact, ArtifactStore

LARGEST_NORM_ERROR = 1e-3

TEMPERATURE_RATIO = 2.0


def canaries_answered(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The bundle, loaded anew from its files, gives its stored answers."""
    from loopback_core.bundle.bundle_files import read_json
    from loopback_core.bundle.canaries import CANARIES, wrong_answers
    from loopback_core.bundle.served_bundle import ServedBundle

    canaries = read_json(artifact.folder / CANARIES)
    wrong = wrong_answers(ServedBundle.load(artifact.folder), canaries)
    sentence = "; ".join(wrong) or f"{len(canaries)} questions get their stored answers"
    return Verdict(not wrong, sentence, {"canaries": len(canaries), "wrong": len(wrong)})


def ranked_as_evaluated(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The files that put candidates in order are those of the ranker that was evaluated, and none is missing."""
    from loopback_core.recommenders.ranked_towers import RANKER_FILES

    def of_ranker(made: Artifact) -> dict[str, str]:
        files = made.manifest["files"].items()
        return {name: file["sha256"] for name, file in files if any(fnmatch(name, of) for of in RANKER_FILES)}

    served, evaluated = of_ranker(artifact), of_ranker(store.upstream(artifact, "trained_ranker"))
    wrong = sorted(name for name in served | evaluated if served.get(name) != evaluated.get(name))
    sentence = f"{', '.join(wrong)}: not as the ranker was evaluated; build the bundle again" if wrong else ""
    return Verdict(
        not wrong, sentence or f"{len(served)} files are those of the evaluated ranker", {"files": len(served)}
    )


def refit_agrees(artifact: Artifact, store: ArtifactStore, settings: Settings) -> Verdict:
    """The towers that are served say nearly what the evaluated ones say: nearest tracks, temperature, unit vectors."""
    comparison = artifact.summary["comparison"]
    if comparison is None:
        return Verdict(True, "the towers that were evaluated are served", {})
    floor = settings.checks.min_refit_overlap
    ratio = comparison["temperature"] / comparison["temperature_evaluated"]
    wrong = []
    if not comparison["overlap"] >= floor:
        wrong.append(
            f"of the 100 tracks nearest to a user they share {comparison['overlap']:.0%}; the floor is {floor:.0%}"
        )
    if not 1 / TEMPERATURE_RATIO <= ratio <= TEMPERATURE_RATIO:
        wrong.append(f"the temperature is {ratio:.2f} times that of the evaluated towers")
    if not comparison["largest_norm_error"] <= LARGEST_NORM_ERROR:
        wrong.append(f"vectors are not of unit norm (off by {comparison['largest_norm_error']:.2g})")
    sentence = "; ".join(wrong) or (
        f"of the 100 tracks nearest to a user they share {comparison['overlap']:.0%}, over {comparison['users']} users"
    )
    return Verdict(not wrong, sentence, comparison)
