"""Takeout's watch history: YouTube Music is read, all else is counted."""

import json

import pytest

NAME = "YouTube Music watch history"


def entry(**changes: object) -> dict[str, object]:
    return {
        "header": "YouTube Music",
        "title": "Watched Solar",
        "titleUrl": "https://www.youtube.com/watch?v=1",
        "subtitles": [{"name": "Sault - Topic", "url": "https://www.youtube.com/channel/1"}],
        "time": "2022-04-25T18:09:04.784Z",
        "products": ["YouTube"],
        "activityControls": ["YouTube watch history"],
    } | changes


def test_only_what_was_played_in_youtube_music_is_a_listen(read_stream, fields):
    removed = entry(title="Watched a video that has been removed")
    del removed["subtitles"], removed["titleUrl"]
    records = [entry(), entry(header="YouTube", title="Watched a cat"), removed, entry(subtitles=[{"name": "Sault"}])]
    rows = read_stream(NAME, json.dumps(records, indent=2).encode())
    listen = (None, "2022-04-25T18:09:04.784Z", None, "Sault", None, "Solar", None)
    nothing = (None, None, None, None, None, None)
    assert fields(rows) == [listen, (*nothing, "not music"), (*nothing, "not a listen"), listen]


@pytest.mark.parametrize(
    ("title", "track"),
    [
        ("Watched Watched", "Watched"),
        ("Has visto Solar", "Solar"),
        ("Vous avez regardé Solar", "Solar"),
        ("Solar angesehen", "Solar"),
        ("Obejrzano Solar", None),
    ],
)
def test_the_verb_of_the_title_is_known_in_some_languages(read_stream, title, track):
    assert read_stream(NAME, json.dumps([entry(title=title)]).encode())["track_name"].to_list() == [track]
