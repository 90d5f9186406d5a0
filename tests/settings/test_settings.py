from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from loopback_core.errors import SettingsError
from loopback_core.settings import Settings, load_settings, shipped_presets


def toml(path, text):
    path.write_text(text, "utf-8")
    return str(path)


def refusal(overrides=None, environ=None):
    with pytest.raises(SettingsError) as refused:
        load_settings(overrides, environ or {})
    return str(refused.value)


def test_without_any_setting_the_default_preset_holds():
    settings = load_settings({}, {})
    assert settings == load_settings({"training": {"preset": "default"}}, {})
    assert settings.training.preset == "default"
    assert (settings.towers.user_encoder, settings.training.objective) == ("pooled", "sampled")


def test_a_preset_of_ones_own_says_what_it_changes_of_the_recipe(tmp_path):
    own = toml(tmp_path / "own.toml", "[training]\nepochs = 2\n")
    settings, recipe = load_settings({"training": {"preset": own}}, {}), load_settings({}, {})
    assert settings.training == recipe.training.model_copy(update={"epochs": 2, "preset": own})
    assert settings.towers == recipe.towers


def test_the_recipe_needs_no_user_id_and_the_references_read_no_history():
    assert load_settings({}, {}).towers.user_encoder == "pooled"
    for preset in ("reference", "reference_sparse"):
        settings = load_settings({"training": {"preset": preset}}, {})
        assert (settings.towers.user_encoder, settings.training.objective) == ("id", "in_batch")
        assert (settings.training.scoring, settings.training.refit) == ("dot", False)


def test_the_presets_are_the_recipe_the_reference_and_its_sparse_form():
    assert shipped_presets() == ["default", "reference", "reference_sparse"]


def test_the_reference_preset_is_the_reference_to_the_letter():
    settings = load_settings({"training": {"preset": "reference"}}, {})
    towers, training = settings.towers, settings.training
    assert (towers.id_dim, towers.hidden_dim, towers.output_dim, towers.dropout) == (64, 256, 128, 0.1)
    assert (training.optimizer, training.learning_rate, training.weight_decay) == ("dense", 1e-3, 1e-5)
    assert (training.batch_size, training.epochs) == (4096, 3)
    assert training.patience >= training.epochs, "the reference never stops early"
    assert not (training.mask_same_track or training.mask_same_user or training.mask_known_positives)


def test_the_sparse_preset_masks_every_false_negative_and_updates_rows():
    training = load_settings({"training": {"preset": "reference_sparse"}}, {}).training
    assert training.mask_same_track and training.mask_same_user and training.mask_known_positives
    assert training.optimizer == "sparse"


def test_each_layer_overrides_the_one_below_key_by_key(tmp_path):
    config = toml(
        tmp_path / "loopback.toml",
        """
        [source]
        name = "from the file"
        sample_events = 5
        sample_users = 4
        [training]
        preset = "reference"
        epochs = 7
        learning_rate = 0.5
        """,
    )
    settings = load_settings(
        {"training": {"epochs": 9}, "source": {"sample_users": 3}},
        {"LOOPBACK_CONFIG": config, "LOOPBACK_SOURCE": "from the variable"},
    )
    assert settings.training.optimizer == "dense"  # the preset, over the default
    assert settings.training.learning_rate == 0.5  # the file, over the preset
    assert settings.source.name == "from the variable"  # LOOPBACK_SOURCE, over the file
    assert settings.training.epochs == 9  # the overrides, over the file
    assert (settings.source.sample_events, settings.source.sample_users) == (5, 3)


def test_the_overrides_are_above_loopback_source():
    assert load_settings({"source": {"name": "b"}}, {"LOOPBACK_SOURCE": "a"}).source.name == "b"


def test_the_overrides_may_name_another_preset_than_the_file(tmp_path):
    config = toml(tmp_path / "loopback.toml", '[training]\npreset = "reference"\nepochs = 7')
    training = load_settings({"training": {"preset": "reference_sparse"}}, {"LOOPBACK_CONFIG": config}).training
    assert (training.preset, training.optimizer, training.epochs) == ("reference_sparse", "sparse", 7)


def test_empty_variables_are_as_good_as_unset():
    assert load_settings({}, {"LOOPBACK_CONFIG": "", "LOOPBACK_SOURCE": ""}) == load_settings({}, {})


def test_a_preset_may_be_a_file_of_the_user(tmp_path):
    mine = toml(tmp_path / "mine.toml", "[towers]\nid_dim = 8\n[training]\nepochs = 2")
    settings = load_settings({"training": {"preset": mine, "epochs": 5}}, {})
    assert (settings.towers.id_dim, settings.training.epochs, settings.training.preset) == (8, 5, mine)


