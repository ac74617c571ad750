"""The command ``python -m sim.bench``; everything heavy is imported when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from sim.command import carry_out

PROGRAM = "python -m sim.bench"
NIGHTLY = "nightly"
WIDTH = 132


def _names(context: click.Context, parameter: click.Parameter, given: str | None) -> tuple[str, ...]:
    from sim.bench.points import POINTS

    names = tuple(given.split(",")) if given else tuple(POINTS)
    for name in names:
        if name not in POINTS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(POINTS)}")
    return names


@click.command(epilog=f"{PROGRAM} nightly --help: the same every night, compared with all nights before.")
@click.option("--points", metavar="A,B,…", callback=_names, help="Reference points.  [default: all]")
@click.option("--repeats", metavar="N", type=click.IntRange(min=3), default=3, show_default=True,
              help="Measurements of each; medians are reported.")  # fmt: skip
@click.option("--jobs", metavar="N", type=click.IntRange(min=1), help="Threads.  [default: one a core]")
@click.option("--json", "document", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="Write all numbers.")  # fmt: skip
@click.option("--figures", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
              help="Draw a roofline, and with --scaling how the speed scales.")  # fmt: skip
@click.option(
    "--peers", is_flag=True, help="The same work by scikit-learn, PyTorch, JAX and NumPy, in turns."
)
@click.option("--scaling", is_flag=True, help="More threads, networks, layers, units.")
@click.option("--paths", is_flag=True, help="The code for AVX2 and any x86-64, each against its own peak.")
@click.option("--quick", is_flag=True, help="A look: fewer networks, neither start-up nor memory.")
def command(document: Path | None, figures: Path | None, **wishes: Any) -> int:
    """Measure how fast networks are trained, as a share of what the processor can do at most.

    Every measurement stands between two of the multiply-add peak, in the same run; compiling is outside
    the clock. Anything else the machine does at the same time is measured with it.
    """
    from rich.console import Console

    from sim.bench import report, show

    found = report.document(report.Wishes(**wishes), lambda line: click.echo(line, err=True))
    if document:
        _write_json(found, document)
    if figures:
        from sim.bench.figures import draw

        draw(found, figures)
    # Without a terminal to ask, room for the widest table.
    show.show(found, Console() if sys.stdout.isatty() else Console(width=WIDTH))
    return 0


def _write_json(found: dict[str, Any], path: Path) -> None:
    import json

    from sim.views.saving import write

    write(path, (json.dumps(found, indent=1) + "\n").encode())


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    nightly = words[:1] == [NIGHTLY]
    program = f"{PROGRAM} {NIGHTLY}" if nightly else PROGRAM
    return carry_out(_nightly() if nightly else command, words[1:] if nightly else words, program)


def _nightly() -> click.Command:
    from sim.bench.nightly.command import nightly_command

    return nightly_command


if __name__ == "__main__":
    sys.exit(main())
