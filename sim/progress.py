"""How far a study is: a live bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

EVERY = 5.0
"""Seconds between two plain lines."""


def duration(seconds: float) -> str:
    """Seconds as a person would say them: ``0.4 s``, ``42 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


class Progress:
    """Counts networks, or what ``noun`` says, as their batches finish; a context manager.
    ``quiet`` shows nothing at all.

    ``work`` is what all of them cost, in any unit: time left follows the work done, for a deep network takes
    many times as long as a shallow one.
    """

    def __init__(
        self,
        networks: int,
        work: float,
        quiet: bool = False,
        stream: TextIO | None = None,
        noun: str = "networks",
    ) -> None:
        self.noun = noun
        self.networks, self.work, self.quiet, self.stream = networks, work, quiet, stream or sys.stderr
        self.finished, self.worked = 0, 0.0
        self._started = self._spoken = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> Progress:
        self._started = self._spoken = time.monotonic()
        if not self.quiet and self.stream.isatty():
            self._bar = _bar(self.stream)
            self._bar.start()
            self._bar.add_task(self.noun, total=self.work, said="")
        return self

    def advance(self, networks: int, work: float) -> None:
        """So many more networks are done, and the work they were."""
        self.finished += networks
        self.worked += work
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self.worked, said=self._count())
        elif not self.quiet and time.monotonic() - self._spoken >= EVERY:
            self._say()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return max(time.monotonic() - self._started, 1e-9)

    def _count(self) -> str:
        rate = self.finished / self.seconds
        return (
            f"{self.finished:,} of {self.networks:,} {self.noun}, "
            f"{rate:,.{0 if rate >= 10 else 1}f} {self.noun}/s"
        )

    def _say(self) -> None:
        left = self.seconds * (self.work - self.worked) / max(self.worked, 1e-9)
        print(f"{self._count()}, {duration(left)} left", file=self.stream, flush=True)
        self._spoken = time.monotonic()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif not self.quiet and self.finished and kind is None:
            self._say()


def _bar(stream: TextIO) -> Bar:
    from rich import progress as rich
    from rich.console import Console

    return rich.Progress(
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.TextColumn("{task.fields[said]}"),
        rich.TimeElapsedColumn(),
        rich.TextColumn("left"),
        rich.TimeRemainingColumn(),
        console=Console(file=stream),
    )
