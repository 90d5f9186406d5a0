"""The floors of the house: what may import what, held by the imports themselves, lazy ones too."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

FLOORS = (
    ("errors",),
    ("runtime", "data"),
    ("settings", "tasks"),
    ("store",),
    ("stages",),
    ("listens", "features"),
    ("splits",),
    ("towers",),
    ("retrieval",),
    ("ranking",),
    ("reranking",),
    ("training",),
    ("recommenders",),
    ("evaluation",),
    ("reporting",),
    ("ablation",),
    ("lineage",),
    ("bundle",),
    ("drift",),
    ("promotion", "served_quality"),
    ("checks",),
    ("serving",),
    ("command_line",),
    ("loopback_assets",),
)
"""Room -> its floor, the lowest first. A room imports rooms of lower floors and itself, nothing else."""

FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def sources() -> list[Path]:
    return sorted([*(ROOT / "loopback_core").rglob("*.py"), *(ROOT / "loopback_assets").rglob("*.py")])


def room(module: str) -> str:
    """loopback_core.towers.user -> towers; all of loopback_assets is one room."""
    parts = module.split(".")
    return parts[1] if parts[0] == "loopback_core" and len(parts) > 1 else parts[0]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """The modules of the project that a file imports anywhere: at its top, in a function, for the type checker."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name for name in names if name.startswith(("loopback_core.", "loopback_assets")))


def test_every_room_has_a_floor():
    rooms = {room(module_of(path)) for path in sources() if path.parent != ROOT / "loopback_core"}
    files = {path.stem for path in (ROOT / "loopback_core").glob("*.py")} - {"__init__"}
    assert rooms | files == set(FLOOR_OF)


def test_no_import_goes_up_or_sideways():
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources()
        for name in imports(path)
        if room(name) != room(module_of(path)) and FLOOR_OF[room(name)] >= FLOOR_OF[room(module_of(path))]
    ]
    assert wrong == []


def test_no_circle_of_files():
    files = {module_of(path): path for path in sources()}
    arrows = {name: {_file(target, files) for target in imports(path)} - {name} for name, path in files.items()}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, " -> ".join((*above, name))
        if name not in done:
            for target in arrows[name]:
                visit(target, (*above, name))
            done.add(name)

    for name in files:
        visit(name, ())


def _file(target: str, files: dict[str, Path]) -> str:
    """The file that an imported name lies in."""
    while target not in files:
        target = target.rpartition(".")[0]
    return target


@pytest.mark.parametrize("folder", ["loopback_core", "loopback_assets", "tests", "benchmarks"])
def test_no_two_files_have_one_name(folder):
    roots = ["loopback_core", "loopback_assets"] if folder.startswith("loopback") else [folder]
    names = Counter(path.name for root in roots for path in (ROOT / root).rglob("*.py"))
    shared = {name for name, count in names.items() if count > 1} - {"__init__.py", "__main__.py", "conftest.py"}
    assert shared == set()


def test_no_public_name_has_two_meanings():
    """But for the class of each index engine, which is found by its name: it means one thing, of several engines."""
    names: dict[str, list[str]] = {}
    for path in sources():
        for node in ast.parse(path.read_text("utf-8")).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            defined = [node.name] if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
            defined += [target.id for target in targets if isinstance(target, ast.Name)]
            for name in defined:
                if not name.startswith("_") and name not in ("log", "main", "Index"):
                    names.setdefault(name, []).append(module_of(path))
    assert {name: places for name, places in names.items() if len(places) > 1} == {}
