import logging

import pytest

from loopback_core.runtime import progress as module
from loopback_core.runtime.progress import progress


def test_without_a_terminal_progress_is_a_line_in_the_log(monkeypatch, caplog):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", -1.0)
    with caplog.at_level(logging.INFO, "loopback"), progress("epoch 1", 4000, "events") as shown:
        shown.advance(1000, "loss 2.5")
        shown.advance(1000)
    first, second = caplog.messages
    assert first.startswith("epoch 1: 1,000 of 4,000 (25 %) events, ")
    assert second.startswith("epoch 1: 2,000 of 4,000 (50 %) events, ")
    assert second.endswith("events/s, loss 2.5")


def test_lines_in_the_log_are_rare(caplog):
    with caplog.at_level(logging.INFO, "loopback"), progress("rows") as shown:
        for _ in range(1000):
            shown.advance()
    assert caplog.messages == []
    assert shown.done == 1000


def test_in_a_terminal_the_bar_is_taken_away_also_when_the_work_fails(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with pytest.raises(OSError, match="gone"), progress("rows", 10) as shown:
        shown.advance(3)
        raise OSError("gone")
    assert shown._bar.n == 3
    assert shown._bar.disable  # how tqdm marks a closed bar
