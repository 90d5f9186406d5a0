import pytest

from loopback_core.errors import SettingsError
from loopback_core.settings import IndexSettings, Settings, TowersSettings, TrainingSettings, load_settings
from loopback_core.settings.moved_keys import _MOVED, _REMOVED


def toml(path, text):
    path.write_text(text, "utf-8")
    return str(path)


def refusal(overrides, environ=None):
    with pytest.raises(SettingsError) as refused:
        load_settings(overrides, environ or {})
    return str(refused.value)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            {"training": {"in_batch": {"mask_same_user": True}}},
            "training.in_batch.mask_same_user is given but training.objective is 'sampled', which does not read it",
        ),
        (
            {"training": {"preset": "reference", "sampled": {"negatives": 5, "logq": 0.5}}},
            "training.sampled.negatives and training.sampled.logq are given but training.objective is 'in_batch', which",
        ),
        (
            {"training": {"preset": "reference", "embedding_learning_rate": 0.1}},
            "training.embedding_learning_rate is given but training.optimizer is 'dense', which does not read it",
        ),
        (
            {"training": {"scoring": "dot", "fitted": {"related_artists": 5}}},
            "training.fitted.related_artists is given but training.scoring is 'dot', which does not read it",
        ),
        (
            {"towers": {"mlp": {"id_dim": 8}}},
            "towers.mlp.id_dim is given but towers.user_encoder is 'pooled' and towers.track_encoder is 'sum', which",
        ),
        (
            {"towers": {"hstu": {"heads": 2}}},
            "towers.hstu.heads is given but towers.user_encoder is 'pooled', which does not read it",
        ),
        (
            {"index": {"kind": "flat", "ivf": {"probes": 5}}},
            "index.ivf.probes is given but index.kind is 'flat', which does not read it",
        ),
        ({"index": {"hnsw": {}}}, "index.hnsw is given but index.kind is 'auto', which does not read it"),
        (
            {"split": {"train_until": "2008-12-31T23:59:59Z"}},
            "split.train_until is given but split.strategy is 'global', which does not read it",
        ),
        (
            {"split": {"strategy": "leave_last", "test_fraction": 0.2}},
            "split.test_fraction is given but split.strategy is 'leave_last', which does not read it",
        ),
    ],
)
def test_a_key_that_the_chosen_kind_does_not_read_is_an_error_that_names_both(overrides, said):
    assert f"Settings of the overrides: {said}" in refusal(overrides)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            {"split": {"strategy": "dates"}},
            "split.strategy = 'dates' needs split.train_until and split.validation_until",
        ),
        ({"split": {"validation_fraction": 0.5, "test_fraction": 0.5}}, "must be below 1, or train gets nothing"),
        ({"towers": {"track_encoder": "mlp"}}, "towers.user_encoder = 'pooled' needs towers.track_encoder = 'sum'"),
        ({"towers": {"pooled": {"listens": 0}}}, "reads nothing with towers.pooled.listens = 0"),
        (
            {"towers": {"user_encoder": "hstu", "hstu": {"heads": 3}}},
            "towers.hstu.heads = 3 must divide towers.output_dim = 128",
        ),
        ({"towers": {"pooled": {"track_powers": [1.0]}}}, "towers.pooled.track_powers must have the same length"),
        ({"towers": {"pooled": {"artist_half_lives": [1e-9, 1.0, 1.0, 1.0]}}}, "must be 0 or at least 0.001 days"),
        ({"training": {"objective": "in_batch"}}, "training.objective = 'in_batch' trains user ids"),
        ({"training": {"preset": "reference", "batch_size": 100_000}}, "training.batch_size = 100000 is too large for"),
        ({"source": {"latest": "1999-01-01T00:00:00"}}, "source.earliest must not lie after source.latest"),
    ],
)
def test_keys_that_contradict_each_other_are_named(overrides, said):
    assert said in refusal(overrides)


@pytest.mark.parametrize("validation_until", ["2009-01-01T00:00:00", "2009-01-01T01:00:00+01:00", "2008-06-30"])
def test_train_must_end_before_validation(validation_until):
    dates = {"strategy": "dates", "train_until": "2009-01-01T00:00:00Z", "validation_until": validation_until}
    assert "split.train_until must lie before split.validation_until" in refusal({"split": dates})


