"""Whether a command of a container would be understood: parsed by the program's own options, not run."""

import os
from collections.abc import Mapping
from pathlib import Path

import click

Files = Mapping[str, Path]


def parse(command: list[str], files: Files | None = None) -> click.Context:
    """The innermost command with its parameters. files: path in the container -> the file that is mounted there.

    Raises:
        click.UsageError: an option or an argument is wrong, or names a file that is not mounted.
    """
    program: click.Command = _programs()[command[0]]
    arguments = [os.fspath((files or {}).get(argument, argument)) for argument in command[1:]]
    context = click.Context(program, info_name=command[0])
    while isinstance(program, click.Group):
        name, found, arguments = program.resolve_command(context, list(arguments))
        assert found is not None
        program, context = found, click.Context(found, info_name=name, parent=context)
    return program.make_context(context.info_name, list(arguments), parent=context.parent)


def _programs() -> dict[str, click.Command]:
    from dagster._cli import cli as dagster
    from dagster._daemon.cli import create_dagster_daemon_cli
    from dagster_webserver.cli import dagster_webserver

    from loopback_core.command_line.main import main as loopback

    return {
        "dagster": dagster,
        "dagster-daemon": create_dagster_daemon_cli(),
        "dagster-webserver": dagster_webserver,
        "loopback": loopback,
    }
