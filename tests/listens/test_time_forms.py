"""Which form times seem to have, and what is said of times that cannot be read."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from loopback_core.listens.advice import Hints
from loopback_core.listens.cleaning import clean
from loopback_core.listens.log_rules import RAW_SCHEMA
from loopback_core.listens.time_forms import day_first, form_of, parse_times
from loopback_core.settings import SourceSettings

NIGHT = datetime(2023, 3, 25, 22, 5, tzinfo=UTC)
LATEST = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("25.03.2023 22:05", "%d.%m.%Y %H:%M"),
        ("3/25/2023 22:05", "%m/%d/%Y %H:%M"),
        ("3/25/2023, 10:05:00 PM", "%m/%d/%Y, %I:%M:%S %p"),
        ("25/03/2023 22:05", "%d/%m/%Y %H:%M"),
        ("25-03-2023 22:05", "%d-%m-%Y %H:%M"),
        ("2023/03/25 22:05:00", "%Y/%m/%d %H:%M:%S"),
        ("2023-3-25 22:05", "%Y-%m-%d %H:%M"),
        ("25 March 2023 22:05", "%d %B %Y %H:%M"),
        ("March 25, 2023 at 10:05PM", "%B %d, %Y at %I:%M%p"),
        ("Sat, 25 Mar 2023 22:05:00 GMT", "%a, %d %b %Y %H:%M:%S %Z"),
    ],
)
def test_a_form_that_is_told_reads_the_time(text: str, form: str) -> None:
    assert form_of([text]) == form
    assert SourceSettings(time_format=form).time_format == form
    assert parse_times(pl.Series([text]), form).to_list() == [NIGHT]


@pytest.mark.parametrize("text", ["25.03.2023", "3/25/2023", "25/03/2023", "2023/03/25", "25-03-2023", "2023-3-25"])
def test_a_day_without_a_clock_has_a_form_too(text: str) -> None:
    form = form_of([text])
    assert form is not None
    assert parse_times(pl.Series([text]), form).to_list() == [NIGHT.replace(hour=0, minute=0)]


@pytest.mark.parametrize(
    "text", ["13/13/2023", "45010.41", "10:05", "1680000000000000", "32.01.2023", "5 mai 2023", ""]
)
def test_what_no_form_reads_has_none(text: str) -> None:
    assert form_of([text]) is None


def test_the_day_comes_first_where_one_is_beyond_the_months_and_may_where_none_is() -> None:
    assert form_of(["05/03/2023 10:00", "25/03/2023 10:00"]) == "%d/%m/%Y %H:%M"
    form = form_of(["05/03/2023 10:00", "06/04/2023 10:00"])
    assert form == "%m/%d/%Y %H:%M"
    assert day_first(form, ["05/03/2023 10:00", "06/04/2023 10:00"]) == "%d/%m/%Y %H:%M"
    assert day_first(form, ["05/25/2023 10:00"]) is None
    assert day_first("iso", ["2023-01-01"]) is None


def test_a_few_times_of_another_form_do_not_hide_that_of_most() -> None:
    assert form_of(["1680000000", "1680000060", "soon"]) == "epoch_seconds"
    assert form_of(["1680000000", "soon"]) is None


def test_of_the_names_of_zones_only_those_of_utc_say_which_hour_is_meant() -> None:
    texts = pl.Series([f"25.03.2023 22:05 {zone}" for zone in ("UTC", "GMT", "+0000", "CET", "PST")])
    assert parse_times(texts, "%d.%m.%Y %H:%M %Z").to_list() == [NIGHT, NIGHT, NIGHT, None, None]


def advice(texts: list[str], **source: str) -> list[str]:
    settings = SourceSettings.model_validate(source)
    rows = [(line, "u", text, None, "A", None, "S", None, "") for line, text in enumerate(texts)]
    raw = pl.DataFrame(rows, RAW_SCHEMA, orient="row")
    hints = Hints(Path("plays.csv"), settings)
    hints.see(raw["timestamp"], clean(raw, settings, LATEST)["reason"])
    return hints.sentences()


def test_times_that_read_both_ways_are_advised_both_ways() -> None:
    assert advice(["05/03/2023 10:00", "06/04/2023 10:00"]) == [
        'The times look like \'05/03/2023 10:00\': set [source] time_format = "%m/%d/%Y %H:%M", or "%d/%m/%Y %H:%M" where the '
        "day comes first."
    ]


def test_the_other_order_of_day_and_month_is_advised_even_where_most_days_read_as_months() -> None:
    texts = ["05/03/2023 10:00", "06/04/2023 10:00", "25/04/2023 10:00"]
    assert advice(texts, time_format="%m/%d/%Y %H:%M") == [
        "The times look like '25/04/2023 10:00': set [source] time_format = \"%d/%m/%Y %H:%M\"."
    ]


def test_a_setting_that_reads_most_times_is_not_advised_away() -> None:
    texts = ["1680000000000", "1680000060000", "1680000120"]
    assert advice(texts, time_format="epoch_milliseconds") == [
        "Some times look like '1680000120', but most are read by [source] time_format = 'epoch_milliseconds': write all in one form."
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("1680000000000000", "which counts neither seconds nor milliseconds since 1970: convert them."),
        ("45010.41", "which counts neither seconds nor milliseconds since 1970: convert them."),
        ("10:05", 'such as "%d %b %Y %H:%M", or map another column to timestamp.'),
    ],
)
def test_times_of_no_known_form_are_shown(text: str, sentence: str) -> None:
    (said,) = advice([text])
    assert said.startswith(f"The times look like {text!r}")
    assert said.endswith(sentence)


def test_days_that_there_are_not_suggest_nothing() -> None:
    assert advice(["2023-02-30T10:00:00Z"]) == []
