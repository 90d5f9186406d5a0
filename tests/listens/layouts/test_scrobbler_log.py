"""The log of portable players, versions 1.0 and 1.1."""

import logging

import pytest

NAME = "Audioscrobbler log of a portable player"
HEADER = "#AUDIOSCROBBLER/1.1\n#TZ/UTC\n#CLIENT/Rockbox h3xx 1.1\n"
METALLICA = "Metallica\tMetallica\tEnter Sandman\t1\t365\tL\t1143374412\t62c2e20a"
PORTISHEAD = "Portishead\t\tCowboys\t2\t312\tS\t1143374777\tdb45ed76"
STEPPENWOLF = "Steppenwolf\tLive\tThe Pusher\t\t350\tL\t1143374779"


def test_what_was_listened_to_is_read_and_what_was_skipped_is_counted(read_stream, fields):
    rows = read_stream(NAME, f"{HEADER}{METALLICA}\n{PORTISHEAD}\n{STEPPENWOLF}\n".encode())
    assert fields(rows) == [
        (None, "1143374412", None, "Metallica", "62c2e20a", "Enter Sandman", None),
        (None, "1143374777", None, "Portishead", "db45ed76", "Cowboys", "skipped"),
        (None, "1143374779", None, "Steppenwolf", None, "The Pusher", None),
    ]
    assert rows["line"].to_list() == [4, 5, 6]
    assert rows["text"].to_list() == [METALLICA, PORTISHEAD, STEPPENWOLF]


@pytest.mark.parametrize("block_bytes", [1, 30, 1 << 20])
def test_the_header_may_be_cut_anywhere(read_stream, block_bytes):
    rows = read_stream(NAME, f"{HEADER}{METALLICA}\n{STEPPENWOLF}".encode(), block_bytes=block_bytes)
    assert rows["line"].to_list() == [4, 5]


@pytest.mark.parametrize("zone", ["UNKNOWN", "UTC+2"])
def test_an_unknown_time_zone_is_named_in_the_log_of_the_run(read_stream, caplog, zone):
    with caplog.at_level(logging.WARNING, "loopback"):
        read_stream(NAME, f"{HEADER}{METALLICA}\n".encode())
        assert caplog.messages == []
        read_stream(NAME, f"#AUDIOSCROBBLER/1.0\r\n#TZ/{zone}\r\n{METALLICA}\r\n".encode())
    assert "did not know its time zone; its times are read as UTC" in caplog.text


def test_lines_of_another_form_are_rejected_one_by_one(read_stream):
    rows = read_stream(NAME, f"{HEADER}{METALLICA}\n# FAILED - x\n\n{METALLICA}\tmore\n".encode() + b"\xff\n")
    wrong = "wrong number of fields"
    assert rows["problem"].to_list() == [None, wrong, wrong, wrong, "undecodable bytes"]
