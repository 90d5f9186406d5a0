"""What a log seems to be, from its beginning: how it would be read, with which settings, and what would become of its rows."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from loopback_core.listens.advice import Hints
from loopback_core.listens.cleaning import clean
from loopback_core.listens.proposal import Proposal, proposal_for
from loopback_core.listens.reading import read_rows
from loopback_core.listens.schema import RawLog
from loopback_core.listens.sources import find_log
from loopback_core.listens.survey import Survey, survey
from loopback_core.settings import SourceSettings

INSPECTED_BYTES = 1 << 22
MOST_BLOCKS = 16
SHOWN_LISTENS = 10
LISTEN = ("user_id", "timestamp", "artist_name", "track_name")


@dataclass
class Inspection:
    """What was found. Counts are of the rows that were looked at; exact duplicates are not among them."""

    log: RawLog
    survey: Survey  # of the first file
    proposal: Proposal
    rows: int = 0
    whole: bool = True  # whether all rows were looked at
    rejected: Counter[str] = field(default_factory=Counter)
    first: list[dict[str, Any]] = field(default_factory=list)  # LISTEN of the first listens
    users: set[str] = field(default_factory=set)
    advice: list[str] = field(default_factory=list)  # what would make rejected rows usable; sentences

    @property
    def listens(self) -> int:
        """Rows that would become listens."""
        return self.rows - self.rejected.total()


def inspect_log(path: Path, source: SourceSettings, most_blocks: int = MOST_BLOCKS) -> Inspection:
    """Look at the first `most_blocks` blocks of 4 MiB of the log at `path`. source: the settings that are given already.

    Where the log does not fit them, those are proposed with which it seems to fit.

    Raises:
        BadLogError: it cannot be read, or nothing in it is known; the message says what to do.
    """
    source = source.model_copy(update={"name": str(path.absolute())})
    log = find_log(source, path)
    surveyed = survey(log.files[0], source)
    proposal = proposal_for(log.files[0], surveyed, source)
    source = proposal.applied
    if proposal.settings:  # who listened depends on them
        log = find_log(source, path)
        surveyed = survey(log.files[0], source)
    found = Inspection(log, surveyed, proposal)
    for number, file in enumerate(log.files):
        if most_blocks <= 0:
            found.whole = False
            break
        of_file = surveyed if number == 0 else survey(file, source)  # of an archive it takes long
        most_blocks = _look_into(file, of_file, source, most_blocks, found)
    return found


def _look_into(file: Path, surveyed: Survey, source: SourceSettings, blocks_left: int, found: Inspection) -> int:
    """Counts the rows of a file; returns how many blocks may be looked at after it."""
    latest = source.latest or datetime.now(UTC) + timedelta(days=1)
    rows = read_rows(file, source, lambda _: None, INSPECTED_BYTES, surveyed=surveyed, user=found.log.users.get(file))
    hints = Hints(file, surveyed.settings(source), form_is_fixed=surveyed.form_is_fixed)
    for raw in rows:
        cleaned = clean(raw, surveyed.settings(source), latest)
        hints.see(raw["timestamp"], cleaned["reason"])
        listens = cleaned.filter(pl.col("reason").is_null())
        found.rows += raw.height
        found.rejected.update(dict(cleaned["reason"].drop_nulls().value_counts().iter_rows()))
        found.users.update(listens["user_id"].unique())
        found.first += listens.select(LISTEN).head(SHOWN_LISTENS - len(found.first)).rows(named=True)
        blocks_left -= 1
        if blocks_left <= 0:
            found.whole = next(rows, None) is None
            break
    found.advice += [sentence for sentence in hints.sentences() if sentence not in found.advice]
    return blocks_left
