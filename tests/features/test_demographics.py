import polars as pl

from loopback_core.features.demographics import DEMOGRAPHIC_SIZES, demographic_codes


def test_gender_age_and_country_become_codes_and_missing_values_0():
    users = pl.DataFrame(
        {
            "gender": ["f", "m", None],
            "age": pl.Series([29, None, 100], dtype=pl.UInt8),
            "country": ["Peru", None, "Peru"],
        }
    )
    codes = demographic_codes(users)
    assert codes[:, :2].tolist() == [[1, 3], [2, 0], [0, 10]]
    assert codes[0, 2] == codes[2, 2] > 0 == codes[1, 2]
    assert (codes < DEMOGRAPHIC_SIZES).all()


def test_a_log_whose_profiles_lack_a_column_has_zeros_there():
    assert demographic_codes(pl.DataFrame({"gender": ["f"]})).tolist() == [[1, 0, 0]]
