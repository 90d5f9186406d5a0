import pytest

from loopback_core.checks.served_checks import served_as_evaluated
from loopback_core.served_quality.measure_served import measure_served
from loopback_core.settings import Settings
from loopback_core.store.artifacts import ArtifactStore


@pytest.mark.parametrize(
    ("replayed", "passed", "says"),
    [
        (None, True, "none without a wish is in the log"),
        ({"answers": 0, "same": 0, "overlap": None}, True, "none without a wish is in the log"),
        ({"answers": 200, "same": 197, "overlap": 0.999}, True, "197 of 200 answers are those of the evaluation"),
        ({"answers": 200, "same": 190, "overlap": 0.999}, False, "at least 98% have to be"),
    ],
)
def test_answers_that_differ_from_the_evaluation_are_noticed(tmp_path, replayed, passed, says):
    store = ArtifactStore(tmp_path)

    def make(folder):
        return measure_served(None, {}, tmp_path / "none", None, Settings(), folder, replayed)

    artifact, _ = store.build("served_quality", make, upstream={}, settings={}, code="")
    verdict = served_as_evaluated(artifact, store, Settings())
    assert verdict.passed == passed and says in verdict.sentence
