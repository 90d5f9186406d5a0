import os
from pathlib import Path

import pytest

from loopback_core.errors import SettingsError
from loopback_core.settings import load_settings


def refusal(path, **overrides):
    with pytest.raises(SettingsError) as refused:
        load_settings(overrides, {"LOOPBACK_CONFIG": str(path)} if path else {})
    return str(refused.value)


@pytest.fixture
def file(tmp_path):
    """Writes bytes into a settings file."""

    def write(content):
        path = tmp_path / "settings.toml"
        path.write_bytes(content)
        return path

    return write


def test_a_file_that_is_missing_is_named_with_what_names_it(tmp_path):
    path = tmp_path / "nowhere.toml"
    assert refusal(path) == f"There is no settings file {path}; correct or unset LOOPBACK_CONFIG."
    said = refusal(None, training={"preset": str(path)})
    assert said == f"There is no settings file {path}; correct or unset training.preset."


def test_a_folder_or_a_pipe_is_no_settings_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        assert refusal(path) == f"{path} is not a regular file; correct or unset LOOPBACK_CONFIG."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[training\n", "is not a TOML file: Expected ']'"),
        (b'[source]\nname = "\xff"', "is not a TOML file: byte 17 is not UTF-8"),
        (b"[training]\nseed = " + b"9" * 10_000, "is not a TOML file: Exceeds the limit"),
        (b"[training]\nseed = " + b"[" * 5000 + b"]" * 5000, "its values are nested too deep"),
        (b"#" * (1 << 20) + b"\n", "has 1,048,577 bytes, more than a settings file has"),
        (b"[training]\nseed = 0x" + b"f" * 10_000, "training.seed = a value that is too large to show is wrong"),
        (b"[" + b".".join([b"a"] * 5000) + b"]\nb = 1", "a is not a setting; known are source, split,"),
        (b"[training" + b".a" * 5000 + b"]\nb = 1", "training.a is not a setting; known are preset, recipe,"),
        (b'[training]\npreset = "' + b"a" * 5000 + b'"', "training.preset is 'aaaa"),
        (b'[training]\npreset = "a\\u0000.toml"', "'a\\x00.toml' is not a TOML file: embedded null byte"),
        (b'[training]\n"a\\u0000\\n" = 1', "'training.a\\x00\\n' is not a setting"),
    ],
)
def test_a_file_that_cannot_be_used_ends_in_a_sentence(file, content, said):
    sentence = refusal(path := file(content))
    assert said in sentence and len(sentence) < 900
    assert str(path) in sentence or "training.preset" in sentence


def test_a_path_that_cannot_be_one_ends_in_a_sentence():
    assert "is not a TOML file: embedded null byte; correct or unset LOOPBACK_CONFIG" in refusal("a\0b")
    assert "cannot be read (File name too long)" in refusal("a" * 5000)
    assert "There is no settings file 'a\\udcff.toml'" in refusal("a\udcff.toml")


def test_a_source_whose_name_is_not_utf_8_or_too_long_is_refused():
    for name in ("plays\udcff.tsv", "a" * 5000, "a\0b"):
        with pytest.raises(SettingsError, match=r"LOOPBACK_SOURCE: source\.name = .* is wrong"):
            load_settings({}, {"LOOPBACK_SOURCE": name})
