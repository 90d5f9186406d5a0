"""Fill the tables of a document from JSON files of runs, so that no number is typed.

A block stands between the lines `<!-- KIND RUN [TASK] -->` and `<!-- end -->`. RUN is the name given with `--run`,
`--ablation` or `--seeds`, whichever the kind of the block needs, and the only name of a source that is ever printed: the
name in the file may be a private path.
"""

from loopback_core.reporting.paper.blocks import fill, find_blocks
from loopback_core.reporting.paper.documents import Documents

__all__ = ["Documents", "fill", "find_blocks"]
