"""The course of a training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loopback_core.recommenders.lists import SERVED
from loopback_core.reporting.plots.colours import COLOURS
from loopback_core.reporting.plots.figure import figure


def plot_training(history: Sequence[Mapping[str, Any]], metric: str, path: Path) -> None:
    """Training loss and validation metric by epoch. history: `epochs` of history.json."""
    from matplotlib.ticker import MaxNLocator

    losses = [epoch["loss"] for epoch in history]
    values = [epoch["validation"][metric] for epoch in history]
    epochs = range(1, len(losses) + 1)
    with figure(path, height=4.4, rows=2) as (above, below):
        above.plot(epochs, losses, marker="o", color=COLOURS[SERVED])
        above.set(title="Training", ylabel="training loss (nats)")
        below.plot(epochs, values, marker="o", color=COLOURS[SERVED])
        below.set(xlabel="epoch", ylabel=f"{metric} on validation", ylim=(0, 1.1 * max(*values, 1e-9)))
        below.yaxis.label.set_fontsize(8)
        for panel in (above, below):
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
