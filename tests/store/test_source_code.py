import pytest

from loopback_core.stages import STAGES
from loopback_core.store import source_code
from loopback_core.store.source_code import code_digest, import_closure


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package in which `training.train` imports `towers` lazily, `towers` the losses, and no module the report."""
    for name, text in {
        "__init__.py": "",
        "training/__init__.py": "",
        "training/train.py": "def train():\n    from loopback_core.towers.user import UserTower\n",
        "towers/__init__.py": "",
        "towers/user.py": "from typing import TYPE_CHECKING\nfrom loopback_core.training import losses\n"
        "if TYPE_CHECKING:\n    from loopback_core.report import page\n",
        "training/losses.py": "x = 1",
        "report/__init__.py": "",
        "report/page.py": "y = 1",
        "report/style.css": "a {}",
        "store/__init__.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(source_code, "ROOT", tmp_path)
    clear()
    yield tmp_path
    clear()


def clear():
    code_digest.cache_clear()
    source_code._next_files.cache_clear()
    source_code._file.cache_clear()


def digest_after(path, text):
    path.write_text(text)
    clear()
    return code_digest("training.train")


def test_the_code_of_a_step_is_all_that_it_imports_lazily_too(package):
    names = [path.relative_to(package).as_posix() for path in import_closure("training.train")]
    assert names == [
        *("towers/__init__.py", "towers/user.py"),
        *("training/__init__.py", "training/losses.py", "training/train.py"),
    ]
    assert package / "report/style.css" in import_closure("report.page")


def test_the_code_digest_changes_with_what_is_imported_and_with_nothing_else(package):
    first = code_digest("training.train")
    assert digest_after(package / "report/page.py", "y = 2") == first
    assert digest_after(package / "store/__init__.py", "z = 1") == first
    assert digest_after(package / "training/losses.py", "x = 2") != first


def test_an_edit_of_the_report_does_not_retrain_and_one_of_a_tower_does():
    files = {path.relative_to(source_code.ROOT).as_posix() for path in import_closure(STAGES["trained_towers"].step)}
    assert {"towers/user.py", "training/losses.py", "ranking/relations.py", "tasks/metrics.py"} <= files
    others = ("reporting", "evaluation", "recommenders", "listens", "ranking/terms", "ranking/linear_ranker")
    assert not [name for name in files if name.startswith(others)]
