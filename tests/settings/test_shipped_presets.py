from pathlib import Path

from loopback_core.settings import load_settings, shipped_presets


def test_a_preset_of_the_user_says_what_it_changes_of_the_recipe(tmp_path):
    own = str(tmp_path / "own.toml")
    Path(own).write_text("[training]\nepochs = 2\n", "utf-8")
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


def test_the_reference_preset_has_the_settings_of_the_reference():
    settings = load_settings({"training": {"preset": "reference"}}, {})
    towers, training = settings.towers, settings.training
    assert (towers.mlp.id_dim, towers.mlp.hidden_dim, towers.mlp.dropout, towers.output_dim) == (64, 256, 0.1, 128)
    assert (training.optimizer, training.learning_rate, training.weight_decay) == ("dense", 1e-3, 1e-5)
    assert (training.batch_size, training.epochs) == (4096, 3)
    assert training.patience >= training.epochs, "the reference never stops early"
    assert not (training.mask_same_track or training.in_batch.mask_same_user or training.mask_known_positives)


def test_the_sparse_preset_masks_every_false_negative_and_updates_rows():
    training = load_settings({"training": {"preset": "reference_sparse"}}, {}).training
    assert training.mask_same_track and training.in_batch.mask_same_user and training.mask_known_positives
    assert training.optimizer == "sparse"
