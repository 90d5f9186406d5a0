"""`loopback`: serve a bundle, ask it from a terminal, or look at a log."""

import errno
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from loopback_core.command_line.reason import ReasonText
from loopback_core.command_line.share import ShareType
from loopback_core.errors import LoopbackError


def _sentences(command: Callable[..., None]) -> Callable[..., None]:
    """Errors that are written for the user end a command with their sentence; so do those of files that it writes."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except LoopbackError as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever reads the output has seen enough
                raise
            raise click.ClickException(f"{error}: give a path that can be written to, on a disk with room.") from None

    return run


HOME = click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="LOOPBACK_HOME",
    default=Path(".loopback"),
    show_default=True,
    show_envvar=True,
    help="Folder of the artifacts.",
)
TASK = click.option(
    "--task",
    type=click.Choice(["discovery", "next_listen"]),
    default="discovery",
    show_default=True,
    help="What to recommend.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")


@click.group()
def main() -> None:
    """Serve a trained bundle, ask it from a terminal, or look at a log."""


@main.command()
@HOME
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes; they share the mapped files.",
)
@click.option(
    "--api-keys",
    envvar="LOOPBACK_API_KEYS",
    default="",
    show_envvar=True,
    help="Accepted keys, separated by commas. On the command line other users of the machine can see them: use the variable.",
)
@click.option("--verify", is_flag=True, help="Digest every file of the bundle before it is served.")
@click.option(
    "--log-answers",
    is_flag=True,
    envvar="LOOPBACK_LOG_ANSWERS",
    show_envvar=True,
    help="Keep which tracks were shown to which user (a number, no name), to measure what was heard of them.",
)
@_sentences
def serve(home: Path, host: str, port: int, workers: int, api_keys: str, verify: bool, log_answers: bool) -> None:
    """Serve the bundle over HTTP, with a page at /."""
    from loopback_core.command_line.running import run_service

    run_service(home, host, port, workers, api_keys, verify, log_answers)


@main.command()
@HOME
@TASK
@AS_JSON
@click.option("--user", help="A user of the log.")
@click.option(
    "--history",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file of listens: .csv with a header (artist, track, time), .json as in the API, .tsv in the Last.fm layout, or an "
    "export of a service.",
)
@click.option(
    "-k", "--tracks", default=10, show_default=True, type=click.IntRange(1, 1000), help="Tracks to recommend."
)
@click.option(
    "--diversity",
    type=ShareType(),
    help="How different the tracks are: 0 by the rules alone; not given: as the bundle says.",
)
@_sentences
def recommend(
    home: Path,
    task: str,
    as_json: bool,
    user: str | None,
    history: Path | None,
    tracks: int,
    diversity: float | None,
) -> None:
    """Recommend for a user of the log, a history, or both."""
    from loopback_core.command_line.asking import ask_recommendations

    ask_recommendations(home, task, as_json, user, history, tracks, diversity)


@main.command()
@HOME
@AS_JSON
@click.argument("artist")
@click.argument("track", required=False)
@click.option("-k", "--items", default=10, show_default=True, type=click.IntRange(1, 1000), help="Neighbours to show.")
@_sentences
def similar(home: Path, as_json: bool, artist: str, track: str | None, items: int) -> None:
    """Artists like ARTIST, or tracks like TRACK by ARTIST; found as people type them."""
    from loopback_core.command_line.asking import ask_similar

    ask_similar(home, as_json, artist, track, items)


@main.command()
@HOME
@TASK
@click.option(
    "-k", "--tracks", default=100, show_default=True, type=click.IntRange(1, 1000), help="Tracks of each user."
)
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@_sentences
def export(home: Path, task: str, tracks: int, out: Path) -> None:
    """Write the recommendations of every user to OUT: .parquet, .csv or .jsonl."""
    from loopback_core.command_line.exporting import export_recommendations

    click.echo(f"{out}: {export_recommendations(home, task, tracks, out):,} rows")


@main.command()
@HOME
@AS_JSON
@_sentences
def bundles(home: Path, as_json: bool) -> None:
    """List the bundles: which one is served, since when and why."""
    from loopback_core.command_line.bundle_list import list_bundles

    list_bundles(home, as_json)


@main.command()
@HOME
@click.argument("version")
@click.option("--reason", type=ReasonText(), required=True, help="Why; it is kept in the history of what was served.")
@_sentences
def promote(home: Path, version: str, reason: str) -> None:
    """Serve the bundle VERSION from now on, whatever the gate said of it; a running service follows by itself."""
    from loopback_core.command_line.choosing_bundle import promote_bundle

    promote_bundle(home, version, reason)


@main.command()
@HOME
@click.argument("version", required=False)
@click.option(
    "--reason", type=ReasonText(), default="Taken back.", show_default=True, help="Why; it is kept in the history."
)
@_sentences
def rollback(home: Path, version: str | None, reason: str) -> None:
    """Serve the bundle that was served before, or VERSION; a running service follows by itself."""
    from loopback_core.command_line.choosing_bundle import roll_back

    roll_back(home, version, reason)


@main.command()
@HOME
@click.argument("version", required=False)
@click.option(
    "--share",
    type=ShareType(is_open=True),
    help="Share of the users who get it; not given: served.challenger_share.",
)
@click.option("--end", is_flag=True, help="Let everybody get the bundle in service again.")
@_sentences
def challenge(home: Path, version: str | None, share: float | None, end: bool) -> None:
    """Let some users get the bundle VERSION beside the one in service; a running service follows by itself."""
    from loopback_core.command_line.challenging import end_test, start_test

    if end == (version is not None):
        raise click.UsageError("Give a VERSION, or --end.")
    if version is None:
        end_test(home)
    else:
        start_test(home, version, share)


@main.command("block")
@HOME
@click.argument("artist")
@click.argument("track", required=False)
@click.option("--reason", type=ReasonText(), required=True, help="Why; it is kept beside the names.")
@_sentences
def block(home: Path, artist: str, track: str | None, reason: str) -> None:
    """Never recommend TRACK by ARTIST, or anything by ARTIST, whatever bundle is served."""
    from loopback_core.command_line.blocking import block_names

    block_names(home, artist, track, reason)


@main.command("unblock")
@HOME
@click.argument("artist")
@click.argument("track", required=False)
@_sentences
def unblock(home: Path, artist: str, track: str | None) -> None:
    """Let it be recommended again."""
    from loopback_core.command_line.blocking import unblock_names

    unblock_names(home, artist, track)


@main.command("blocked")
@HOME
@AS_JSON
@_sentences
def show_blocked(home: Path, as_json: bool) -> None:
    """List what is never recommended, since when and why."""
    from loopback_core.command_line.blocking import list_blocked

    list_blocked(home, as_json)


@main.command("clean")
@HOME
@click.option(
    "--keep",
    type=click.IntRange(0, 10_000),
    help="Newest bundles that stay besides the one in service and the one before it; not given: promotion.keep_bundles.",
)
@click.option("--delete", is_flag=True, help="Delete what is listed.")
@_sentences
def clean_up(home: Path, keep: int | None, delete: bool) -> None:
    """List the artifacts that nothing needs any more, and what their deletion frees."""
    from loopback_core.command_line.cleaning_home import clean_home

    clean_home(home, keep, delete)


@main.command()
@click.argument("path")
@_sentences
def inspect(path: str) -> None:
    """Show what a log seems to be: its layout, columns and first listens, what would be rejected, the settings for it."""
    from loopback_core.command_line.inspecting import show_log

    show_log(path)


if __name__ == "__main__":
    main()
