"""`loopback inspect`: what it prints, and that it ends in a sentence."""

from click.testing import CliRunner

from loopback_core.command_line.main import main


def inspect(path, **environment):
    return CliRunner().invoke(main, ["inspect", str(path)], env={"LOOPBACK_CONFIG": None, **environment})


def test_it_prints_layout_columns_counts_listens_and_settings(tmp_path):
    path = tmp_path / "plays.csv"
    path.write_text("listener,song,band,played_at\nanna,Waterloo,ABBA,1609462137\nben,,ABBA,1609462137\n")
    result = inspect(path)
    assert result.exit_code == 0
    assert (
        result.stdout
        == f"""\
log         {path}
container   plain
layout      text with a header
columns     listener, song, band, played_at
mapping     user_id = listener, timestamp = played_at, artist_name = band, track_name = song
looked at   2 rows: all of it
listens     1 of 1 user
rejected    1 missing title
use         the history of one user: ask with it (loopback recommend --history); training needs at least two

user_id  timestamp            artist_name  track_name
anna     2021-01-01 00:48:57  ABBA         Waterloo

# loopback.toml
[source]
name = "{path}"
columns = {{ user_id = "listener", timestamp = "played_at", artist_name = "band", track_name = "song" }}
time_format = "epoch_seconds"
"""
    )


def test_settings_that_are_given_are_not_proposed_again(tmp_path):
    path, config = tmp_path / "anna.csv", tmp_path / "loopback.toml"
    path.write_text("song,artist_name,timestamp\nWaterloo,ABBA,2021-01-01T00:00:00Z\n")
    config.write_text('[source]\ncolumns = { track_name = "song" }\nuser = "Anna"\n')
    result = inspect(path, LOOPBACK_CONFIG=str(config))
    assert "users       Anna (where the rows do not say)\n" in result.stdout
    assert result.stdout.endswith(f'[source]\nname = "{path}"\n')


def test_an_error_is_one_sentence(tmp_path):
    result = inspect(tmp_path / "nothing")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is no file or folder ")


def test_an_address_is_refused_as_one():
    result = inspect("sqlite:///plays.db")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "Error: sqlite:///plays.db is no file or folder of files, which is all that is inspected: "
    )


def test_the_other_order_of_day_and_month_stands_beside_the_proposed_one(tmp_path):
    path = tmp_path / "plays.csv"
    path.write_text("user_id,timestamp,artist_name,track_name\nanna,05/03/2021,ABBA,Waterloo\n")
    assert inspect(path).stdout.endswith('\ntime_format = "%m/%d/%Y"  # or "%d/%m/%Y" where the day comes first\n')
