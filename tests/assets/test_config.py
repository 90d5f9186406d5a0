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


def keys_of(section: type[Section]) -> dict[str, Any]:
    """Key -> the keys of the sub-section, or nothing."""
    inner = section.subsections()
    return {name: keys_of(inner[name]) if name in inner else {} for name in section.model_fields}


def keys_of_form(form: Any) -> dict[str, Any]:
    fields = form.model_fields.items()
    return {name: keys_of_form(f.annotation) if hasattr(f.annotation, "model_fields") else {} for name, f in fields}


def test_the_launchpad_has_every_key_of_every_section() -> None:
    assert {name: keys_of_form(form) for name, form in FORMS.items()} == keys_of(Settings)


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
            "split": {"strategy": "dates", "train_until": "2008-12-31T23:59:59Z", "validation_until": "2009-06-30"},
            "training": {
                "seed": 7,
                "learning_rate": 0.5,
                "mask_same_track": False,
                "sampled": {"negatives": 5, "logq": 0.5},
            },
            "evaluation": {"ks": [5, 10, 100]},
        }
    ).settings()
    assert settings.source.columns == {"track_name": "song"}
    assert settings.source.mirrors == ["http://localhost/a"]
    assert settings.source.time_format == "epoch_seconds"
    assert settings.split.strategy == "dates"
    assert settings.split.train_until == datetime(2008, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert (settings.training.seed, settings.training.learning_rate) == (7, 0.5)
    assert settings.training.mask_same_track is False
    assert (settings.training.sampled.negatives, settings.training.sampled.logq) == (5, 0.5)
    assert settings.evaluation.ks == [5, 10, 100]


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"trainin": {}}, '"trainin"'),
        ({"training": {"epochs": "three"}}, "root:resources:loopback:config:training:epochs"),
        ({"training": {"mask_same_track": 1}}, "root:resources:loopback:config:training:mask_same_track"),
        ({"training": {"sampled": 5}}, "root:resources:loopback:config:training:sampled"),
        ({"training": {"sampled": {"logq": "x"}}}, "root:resources:loopback:config:training:sampled:logq"),
        ({"evaluation": {"ks": [10, "all"]}}, "root:resources:loopback:config:evaluation:ks[1]"),
    ],
)
def test_the_launchpad_names_the_key_that_is_unknown_or_of_the_wrong_type(config: dict[str, Any], named: str) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError) as caught:
        launched(config)
    assert named in str(caught.value)


def test_a_resource_filled_in_with_a_wrong_type_is_refused_with_the_key() -> None:
    with pytest.raises(ValidationError, match=r"training\.epochs\n"):
        filled_in({"training": {"epochs": "three"}})


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"training": {"epoch": 1}}, "training.epoch is not a setting; known are preset, recipe, "),
        ({"training": {"sampled": {"epoch": 1}}}, "training.sampled.epoch is not a setting; known are negatives, "),
        ({"training": {"negatives": 5}}, "training.negatives is now training.sampled.negatives."),
        (
            {"training": {"in_batch": {"mask_same_user": True}}},
            "training.in_batch.mask_same_user is given but training.objective is 'sampled', which does not read it.",
        ),
    ],
)
def test_a_key_that_nothing_reads_is_named_by_the_launchpad_and_by_python(
    config: dict[str, Any], sentence: str
) -> None:
    for resource in (launched(config), filled_in(config)):
        with pytest.raises(SettingsError) as caught:
            resource.settings()
        assert str(caught.value).startswith(f"Settings of the overrides: {sentence}")


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