def test_a_layer_that_chooses_another_kind_replaces_what_weaker_layers_say_of_the_kind_before(tmp_path):
    config = toml(
        tmp_path / "settings.toml",
        """
        [towers.pooled]
        listens = 5
        [training.sampled]
        negatives = 5
        [index]
        flat_limit = 7
        """,
    )
    environ = {"LOOPBACK_CONFIG": config}
    assert load_settings({}, environ).training.sampled.negatives == 5
    kinds = {
        "towers": {"user_encoder": "id", "track_encoder": "mlp"},
        "training": {"objective": "in_batch"},
        "index": {"kind": "hnsw", "hnsw": {"neighbors": 8}},
    }
    settings = load_settings(kinds, environ)
    dumped = settings.model_dump()
    assert dumped["training"]["in_batch"] == {"mask_same_user": True} and "sampled" not in dumped["training"]
    assert set(dumped["towers"]) == {"user_encoder", "track_encoder", "output_dim", "embedding_std", "mlp"}
    assert dumped["index"] == {
        "kind": "hnsw",
        "shards": {"tracks": 2_097_152, "processes": 1},
        "hnsw": {"neighbors": 8, "ef_construction": 100, "ef_search": 256},
        "storage": "fp32",
    }


def test_a_key_of_the_file_that_the_preset_of_the_overrides_does_not_read_is_named_with_the_file(tmp_path):
    config = toml(tmp_path / "settings.toml", "[training.sampled]\nnegatives = 5")
    said = refusal({"training": {"preset": "reference"}}, {"LOOPBACK_CONFIG": config})
    assert said.startswith(
        f"Settings of LOOPBACK_CONFIG ({config}): training.sampled.negatives is given but training.obj"
    )
    loaded = load_settings({"training": {"preset": "reference"}}, {"LOOPBACK_CONFIG": config}, leave_out_unread=True)
    assert loaded == load_settings({"training": {"preset": "reference"}}, {})


def test_subsections_are_merged_key_by_key(tmp_path):
    config = toml(tmp_path / "settings.toml", "[training.sampled]\nnegatives = 5\nlogq = 0.5")
    sampled = load_settings({"training": {"sampled": {"logq": 0.25}}}, {"LOOPBACK_CONFIG": config}).training.sampled
    assert (sampled.negatives, sampled.logq, sampled.users_per_group) == (5, 0.25, 25)


def test_what_is_dumped_is_what_is_read_and_can_be_read_back():
    for preset in ("default", "reference", "reference_sparse"):
        settings = load_settings({"training": {"preset": preset}}, {})
        assert Settings.model_validate(settings.model_dump()) == settings
        assert Settings.model_validate_json(settings.model_dump_json()) == settings
    assert "sampled" not in TrainingSettings().model_dump()
    shards = {"tracks": 2_097_152, "processes": 1}
    assert IndexSettings(kind="flat").model_dump() == {"kind": "flat", "shards": shards, "storage": "fp32"}


def test_a_section_made_in_python_is_checked_too():
    with pytest.raises(ValueError, match=r"pooled\.listens given, but not read with \{'user_encoder': 'id'\}"):
        TowersSettings(pooled={"listens": 5})


@pytest.mark.parametrize("key", [*_MOVED, *_REMOVED])
def test_a_key_of_an_earlier_version_is_refused_with_its_new_place_or_the_reason(key):
    section, *path, name = key.split(".")
    given = {name: 1}
    model = Settings.subsections()[section]
    for part in reversed(path):
        given = {part: given}
    for part in path:
        model = model.subsections()[part]
    assert refusal({section: given}).startswith(f"Settings of the overrides: {key} ")
    assert "is now" in refusal({section: given}) or "was removed" in refusal({section: given})
    assert name not in model.model_fields


def test_every_new_place_of_an_old_key_is_a_setting():
    for places in _MOVED.values():
        for place in places.split(" or "):
            section, *path, key = place.split(".")
            model = Settings.subsections()[section]
            for name in path:
                model = model.subsections()[name]
            assert key in model.model_fields
