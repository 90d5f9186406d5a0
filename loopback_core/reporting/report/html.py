"""`report.html`: the Markdown report as one page that needs no network, no script and no other file."""

import base64
import re
from collections.abc import Sequence
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from markdown_it.token import Token

FOLD = re.compile(r"\s*(<details><summary>[^<>]*</summary>|</details>)\s*")
"""The only HTML that the report contains; any other is part of a name and shown as text."""

WIDE = 450
"""Points from which a picture scrolls on a phone and is not shrunk."""

TEMPLATES = Environment(loader=PackageLoader(__package__, "."), autoescape=True)
"""Every value is escaped, unless it is `Markup`: what this file made itself, or what markdown-it has escaped."""


def html_page(text: str, folder: Path) -> str:
    """A whole page. text: the content of `report.md`; its pictures are read from `folder`, as SVG where there is one."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark").enable("table")
    for kind, render in RULES.items():
        reader.add_render_rule(kind, render)
    environment = {"folder": folder}
    tokens = reader.parse(text, environment)
    contents = _link_headings(tokens)
    _stand_pictures_side_by_side(tokens)
    return TEMPLATES.get_template("page.html").render(
        style=Markup(resources.files(__package__).joinpath("style.css").read_text("utf-8")),
        contents=contents,
        body=Markup(reader.renderer.render(tokens, reader.options, environment)),
    )


def _link_headings(tokens: Sequence["Token"]) -> list[tuple[str, str]]:
    """Give every section an anchor; returns (anchor, title up to its colon) in order."""
    contents = []
    for opening, inline in pairwise(tokens):
        if opening.type == "heading_open" and opening.tag == "h2":
            title = inline.content.partition(":")[0]
            anchor = re.sub(r"\W+", "-", title.lower()).strip("-")
            opening.attrSet("id", anchor)
            contents.append((anchor, title))
    return contents


def _stand_pictures_side_by_side(tokens: Sequence["Token"]) -> None:
    """A paragraph of pictures becomes a row, because a figure may not stand in a paragraph."""
    for opening, inline, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        children = inline.children or []
        if opening.type == "paragraph_open" and all(child.type in ("image", "softbreak") for child in children):
            opening.tag = closing.tag = "div"
            opening.attrSet("class", "pictures")


def _figure(renderer: Any, tokens: Sequence["Token"], number: int, options: Any, environment: Any) -> str:
    """An image token: the SVG next to the PNG where there is one, else the PNG. matplotlib escapes the text of an SVG."""
    png = environment["folder"] / Path(str(tokens[number].attrs["src"])).name
    svg, width = "", 0.0
    if (drawn := png.with_suffix(".svg")).is_file():
        _, _, svg = drawn.read_text("utf-8").partition("<svg")
        width = float(match[1]) if (match := re.search(r'width="([\d.]+)pt"', svg)) else 0.0
    return TEMPLATES.get_template("figure.html").render(
        caption=tokens[number].content,
        wide=width > WIDE,
        svg=Markup(svg),
        png="" if svg else base64.b64encode(png.read_bytes()).decode(),
    )


def _only_folds(renderer: Any, tokens: Sequence["Token"], number: int, options: Any, environment: Any) -> str:
    content = tokens[number].content
    return content if FOLD.fullmatch(content) else str(escape(content))


def _escaped(renderer: Any, tokens: Sequence["Token"], number: int, options: Any, environment: Any) -> str:
    return str(escape(tokens[number].content))


RULES: dict[str, Any] = {
    "image": _figure,
    "html_block": _only_folds,
    "html_inline": _escaped,
    "table_open": lambda *_: '<div class="scrolled" tabindex="0"><table>\n',
    "table_close": lambda *_: "</table></div>\n",
}
"""Kind of token -> what is written for it instead of the rendering of markdown-it."""
