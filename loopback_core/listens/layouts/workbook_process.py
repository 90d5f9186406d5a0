"""Reads a sheet of a workbook in a process of its own, whose memory has a bound.

The library that reads workbooks takes memory for all cells between the first and the last one, and as much as a damaged
number in the file demands. When it does not get it, it ends its process: here that is one that nothing else depends on.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

MEMORY = 4 << 30  # bytes, where the system knows such bounds; a million rows of Deezer's take a quarter of it

THREADS = dict.fromkeys(("OMP_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1")
"""Every thread would take its part of the bound."""


class WorkbookError(Exception):
    """A workbook cannot be read; says why in a few words, "" where it takes too much memory."""


def read_sheet(workbook: Path, sheet: str, table: Path) -> list[str] | None:
    """Write a sheet as text to a Parquet file.

    Returns:
        None, or, where there is no such sheet, the names of those that there are.

    Raises:
        WorkbookError: it cannot be read.
    """
    command = [sys.executable, "-P", __file__, str(workbook), sheet, str(table)]
    environment = os.environ | THREADS | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode:
        raise WorkbookError
    answer: dict[str, Any] = json.loads(done.stdout)
    if "error" in answer:
        raise WorkbookError(answer["error"])
    others: list[str] | None = answer["sheets"]
    return others


def _main(workbook: str, sheet: str, table: str) -> None:
    _bound_memory()
    try:
        print(json.dumps({"sheets": _written(workbook, sheet, table)}))
    except MemoryError:
        raise
    except BaseException as error:  # panics of Rust are no Exception
        lines = str(error).splitlines() or [type(error).__name__]
        print(json.dumps({"error": lines[0]}))


def _bound_memory() -> None:
    with suppress(ImportError, ValueError, OSError):  # Windows has no such bound, a container may have a lower one
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, resource.getrlimit(resource.RLIMIT_DATA)[1]))


def _written(workbook: str, sheet: str, table: str) -> list[str] | None:
    import fastexcel

    reader = fastexcel.read_excel(workbook)
    if sheet not in reader.sheet_names:
        return reader.sheet_names
    cells = reader.load_sheet(sheet, dtypes="string", skip_whitespace_tail_rows=True)
    cells.to_polars().write_parquet(table, row_group_size=1 << 15)
    return None


if __name__ == "__main__":
    _main(*sys.argv[1:])
