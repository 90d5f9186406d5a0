"""`report.html`: the Markdown report as one page that needs no network, no script and no other file."""

import base64
import html
import re
from collections.abc import Sequence
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it.token import Token

FOLD = re.compile(r"\s*(<details><summary>[^<>]*</summary>|</details>)\s*")
"""The only HTML that the report contains; anything else is somebody's name and shown as it is written."""

WIDE = 450
"""Points from which a picture scrolls on a phone and is not shrunk."""


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
    body = reader.renderer.render(tokens, reader.options, environment)
    links = "\n".join(f'<li><a href="#{anchor}">{html.escape(title)}</a></li>' for anchor, title in contents)
    style = resources.files(__package__).joinpath("style.css").read_text("utf-8")
    return PAGE.format(style=style, links=links, body=body)


PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Evaluation</title>
<style>
{style}</style>
</head>
<body>
<nav aria-label="Contents"><ul>
{links}
</ul></nav>
<main>
{body}</main>
</body>
</html>
"""


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
    """A paragraph of pictures becomes a row, for a figure may not stand in a paragraph."""
    for opening, inline, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        children = inline.children or []
        if opening.type == "paragraph_open" and all(child.type in ("image", "softbreak") for child in children):
            opening.tag = closing.tag = "div"
            opening.attrSet("class", "pictures")


def _picture(renderer: Any, tokens: Sequence["Token"], number: int, options: Any, environment: Any) -> str:
    file, caption = str(tokens[number].attrs["src"]), html.escape(tokens[number].content)
    drawn = environment["folder"] / Path(file).with_suffix(".svg").name
    if drawn.is_file():
        _, _, svg = drawn.read_text("utf-8").partition("<svg")
        width = float(match[1]) if (match := re.search(r'width="([\d.]+)pt"', svg)) else 0.0
        kind = ' class="wide"' if width > WIDE else ""
        shown = f'<svg role="img" aria-label="{caption}"{svg}'
    else:
        kind = ""
        content = base64.b64encode((environment["folder"] / Path(file).name).read_bytes()).decode()
        shown = f'<img alt="{caption}" src="data:image/png;base64,{content}">'
    return f"<figure{kind}><div>{shown}</div><figcaption>{caption}</figcaption></figure>"


def _only_folds(renderer: Any, tokens: Sequence["Token"], number: int, options: Any, environment: Any) -> str:
    content = tokens[number].content
    return content if FOLD.fullmatch(content) else html.escape(content)


def _escaped(renderer: Any, tokens: Sequence["Token"], number: int, options: Any, environment: Any) -> str:
    return html.escape(tokens[number].content)


RULES: dict[str, Any] = {
    "image": _picture,
    "html_block": _only_folds,
    "html_inline": _escaped,
    "table_open": lambda *_: '<div class="scrolled" tabindex="0"><table>\n',
    "table_close": lambda *_: "</table></div>\n",
}
"""Kind of token -> what is written for it instead of what markdown-it would."""
