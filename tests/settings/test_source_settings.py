import pytest
from pydantic import ValidationError

from loopback_core.settings import SourceSettings


@pytest.mark.parametrize(
    "pattern", ["iso", "epoch_seconds", "epoch_milliseconds", "%d %b %Y %H:%M", "%Y%m%d", "%d %b %Y %H:%M %z"]
)
def test_a_time_format_is_a_name_or_a_pattern(pattern):
    assert SourceSettings(time_format=pattern).time_format == pattern


@pytest.mark.parametrize("pattern", ["", "epoch", "%H:%M", "%b %Y", "%s", "ISO", "%d %b %Y %Q"])
def test_a_pattern_that_reads_no_whole_date_is_refused(pattern):
    with pytest.raises(ValidationError, match="nor a pattern that reads day, month and year"):
        SourceSettings(time_format=pattern)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"])
def test_a_time_zone_is_that_of_a_place(zone):
    assert SourceSettings(time_zone=zone).time_zone == zone


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "Europe", "../etc/passwd", "/etc/localtime"])
def test_another_time_zone_is_refused(zone):
    with pytest.raises(ValidationError, match="it is no IANA time zone"):
        SourceSettings(time_zone=zone)


def test_a_time_zone_contradicts_times_that_are_counted_in_utc():
    with pytest.raises(ValidationError, match="counts from 1970-01-01 UTC"):
        SourceSettings(time_format="epoch_seconds", time_zone="Europe/Berlin")


def test_nobody_has_an_empty_name():
    with pytest.raises(ValidationError):
        SourceSettings(user="")
