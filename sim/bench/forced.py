"""The points on the code for lesser processors: ``python -m sim.bench.forced REPEATS POINT …``.

Numba generates code for the processor that ``NUMBA_CPU_NAME`` and ``NUMBA_CPU_FEATURES`` name, and lanes and
tiles follow its features. They are read once, so each path is measured in a process of its own,
and its share is that of its own peak: the same multiply-add loop under the same settings.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

PATHS = {
    "avx2": {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+sse2,+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+bmi,+bmi2,+f16c",
    },
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}
"""What is forced: eight float32 lanes in 16 registers; four without a fused multiply-add."""


def environment(path: str) -> dict[str, str]:
    """The settings of a process on that path."""
    return {**os.environ, **PATHS[path]}


def runs_here(path: str) -> bool:
    """Whether this processor can carry out the code of a path."""
    from llvmlite import binding

    here = binding.get_host_cpu_features()
    forced = PATHS[path]["NUMBA_CPU_FEATURES"]
    return all(here.get(word[1:], False) for word in forced.split(",") if word)


def measured(path: str, points: Sequence[str], repeats: int, jobs: int | None = None) -> dict[str, Any]:
    """Peaks and points on that path; ``trouble`` where the processor lacks what it needs or it failed."""
    if not runs_here(path):
        return {"trouble": "this processor lacks its instructions"}
    command = [sys.executable, "-m", "sim.bench.forced", str(repeats), str(jobs or 0), *points]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(path))
    if done.returncode:
        return {"trouble": (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]}
    return json.loads(done.stdout)


def paths(points: Sequence[str], repeats: int, jobs: int | None = None) -> dict[str, Any]:
    """All paths, one after another."""
    return {path: measured(path, points, repeats, jobs) for path in PATHS}


def main(repeats: str, jobs: str, *names: str) -> None:
    """Measure in this process, whatever is forced on it; report as JSON."""
    from dataclasses import asdict

    from numba import types

    from sim.bench import peak
    from sim.bench.measure import Ours, Spread, figures, in_turns, team_peak
    from sim.bench.points import POINTS
    from sim.bench.split import sample
    from sim.bench.work import Team, work
    from sim.kernels.simd import HAS_FMA, lanes

    report: dict[str, Any] = {"register_bytes": 4 * lanes(types.float32), "fma": bool(HAS_FMA), "points": {}}
    with Team(int(jobs) or None) as team:
        looks = {
            precision: team_peak(team, precision)
            for precision in sorted({POINTS[name].precision for name in names})
        }
        report["peak_gflops"] = {
            precision: asdict(Spread.of([look().wall / 1e9 for _ in range(9)]))
            for precision, look in looks.items()
        }
        report["one_core_gflops"] = {precision: peak.one_core(precision).flops / 1e9 for precision in looks}
        for name in names:
            point = sample(team, POINTS[name])
            ours = Ours(team, work(point))
            readings = in_turns({name: ours}, looks[point.precision], int(repeats))[name]
            accuracy = float(ours.accuracy().mean())
            report["points"][name] = {**figures(point, point.networks, readings), "train_accuracy": accuracy}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
