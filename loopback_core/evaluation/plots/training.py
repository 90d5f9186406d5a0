"""How training went."""

from collections.abc import Sequence
from pathlib import Path

from loopback_core.evaluation.evaluator import TOWERS
from loopback_core.evaluation.plots.colours import COLOURS
from loopback_core.evaluation.plots.figure import figure


def plot_training(losses: Sequence[float], values: Sequence[float], metric: str, path: Path) -> None:
    """Training loss and validation metric by epoch."""
    from matplotlib.ticker import MaxNLocator

    epochs = range(1, len(losses) + 1)
    with figure(path, height=4.4, rows=2) as (above, below):
        above.plot(epochs, losses, marker="o", color=COLOURS[TOWERS])
        above.set(title="Training", ylabel="training loss (nats)")
        below.plot(epochs, values, marker="o", color=COLOURS[TOWERS])
        below.set(xlabel="epoch", ylabel=f"{metric} on validation", ylim=(0, 1.1 * max(*values, 1e-9)))
        below.yaxis.label.set_fontsize(8)
        for panel in (above, below):
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
