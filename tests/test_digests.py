from loopback_core import digests
from loopback_core.digests import code_digest


def test_the_code_digest_changes_with_a_source_file_and_with_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "towers").mkdir()
    (tmp_path / "towers" / "user.py").write_text("DIM = 1")
    (tmp_path / "towers" / "notes.md").write_text("one")
    (tmp_path / "data.py").write_text("x = 1")
    monkeypatch.setattr(digests, "__file__", str(tmp_path / "digests.py"))
    first = code_digest("towers", "data.py")
    (tmp_path / "towers" / "notes.md").write_text("two")
    (tmp_path / "other.py").write_text("y = 1")
    assert code_digest("data.py", "towers") == first
    (tmp_path / "towers" / "user.py").write_text("DIM = 2")
    second = code_digest("towers", "data.py")
    (tmp_path / "towers" / "user.py").rename(tmp_path / "towers" / "users.py")
    third = code_digest("towers", "data.py")
    assert len({first, second, third, code_digest("towers")}) == 4
