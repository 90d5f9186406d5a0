"""Fill the tables of the paper from `evaluation.json`, `ablation.json` and `seeds.json`, so that no number is typed.

A block of the paper stands between the lines `<!-- KIND RUN [TASK] -->` and `<!-- end -->`. RUN is the name given with
`--run`, or with `--ablation` or `--seeds` for the block of that kind, and the only name of a source that is ever printed:
that in the file may be a path of somebody's machine.
"""

from loopback_core.reporting.paper.blocks import fill, find_blocks

__all__ = ["fill", "find_blocks"]
