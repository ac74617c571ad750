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
    """Counts networks as their batches finish; a context manager. ``quiet`` shows nothing at all."""

    def __init__(self, networks: int, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.networks, self.quiet, self.stream = networks, quiet, stream or sys.stderr
        self.finished = 0
        self._started = self._spoken = time.monotonic()
        self._bar: Bar | None = None

    def __enter__(self) -> Progress:
        self._started = self._spoken = time.monotonic()
        if not self.quiet and self.stream.isatty():
            self._bar = _bar(self.stream)
            self._bar.start()
            self._bar.add_task("training", total=self.networks, rate="")
        return self

    def advance(self, networks: int) -> None:
        """So many more networks are done."""
        self.finished += networks
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self.finished, rate=self._rate_text())
        elif not self.quiet and time.monotonic() - self._spoken >= EVERY:
            self._say()

    @property
    def rate(self) -> float:
        """Networks per second since the start."""
        return self.finished / max(time.monotonic() - self._started, 1e-9)

    def _rate_text(self) -> str:
        return f"{self.rate:,.0f} networks/s" if self.rate >= 10 else f"{self.rate:.1f} networks/s"

    def _say(self) -> None:
        left = duration((self.networks - self.finished) / self.rate) if self.finished else "unknown"
        print(
            f"{self.finished:,} of {self.networks:,} networks, {self._rate_text()}, {left} left",
            file=self.stream,
            flush=True,
        )
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
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TimeElapsedColumn(),
        rich.TextColumn("left"),
        rich.TimeRemainingColumn(),
        console=Console(file=stream),
    )
