from loopback_core.reporting.safe_text import of_preset


def test_a_preset_of_somebodys_own_is_called_by_its_file_and_not_by_its_folder():
    assert of_preset("reference") == "two_tower:reference"
    assert of_preset("/home/ann/secret/mine.toml") == "two_tower:mine.toml"
    assert of_preset("a\nb\u202e.toml") == "two_tower:a b .toml"
    assert len(of_preset("x" * 500 + ".toml")) == len("two_tower:") + 40
