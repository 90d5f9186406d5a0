import sqlite3
from datetime import UTC, datetime

import pytest
from remote_rows import EXPECTED, ROWS, listens_of, source_at

from loopback_core.checks.listens_checks import source_unchanged
from loopback_core.errors import BadLogError
from loopback_core.listens.listen_store import ListenStore
from loopback_core.listens.raw import log_of, publish_raw, raw_summary, refuse_changed
