"""The type of an argument of the command line that is a share."""

import math
from typing import Any

import click


class ShareType(click.FloatRange):
    """A number from 0 to 1. A range of click has no end that NaN is beyond."""

    def __init__(self, *, is_open: bool = False) -> None:
        """is_open: without 0 and 1 themselves."""
        super().__init__(0, 1, min_open=is_open, max_open=is_open)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See :class:`click.ParamType`."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} is not a number between 0 and 1.", param, ctx)
        return number
