"""`loopback recommend` and `loopback similar`: the service without its protocol."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click

from loopback_core.command_line.history_file import read_history
from loopback_core.command_line.shown_text import shown_text
from loopback_core.errors import RequestError
from loopback_core.serving.api.rows import answer_row, artist_rows, track_rows
from loopback_core.serving.loaded import LoadedBundle
from loopback_core.serving.question import Question, TaskName
from loopback_core.serving.service import Service
from loopback_core.serving.similar import similar_artists, similar_tracks
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.served_pointer import served_bundle

WIDEST_CELL = 60  # characters


def opened(home: Path) -> tuple[Service, LoadedBundle]:
    """The service of a home with its bundle loaded.

    Raises:
        LoopbackError: there is none, or it is damaged.
    """
    served_bundle(ArtifactStore(home))  # before anything is written into a folder that is no home
    service = Service(home)
    service.load()
    assert service.loaded is not None
    return service, service.loaded


def ask_recommendations(
    home: Path,
    task: str,
    as_json: bool,
    user: str | None,
    history: Path | None,
    k: int,
    diversity: float | None = None,
) -> None:
    """Print the list for a user, a file of listens, or both."""
    heard = read_history(history) if history else ()
    service, loaded = opened(home)
    (answer,) = service.answer(loaded, [Question(user, heard, cast(TaskName, task), k, diversity=diversity)])
    row = answer_row(answer, loaded.version)
    if as_json:
        click.echo(json.dumps(row, ensure_ascii=False))
        return
    if answer.unknown:
        click.echo(f"{len(answer.unknown):,} listens are to tracks that the catalog does not know.", err=True)
    if answer.fallback:
        click.echo("Nothing is known of who asks: what most people listen to.", err=True)
    _table(
        ["", "artist", "track", "why"],
        [(r["rank"], r["artist_name"], r["track_name"], r["reason"]) for r in row["items"]],
    )


def ask_similar(home: Path, as_json: bool, artist: str, track: str | None, k: int) -> None:
    """Print the neighbours of the artist or track that is found first.

    Raises:
        RequestError: none is found.
    """
    service, loaded = opened(home)
    served = loaded.served
    text = artist if track is None else f"{artist} {track}"
    found = (served.search.artists if track is None else served.search.tracks)(text, 1)
    if not len(found):
        raise RequestError(f"The catalog has no {'artist' if track is None else 'track'} like {text!r}.")
    rows = artist_rows if track is None else track_rows
    near = (similar_artists if track is None else similar_tracks)(
        served, int(found[0]), k, service.block_list.of(loaded)
    )
    (itself,) = rows(served, [int(found[0])])
    items = [
        {**row, "score": round(score, 4)}
        for row, (_, score) in zip(rows(served, [one for one, _ in near]), near, strict=True)
    ]
    if as_json:
        click.echo(json.dumps({"of": itself, "items": items}, ensure_ascii=False))
        return
    names = ["artist_name"] if track is None else ["artist_name", "track_name"]
    click.echo("Like " + ", ".join(itself[name] for name in names))
    _table([*names, "score"], [tuple(item[name] for name in (*names, "score")) for item in items])


def _table(header: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Columns as wide as their longest text; control characters of names are shown, not sent to the terminal."""
    cells = [[shown_text(str(cell), WIDEST_CELL) for cell in row] for row in [tuple(header), *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
