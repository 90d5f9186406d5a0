"""A figure in two files: a PNG for Markdown and the UI, and an SVG that takes the text colour of its page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopback_core.reporting.plots.colours import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "figure.dpi": 100,
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.15,
    "text.parse_math": False,  # an artist may be called A$AP; ticks on a logarithmic axis are formatted as {x:g}
    "svg.fonttype": "none",  # text stays text: the browser has the fonts
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "axes.titlecolor", "grid.color"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "legend.labelcolor"), INK),
}

FALLBACK_FONTS = (
    "Noto Sans",
    "Noto Sans CJK JP",
    "Noto Sans Arabic",
    "Noto Sans Hebrew",
    "Arial Unicode MS",
    "Unifont",
)
"""Used, where installed, for characters that the main font lacks. A browser has fonts of its own."""


@contextmanager
def figure(path: Path, width: float = 4.8, height: float = 3.2, rows: int = 1) -> Iterator[list[Axes]]:
    """`rows` axes below each other, `width` x `height` inches together; saved when the block ends. Needs no display.

    path: the PNG; the SVG gets the same name.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    fonts = ["DejaVu Sans", *(font for font in FALLBACK_FONTS if font in installed)]
    style = {**STYLE, "font.family": fonts, "svg.hashsalt": path.stem}
    with mpl.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        drawn = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(drawn)
        yield list(drawn.subplots(rows, 1, squeeze=False)[:, 0])
        drawn.draw_without_rendering()  # finds the layout; each file would find it again, in more time than drawing takes
        drawn.set_layout_engine("none")
        drawn.savefig(path, pil_kwargs={"optimize": True})  # small enough for an event log
        _save_svg(drawn, path.with_suffix(".svg"))


def spread_apart(places: Sequence[float], gap: float) -> list[float]:
    """The places moved apart, so that labels at them are at least `gap` apart, in the same order and not above 1."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for below, i in pairwise(order):
        moved[i] = max(moved[i], moved[below] + gap)
    limit = 1.0
    for i in reversed(order):
        moved[i] = min(moved[i], limit)
        limit = moved[i] - gap
    return moved


def _save_svg(drawn: Figure, path: Path) -> None:
    """Ids are prefixed with the name of the picture, because a page holds many."""
    drawn.savefig(buffer := io.StringIO(), format="svg", transparent=True, metadata={"Date": None})
    text = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{path.stem}-", text)
    path.write_text(text.replace(INK, "currentColor"), "utf-8")
