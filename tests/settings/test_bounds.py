from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopback_core.errors import SettingsError
from loopback_core.settings import Settings, load_settings


def keys_of(section, path=()):
    """The path and the field of every key, sub-sections left out."""
    inner = section.subsections()
    for name, field in section.model_fields.items():
        if name in inner:
            yield from keys_of(inner[name], (*path, name))
        else:
            yield (*path, name), field


KEYS = dict(keys_of(Settings))
NUMBERS = {int, float}


def nested(path, value):
    for name in reversed(path):
        value = {name: value}
    return value


def test_every_setting_has_a_description():
    assert [path for path, field in KEYS.items() if not field.description] == []


def test_every_number_has_a_lower_and_an_upper_bound():
    unbounded = []
    for path, field in KEYS.items():
        bounds = {type(mark).__name__ for mark in field.metadata}
        if field.annotation in NUMBERS and not (bounds & {"Ge", "Gt"} and bounds & {"Le", "Lt"}):
            unbounded.append(path)
    assert unbounded == []


@pytest.mark.parametrize(
    "overrides",
    [
        {"training": {"seed": 2**64}},
        {"training": {"learning_rate": 1e308}},
        {"training": {"temperature": float("inf")}},
        {"training": {"temperature": float("nan")}},
        {"training": {"sampled": {"negatives": 2**62}}},
        {"source": {"sample_events": 10**18}},
        {"evaluation": {"ks": [10, 100, 10**9]}},
        {"towers": {"pooled": {"track_half_lives": [float("inf")] * 4}}},
        {"ablation": {"seeds": [2**40]}},
    ],
)
def test_a_value_that_would_break_a_step_is_refused(overrides):
    with pytest.raises(SettingsError, match="is wrong: should be"):
        load_settings(overrides, {})


MOMENTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.sampled_from([None, UTC]))
SCALARS = st.one_of(
    st.booleans(), st.integers(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20), MOMENTS,
    st.dates(), st.times(), st.sampled_from([0, 1, -1, 2**31, 2**63, 10**18, 1e308, 5e-324, date.max, time(0), "id", "sum"]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(KEYS)), VALUES)
def test_any_value_of_any_key_gives_settings_or_a_sentence_that_names_the_key(path, value):
    try:
        load_settings(nested(path, value), {})
    except SettingsError as error:
        assert ".".join(path) in str(error)