@pytest.mark.parametrize("written", ['"2008-12-31T23:59:59Z"', "2008-12-31T23:59:59Z", "2009-01-01T00:59:59+01:00"])
def test_dates_are_toml_strings_or_toml_datetimes(tmp_path, written):
    config = toml(tmp_path / "loopback.toml", f"[split]\ntrain_until = {written}")
    train_until = load_settings({}, {"LOOPBACK_CONFIG": config}).split.train_until
    assert train_until == datetime(2008, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"trainin": {}}, "trainin is no setting; known are source, split, towers, training,"),
        ({"training": {"epoch": 3}}, "training.epoch is no setting; known are preset, seed,"),
        ({"training": {"epochs": "3"}}, "training.epochs = '3' is wrong: should be a valid integer"),
        ({"training": {"epochs": 2.5}}, "training.epochs = 2.5 is wrong: should be a valid integer"),
        ({"training": {"mask_same_user": 1}}, "training.mask_same_user = 1 is wrong: should be a valid boolean"),
        ({"training": {"epochs": 0}}, "training.epochs = 0 is wrong: should be greater than or equal to 1"),
        ({"split": {"test_fraction": 1.0}}, "split.test_fraction = 1.0 is wrong: should be less than 1"),
        ({"split": {"strategy": "random"}}, "split.strategy = 'random' is wrong: should be 'global', 'dates',"),
        (
            {"split": {"train_until": "christmas"}},
            "split.train_until = 'christmas' is wrong: should be a valid datetime",
        ),
        ({"source": {"columns": {"user_id": 1}}}, "source.columns.user_id = 1 is wrong: should be a valid string"),
        ({"training": 5}, "training = 5 is wrong: should be a valid dictionary"),
        ({"training": {"preset": 5}}, "training.preset = 5 is wrong: should be a valid string"),
        (
            {"training": {"preset": "best"}},
            "'best'; it must be one of default, reference, reference_sparse, or the path",
        ),
    ],
)
def test_a_mistake_is_named_with_its_key(overrides, said):
    assert said in refusal(overrides)


def test_every_mistake_is_named_at_once():
    sentence = refusal({"training": {"epochs": 0}, "split": {"fraction": 1}})
    assert "training.epochs" in sentence
    assert "split.fraction" in sentence


def test_a_mistake_is_named_with_the_place_it_stands_in(tmp_path):
    bad = toml(tmp_path / "bad.toml", "[training]\nepochs = 0")
    assert refusal({}, {"LOOPBACK_CONFIG": bad}).startswith(f"Settings of LOOPBACK_CONFIG ({bad}): training.epochs")
    assert refusal({"training": {"preset": bad}}).startswith(f"Settings of preset {bad!r}: training.epochs")
    assert refusal({"training": {"epochs": 0}}).startswith("Settings of the overrides: training.epochs")


def test_a_file_that_cannot_be_read_is_named_with_who_named_it(tmp_path):
    nowhere = str(tmp_path / "nowhere.toml")
    assert f"no settings file {nowhere}; correct or unset LOOPBACK_CONFIG" in refusal({}, {"LOOPBACK_CONFIG": nowhere})
    assert f"no settings file {nowhere}; correct or unset training.preset" in refusal({"training": {"preset": nowhere}})
    assert f"{tmp_path} cannot be read" in refusal({}, {"LOOPBACK_CONFIG": str(tmp_path)})


@pytest.mark.parametrize("content", [b"[training\n", b'[source]\nname = "\xff"'])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    assert f"{path} is not a TOML file" in refusal({}, {"LOOPBACK_CONFIG": str(path)})


def test_settings_cannot_be_changed_after_loading():
    with pytest.raises(ValueError, match="frozen"):
        Settings().training.epochs = 5


def test_every_setting_has_a_description():
    undescribed = []
    for section, field in Settings.model_fields.items():
        assert isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        undescribed += [f"{section}.{key}" for key, f in field.annotation.model_fields.items() if not f.description]
    assert undescribed == []


@pytest.mark.parametrize("ks", [[], [10, 50], [0, 10, 100], [10, 100, 2000]])
def test_cutoffs_that_verdicts_and_checks_cannot_read_are_refused(ks):
    with pytest.raises(SettingsError, match=r"evaluation\.ks .* must hold 10 and 100"):
        load_settings({"evaluation": {"ks": ks}}, {})
