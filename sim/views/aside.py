"""The report is drawn aside: by a process that imports what drawing needs while this one trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sim.views import processes

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

Build = Callable[[Path], None]


@contextmanager
def reporter(jobs: int) -> Iterator[Build]:
    """What draws the report of a folder, as :func:`sim.views.report.build` does, on ``jobs`` processes.

    Importing what it needs takes a second of one core. With two it is over before it is noticed.
    """
    if jobs < 2 or not processes.forks():
        yield _here
        return
    helper = processes.begin(_serve, jobs)
    try:
        yield lambda directory: _there(helper, directory)
    finally:
        helper.end()


def _here(directory: Path) -> None:
    from sim.views import report  # drawing is imported by those who draw

    report.build(directory)


def _there(helper: processes.Helper, directory: Path) -> None:
    helper.connection.send(directory)
    helper.receive()


def _serve(connection: Connection, jobs: int) -> None:
    """Get ready, then draw what is asked for, until nothing more can be asked for."""
    from sim.views import report

    report.ready()
    while True:
        try:
            directory = connection.recv()
        except EOFError:
            return
        report.build(directory, jobs)
        connection.send(None)
