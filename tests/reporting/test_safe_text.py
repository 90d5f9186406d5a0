from loopback_core.reporting.safe_text import preset_ids


def id_of(preset):
    return preset_ids([preset])[preset]


def test_a_preset_is_called_by_its_name_or_that_of_its_file_never_by_its_folder():
    assert id_of("reference") == "two_tower:reference"
    assert id_of("/home/ann/secret/mine.toml") == "two_tower:mine.toml"
    assert id_of("a\nb\u202e.toml") == "two_tower:a b .toml"
    assert len(id_of("x" * 500 + ".toml")) == len("two_tower:") + 40


def test_presets_of_one_file_name_in_two_folders_have_two_ids():
    ids = preset_ids(["ann/mine.toml", "bob/mine.toml", "reference"])
    assert len(set(ids.values())) == 3 and ids["reference"] == "two_tower:reference"
    assert all(name.startswith("two_tower:mine.toml (") for name in list(ids.values())[:2])
    assert preset_ids(["bob/mine.toml", "ann/mine.toml"])["ann/mine.toml"] == ids["ann/mine.toml"]
