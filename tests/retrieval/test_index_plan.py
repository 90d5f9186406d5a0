import pytest

from loopback_core.retrieval.indexes.index_plan import plan_index
from loopback_core.settings import IndexSettings, IvfSettings, ShardSettings, WantedSettings


def planned(n, dim=130, **index):
    return plan_index(n, dim, IndexSettings(**index))


def test_a_kind_that_is_named_is_taken_as_it_is():
    settings = IndexSettings(kind="ivf", ivf=IvfSettings(probes=3), storage="fp16")
    assert plan_index(50_000_000, 130, settings).settings == settings


@pytest.mark.parametrize(
    ("n", "kind"), [(200_000, "flat"), (200_001, "ivf"), (2_000_000, "ivf"), (2_000_001, "ivf_hnsw")]
)
def test_auto_scans_small_catalogs_and_finds_the_lists_of_large_ones_by_a_graph(n, kind):
    plan = planned(n)
    assert plan.settings.kind == kind
    assert f"{n:,} tracks" in plan.reasons[0]


def test_up_to_the_limit_of_ivf_lists_and_precision_are_those_of_the_settings():
    settings = planned(1_500_000, ivf=IvfSettings(probes=70), storage="fp16").settings
    assert (settings.kind, settings.ivf, settings.storage) == ("ivf", IvfSettings(probes=70), "fp16")


def test_a_large_catalog_is_kept_as_int8_and_a_higher_recall_as_fp16_with_more_lists():
    usual, exact = planned(15_000_000), planned(15_000_000, wanted=WantedSettings(recall=0.99))
    assert (usual.settings.storage, exact.settings.storage) == ("int8", "fp16")
    assert exact.settings.ivf.probes > usual.settings.ivf.probes
    assert usual.settings.ivf.lists == int(4 * 15_000_000**0.5)


def test_where_vectors_do_not_fit_codes_do_as_exact_as_the_memory_allows():
    little, less = (planned(15_000_000, wanted=WantedSettings(memory_gb=gb)) for gb in (1.6, 1.0))
    assert (little.settings.kind, little.settings.storage) == ("pq_hnsw", "int8")
    assert (little.settings.pq.dimensions_per_byte, less.settings.pq.dimensions_per_byte) == (2, 4)
    assert "more than index.wanted.memory_gb = 1.6" in " ".join(little.reasons)
    nothing = planned(15_000_000, wanted=WantedSettings(memory_gb=0.1))
    assert "still more than it" in " ".join(nothing.reasons)


def test_a_p99_that_is_not_reached_is_said():
    assert "within index.wanted.p99_ms = 1000" in planned(15_000_000, wanted=WantedSettings(p99_ms=1000.0)).reasons[-1]
    assert "more than index.wanted.p99_ms = 0.1" in planned(15_000_000, wanted=WantedSettings(p99_ms=0.1)).reasons[-1]


def test_a_plan_keeps_the_shards_of_the_settings():
    shards = ShardSettings(tracks=9, processes=2)
    assert {planned(n, shards=shards).settings.shards for n in (1, 10**6, 10**8)} == {shards}
