"""The source code that a step depends on: no result outlives the code it came from."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from loopback_core.store.digests import digest

PACKAGE = "loopback_core"
ROOT = Path(__file__).parent.parent

INFRASTRUCTURE = ("errors", "runtime", "settings", "stages", "store")
"""Packages that no result depends on: they report, lock and check. A version holds the values of settings anyway."""

DATA_SUFFIXES = (".css", ".html", ".j2")
"""Files next to a module that it reads."""


@cache
def code_digest(*modules: str) -> str:
    """A digest of the source of these modules of `loopback_core` and of all that they import, directly or not.

    modules: such as `training.train`. An import inside a function counts; one for the type checker alone does not.
    """
    return digest({path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in import_closure(*modules)})


def import_closure(*modules: str) -> list[Path]:
    """The sorted files of these modules and of all that they import, without INFRASTRUCTURE, and the data next to them."""
    sources: set[Path] = set()
    waiting = [_file(f"{PACKAGE}.{module}") for module in modules]
    while waiting:
        path = waiting.pop()
        if path is None or path in sources or path.relative_to(ROOT).parts[0].removesuffix(".py") in INFRASTRUCTURE:
            continue
        sources.add(path)
        waiting += _next_files(path)
    data = {data for path in sources for data in path.parent.iterdir() if data.suffix in DATA_SUFFIXES}
    return sorted(sources | data)


@cache
def _next_files(path: Path) -> tuple[Path, ...]:
    """The files of this package that a module imports, or that run when it is imported."""
    text = path.read_text("utf-8")
    files = {file for name in _imported(ast.parse(text).body) if (file := _file(name))}
    if "import_module" in text:  # a package that finds its modules by their names
        files.update(path.parent.glob("*.py"))
    if (runs := path.with_name("__init__.py")).is_file():
        files.add(runs)
    return tuple(files)


def _imported(statements: Iterable[ast.AST]) -> Iterator[str]:
    """The imported names. An import is a statement: expressions, which are most of a tree, are not looked into."""
    for statement in statements:
        if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            continue
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)
        for within in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _imported(getattr(statement, within, ()))


@cache
def _file(name: str) -> Path | None:
    """The file in which an imported name lies; None for what is not of this package."""
    parts = name.split(".")
    if parts[0] != PACKAGE:
        return None
    while parts[1:]:
        path = ROOT.joinpath(*parts[1:])
        if path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
        if (path / "__init__.py").is_file():
            return path / "__init__.py"
        parts.pop()
    return ROOT / "__init__.py"
