from datetime import UTC, datetime

import pytest

from loopback_core.errors import SettingsError
from loopback_core.settings import Settings, load_settings


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
    mine = toml(tmp_path / "mine.toml", "[towers]\noutput_dim = 8\n[training]\nepochs = 2")
    settings = load_settings({"training": {"preset": mine, "epochs": 5}}, {})
    assert (settings.towers.output_dim, settings.training.epochs, settings.training.preset) == (8, 5, mine)


@pytest.mark.parametrize("written", ['"2008-12-31T23:59:59Z"', "2008-12-31T23:59:59Z", "2009-01-01T00:59:59+01:00"])
def test_dates_are_toml_strings_or_toml_datetimes(tmp_path, written):
    config = toml(
        tmp_path / "loopback.toml",
        f"[split]\nstrategy = 'dates'\ntrain_until = {written}\nvalidation_until = 2009-06-30",
    )
    train_until = load_settings({}, {"LOOPBACK_CONFIG": config}).split.train_until
    assert train_until == datetime(2008, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"trainin": {}}, "trainin is not a setting; known are source, split, towers, training,"),
        ({"training": {"epoch": 3}}, "training.epoch is not a setting; known are preset, recipe,"),
        ({"training": {"epochs": "3"}}, "training.epochs = '3' is wrong: should be a valid integer"),
        ({"training": {"epochs": 2.5}}, "training.epochs = 2.5 is wrong: should be a valid integer"),
        ({"training": {"mask_same_track": 1}}, "training.mask_same_track = 1 is wrong: should be a valid boolean"),
        ({"training": {"epochs": 0}}, "training.epochs = 0 is wrong: should be greater than or equal to 1"),
        ({"split": {"test_fraction": 1.0}}, "split.test_fraction = 1.0 is wrong: should be less than 1"),
        ({"split": {"strategy": "random"}}, "split.strategy = 'random' is wrong: should be 'global', 'dates',"),
        (
            {"reranking": {"method": "none"}},
            "reranking.method = 'none' is wrong: should be 'auto', 'artists', 'mmr', 'dpp' or 'calibrated'",
        ),
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


def test_of_thousands_of_mistakes_ten_are_named():
    said = refusal({"training": {f"key_{number}": 1 for number in range(5000)}})
    assert said.count(" is not a setting; ") == 10 and said.endswith("; and 4,990 more.")


def test_every_mistake_is_named_at_once():
    sentence = refusal({"training": {"epochs": 0}, "split": {"fraction": 1}})
    assert "training.epochs" in sentence
    assert "split.fraction" in sentence


def test_a_mistake_is_named_with_the_place_it_stands_in(tmp_path):
    bad = toml(tmp_path / "bad.toml", "[training]\nepochs = 0")
    assert refusal({}, {"LOOPBACK_CONFIG": bad}).startswith(f"Settings of LOOPBACK_CONFIG ({bad}): training.epochs")
    assert refusal({"training": {"preset": bad}}).startswith(f"Settings of preset {bad!r}: training.epochs")
    assert refusal({"training": {"epochs": 0}}).startswith("Settings of the overrides: training.epochs")


def test_settings_cannot_be_changed_after_loading():
    with pytest.raises(ValueError, match="frozen"):
        Settings().training.epochs = 5


@pytest.mark.parametrize("ks", [[], [10, 50], [0, 10, 100], [10, 100, 2000]])
def test_cutoffs_that_verdicts_and_checks_cannot_read_are_refused(ks):
    with pytest.raises(SettingsError, match=r"evaluation\.ks"):
        load_settings({"evaluation": {"ks": ks}}, {})


def test_of_keys_that_are_not_read_those_of_the_file_are_named_and_not_those_of_the_preset(tmp_path):
    text = '[training]\nobjective = "in_batch"\nscoring = "dot"\n[training.sampled]\nnegatives = 5\n'
    sentence = refusal({}, {"LOOPBACK_CONFIG": toml(tmp_path / "loopback.toml", text)})
    assert (
        "training.sampled.negatives is given but training.objective is 'in_batch', which does not read it" in sentence
    )
    assert "uniform_share" not in sentence


def test_a_settings_file_with_a_byte_order_mark_is_read(tmp_path):
    config = toml(tmp_path / "loopback.toml", "\ufeff[training]\nseed = 3\n")
    assert load_settings({}, {"LOOPBACK_CONFIG": config}).training.seed == 3
