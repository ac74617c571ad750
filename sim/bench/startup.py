"""What is paid before training begins, and how much memory it takes: each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sim.bench.measure import Spread

STARTS = {
    "python": ["-c", "pass"],
    "import sim": ["-c", "import sim"],
    "python -m sim.run --help": ["-m", "sim.run", "--help"],
    "python -m sim.bench --help": ["-m", "sim.bench", "--help"],
}


def _seconds(words: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    return time.perf_counter() - began


def starts(repeats: int) -> dict[str, Any]:
    """Wall seconds of each start, the interpreter's own among them; files are in memory after the first."""
    for words in STARTS.values():
        _seconds(words)
    return {
        name: asdict(Spread.of([_seconds(words) for _ in range(repeats)])) for name, words in STARTS.items()
    }


def child(names: Sequence[str], networks: int, cache: str | None = None) -> dict[str, Any]:
    """What `child.py` reports of compiling and training the points; ``cache`` is its kernels' folder."""
    environment = {**os.environ, **({"MANYNETS_CACHE": cache} if cache else {})}
    command = [sys.executable, "-m", "sim.bench.child", str(networks), *names]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(done.stdout)


def compiling(names: Sequence[str]) -> dict[str, Any]:
    """Seconds to compile the kernels of each point, in this order, cold and then from the cache.

    What an earlier point compiled a later one has: the sum is the cost of all.
    """
    with tempfile.TemporaryDirectory() as folder:
        cold = child(names, 0, folder)["compile_seconds"]
        warm = child(names, 0, folder)["compile_seconds"]
    return {"cold_seconds": cold, "warm_seconds": warm}


def memory(name: str, few: int, many: int) -> dict[str, Any]:
    """Largest memory of a process that trains few networks of a point, and of one that trains many."""
    child([name], 0)  # compiles where that is not done yet, which takes more memory than training
    return {
        "point": name,
        "networks": [few, many],
        "peak_megabytes": [child([name], count)["peak_megabytes"] for count in (few, many)],
    }
