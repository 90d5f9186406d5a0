"""The reason that a person gives: one line of text, which is kept and shown again."""

from typing import Any

import click


class ReasonText(click.ParamType[str]):
    """Text of one line. What a terminal would not show becomes a space; nothing, or what is no text, is refused."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See :class:`click.ParamType`."""
        line = "".join(character if character.isprintable() else " " for character in value)
        if not (line := " ".join(line.split())):
            self.fail("give a reason in one line of text.", param, ctx)
        return line
