"""One process of one peer: prepares, says so, trains on demand.

``python -m sim.bench.peers NAME POINT BEGIN END THREADS``, the point as JSON. A line to its input asks for
one training; each answer is a line of JSON. At the end of its input it says how accurate the networks are.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any

from sim.bench.material import accuracy
from sim.bench.peers.registry import Task, peers
from sim.bench.points import Point


def main(name: str, point: str, begin: str, end: str, threads: str) -> None:
    """Serve until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is not an answer

    def answer(**facts: Any) -> None:
        answers.write(json.dumps(facts) + "\n")
        answers.flush()

    began = time.perf_counter()
    train = peers()[name].function(Task(Point(**json.loads(point)), int(begin), int(end), int(threads)))
    answer(preparing=time.perf_counter() - began)
    trained = None
    for _ in sys.stdin:
        before = time.process_time()
        trained = train()
        answer(busy=time.process_time() - before)
    if trained is not None:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer(accuracy=accuracy(*trained).tolist(), peak_kilobytes=memory)


if __name__ == "__main__":
    main(*sys.argv[1:])
