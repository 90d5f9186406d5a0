from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import ValidationError

from loopback_assets.config import FORMS
from loopback_assets.resources import Loopback
from loopback_core.errors import SettingsError
from loopback_core.settings import Section, Settings, load_settings


def filled_in(sections: dict[str, Any]) -> Loopback:
    """The resource as Python fills it in."""
    return Loopback(**sections)


def launched(config: dict[str, Any]) -> Loopback:
    """The resource of a run whose launchpad says `config`."""
    seen = []

    @dg.asset
    def probe(loopback: Loopback) -> None:
        seen.append(loopback)

    dg.materialize(
        [probe], resources={"loopback": Loopback()}, run_config={"resources": {"loopback": {"config": config}}}
    )
    return seen[0]


def test_the_launchpad_has_every_key_of_every_section() -> None:
    sections = {
        name: info.annotation
        for name, info in Settings.model_fields.items()
        if isinstance(info.annotation, type) and issubclass(info.annotation, Section)
    }
    assert {name: list(form.model_fields) for name, form in FORMS.items()} == {
        name: list(section.model_fields) for name, section in sections.items()
    }


def test_an_empty_launchpad_leaves_the_defaults() -> None:
    assert launched({}).settings() == load_settings({}, {})


def test_the_launchpad_reaches_settings_of_every_kind() -> None:
    settings = launched(
        {
            "source": {
                "columns": {"track_name": "song"},
                "mirrors": ["http://localhost/a"],
                "time_format": "epoch_seconds",
            },
            "split": {"strategy": "dates", "train_until": "2008-12-31T23:59:59Z"},
            "training": {"seed": 7, "learning_rate": 0.5, "mask_same_user": False},
            "evaluation": {"ks": [5, 10, 100]},
        }
    ).settings()
    assert settings.source.columns == {"track_name": "song"}
    assert settings.source.mirrors == ["http://localhost/a"]
    assert settings.source.time_format == "epoch_seconds"
    assert settings.split.strategy == "dates"
    assert settings.split.train_until == datetime(2008, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert (settings.training.seed, settings.training.learning_rate) == (7, 0.5)
    assert settings.training.mask_same_user is False
    assert settings.evaluation.ks == [5, 10, 100]


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"trainin": {}}, '"trainin"'),
        ({"training": {"epoch": 1}}, '"epoch" at path root:resources:loopback:config:training'),
        ({"training": {"epochs": "three"}}, "root:resources:loopback:config:training:epochs"),
        ({"training": {"mask_same_user": 1}}, "root:resources:loopback:config:training:mask_same_user"),
        ({"evaluation": {"ks": [10, "all"]}}, "root:resources:loopback:config:evaluation:ks[1]"),
    ],
)
def test_the_launchpad_names_the_key_that_is_unknown_or_of_the_wrong_type(config: dict[str, Any], named: str) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError) as caught:
        launched(config)
    assert named in str(caught.value)


@pytest.mark.parametrize(("key", "value"), [("epoch", 1), ("epochs", "three")])
def test_python_that_fills_the_resource_in_is_told_the_key_too(key: str, value: object) -> None:
    with pytest.raises(ValidationError, match=rf"training\.{key}\n"):
        filled_in({"training": {key: value}})


@pytest.mark.parametrize(
    ("section", "key", "value", "sentence"),
    [
        ("training", "epochs", 0, "Settings of the overrides: training.epochs = 0 is wrong: "),
        ("training", "preset", "best", "training.preset is 'best'; it must be one of default, reference, "),
        ("split", "train_until", "yesterday", "Settings of the overrides: split.train_until = 'yesterday' is wrong: "),
        ("split", "strategy", "random", "Settings of the overrides: split.strategy = 'random' is wrong: "),
    ],
)
def test_a_value_that_cannot_be_meant_is_named_with_its_key(
    section: str, key: str, value: object, sentence: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        filled_in({section: {key: value}}).settings()
    assert str(caught.value).startswith(sentence)


def test_the_launchpad_beats_the_source_variable_which_beats_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('[source]\nname = "of the file"\nsample_seed = 4\n[training]\nseed = 5\nepochs = 9\n')
    monkeypatch.setenv("LOOPBACK_CONFIG", str(file))
    assert Loopback().settings().source.name == "of the file"
    monkeypatch.setenv("LOOPBACK_SOURCE", "of the variable")
    assert Loopback().settings().source.name == "of the variable"
    settings = launched({"source": {"name": "of the launchpad"}, "training": {"seed": 6}}).settings()
    assert (settings.source.name, settings.training.seed) == ("of the launchpad", 6)
    assert (settings.source.sample_seed, settings.training.epochs) == (4, 9)


def test_the_home_is_that_of_the_launchpad_else_of_the_variable_else_dot_loopback_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Loopback().store().home == tmp_path / ".loopback"
    monkeypatch.setenv("LOOPBACK_HOME", "of the variable")
    assert Loopback().store().home == tmp_path / "of the variable"
    assert launched({"home": "of the launchpad"}).store().home == tmp_path / "of the launchpad"
