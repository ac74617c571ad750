"""A process that compiles, trains and says what it cost: ``python -m sim.bench.child NETWORKS POINT …``."""

from __future__ import annotations

import json
import resource
import sys


def main(networks: str, *names: str) -> None:
    """Compile the kernels of the points, then train so many networks of each; report as JSON."""
    from sim.bench.points import POINTS
    from sim.bench.scaling import Stream
    from sim.bench.work import Team, architecture
    from sim.kernels import jit

    compile_seconds = {}
    for name in names:
        before = jit.compile_seconds()
        architecture(POINTS[name]).kernels  # noqa: B018  (compiled on first access)
        compile_seconds[name] = jit.compile_seconds() - before
    if int(networks):
        with Team() as team:
            for name in names:
                Stream(team, POINTS[name], int(networks))()
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    unit = 2**20 if sys.platform == "darwin" else 2**10  # bytes there
    report = {"compile_seconds": compile_seconds, "peak_megabytes": kilobytes / unit}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
