"""Peers as contestants: processes that wait, prepared and warm, for their turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import IO, Any

import numpy as np

from sim.bench.measure import Ours, Peak, Reading, Spread, figures, in_turns
from sim.bench.peers.registry import missing, peers
from sim.bench.points import Point
from sim.bench.work import Took
from sim.catalog.registry import Part

OURS = "manynets"
AGREEMENT = 0.01
"""By how much the mean accuracy of the same networks may differ."""


class Failed(RuntimeError):
    """A peer that did not do its work; the message is its last word."""


@dataclass(frozen=True)
class Entry:
    """A peer that takes part, or why it does not."""

    name: str
    title: str
    networks: int
    trouble: str = ""


def entries(point: Point, chosen: tuple[str, ...] = ()) -> list[Entry]:
    """All peers (or the chosen ones) for the point, with reasons for those that cannot take part."""
    listed = []
    for name, part in peers().items():
        if not chosen or name in chosen:
            lacking = missing(part)
            trouble = f"not installed: {', '.join(lacking)}" if lacking else ""
            listed.append(Entry(name, part.title, min(part.networks, point.networks), trouble))
    return listed


class Peer:
    """The processes of one peer; a context manager. Calling it trains all its networks once."""

    def __init__(self, entry: Entry, point: Point, jobs: int) -> None:
        self.entry, self.accuracy, self.peak_bytes = entry, np.empty(0), 0
        self._errors: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115  (closed on leaving)
        part = peers()[entry.name]
        count = min(jobs, entry.networks) if part.traits.get("process_a_core") else 1
        edges = np.linspace(0, entry.networks, count + 1).round().astype(int)
        self._processes = [
            self._start(part, point, begin, end, jobs // count) for begin, end in pairwise(edges)
        ]

    def _start(self, part: Part, point: Point, begin: int, end: int, threads: int) -> subprocess.Popen[str]:
        words = [part.name, json.dumps(asdict(point)), str(begin), str(end), str(threads)]
        return subprocess.Popen(
            [sys.executable, "-m", "sim.bench.peers", *words],
            env={**os.environ, **part.traits.get("environment", {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def _answers(self) -> list[dict[str, Any]]:
        lines = [process.stdout.readline() for process in self._processes if process.stdout]
        if not all(lines):
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines()
            raise Failed(said[-1] if said else "it ended without a word")
        return [json.loads(line) for line in lines]

    def __enter__(self) -> Peer:
        return self

    def prepare(self) -> float:
        """Wait until all are compiled and warm; the seconds the slowest took. Raises Failed."""
        return max(answer["preparing"] for answer in self._answers())

    def __call__(self) -> Took:
        """Wait until the last process has trained its networks. Raises Failed."""
        began = time.perf_counter()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write("train\n")
            process.stdin.flush()
        busy = sum(answer["busy"] for answer in self._answers())
        return Took(time.perf_counter() - began, busy)

    def finish(self) -> None:
        """Ask for the accuracy of the networks last trained, and for the memory taken."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        answers = self._answers()
        self.accuracy = np.concatenate([answer["accuracy"] for answer in answers])
        self.peak_bytes = 1024 * sum(answer["peak_kilobytes"] for answer in answers)

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    stream.close()
        self._errors.close()


def agree(theirs: np.ndarray, ours: np.ndarray) -> bool:
    """Whether the same networks end equally accurate, by their mean."""
    return bool(abs(theirs.mean() - ours[: len(theirs)].mean()) <= AGREEMENT)


def contest(
    point: Point, ours: Ours, peak: Peak, repeats: int, chosen: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """The kernels and all peers that can, in turns; a row each, the kernels' first.

    A peer's networks are the first of the point's; speeds are a network's and step's, so numbers of
    networks may differ.
    """
    with ExitStack() as stack:
        ready: dict[str, Peer] = {}
        rows = []
        for entry in entries(point, chosen):
            try:
                if entry.trouble:
                    raise Failed(entry.trouble)
                member = stack.enter_context(Peer(entry, point, ours.team.jobs))
                rows.append({**_facts(entry), "preparing_seconds": member.prepare()})
                ready[entry.name] = member
            except Failed as trouble:
                rows.append({**_facts(entry), "trouble": str(trouble)})
        readings = in_turns({OURS: ours, **ready}, peak, repeats)
        for member in ready.values():
            member.finish()
    first = {"name": OURS, "title": OURS, "networks": point.networks}
    accuracy = ours.accuracy()
    table = [{**first, **figures(point, point.networks, readings[OURS]), "train_accuracy": accuracy.mean()}]
    outcomes = {name: _outcome(point, member, readings, accuracy) for name, member in ready.items()}
    return table + [{**row, **outcomes.get(row["name"], {})} for row in rows]


def _facts(entry: Entry) -> dict[str, Any]:
    return {"name": entry.name, "title": entry.title, "networks": entry.networks}


def _outcome(
    point: Point, member: Peer, readings: dict[str, list[Reading]], accuracy: np.ndarray
) -> dict[str, Any]:
    """A peer's speeds, how many times faster the kernels were in the same turns, and if it learned alike."""
    mine, networks = readings[member.entry.name], member.entry.networks
    times = [
        theirs.seconds / networks / (own.seconds / point.networks)
        for own, theirs in zip(readings[OURS], mine, strict=True)
    ]
    return {
        **figures(point, networks, mine),
        "times_faster": asdict(Spread.of(times)),
        "train_accuracy": member.accuracy.mean(),
        "train_accuracy_of_ours": accuracy[:networks].mean(),
        "agrees": agree(member.accuracy, accuracy),
        "peak_megabytes": member.peak_bytes / 2**20,
    }
