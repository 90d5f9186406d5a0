import math

from loopback_core.drift.stability import population_stability


def test_the_same_shares_are_stable_whatever_the_counts():
    assert population_stability([1, 2, 3], [10, 20, 30]) == 0


def test_the_index_of_two_bins_by_hand():
    # (0.75 - 0.5) ln(0.75 / 0.5) + (0.25 - 0.5) ln(0.25 / 0.5)
    expected = 0.25 * math.log(1.5) - 0.25 * math.log(0.5)
    assert math.isclose(population_stability([1, 1], [3, 1]), expected)
    assert math.isclose(population_stability([3, 1], [1, 1]), expected)


def test_an_empty_bin_counts_as_one_in_ten_thousand_and_nothing_has_no_index():
    assert math.isclose(population_stability([1, 1], [1, 0]), 0.5 * math.log(2) + (1e-4 - 0.5) * math.log(2e-4))
    assert math.isnan(population_stability([0, 0], [1, 0]))
