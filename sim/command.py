"""How a command of the package ends: its answers to a user's mistakes, the same for all commands."""

from __future__ import annotations

from collections.abc import Sequence

import click

from sim.errors import StudyError


def carry_out(command: click.Command, words: Sequence[str], program: str) -> int:
    """Run a command with these words; the exit code: 2 with one line for bad input, 130 for an abort."""
    try:
        code: int = command.main(list(words), prog_name=program, standalone_mode=False)
        return code
    except click.Abort:
        return 130
    except click.ClickException as error:
        click.echo(f"error: {error.format_message()} (see {program} --help)", err=True)
        return 2
    except StudyError as error:
        click.echo(f"error: {error}", err=True)
        return 2
