"""Many batches at once, on the threads of this process: kernels run without Python's lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any

from threadpoolctl import threadpool_limits

from sim.descents import DescentPlan
from sim.execute.train import train_batch
from sim.plan import Batch, Plan

AHEAD = 2
"""Batches handed out a thread: one in work, one waiting, so none idles and an interruption loses little."""

Done = Callable[[Batch, Any], None]
Failed = Callable[[Batch, BaseException], None]


def execute(
    plan: Plan | DescentPlan,
    batches: Sequence[Batch],
    jobs: int,
    on_done: Done,
    on_failure: Failed,
    work: Callable[[Batch, int], Any] = train_batch,
) -> None:
    """Train ``batches`` of the plan, or do other ``work`` with each and the seed, on ``jobs`` threads.

    ``on_done`` and ``on_failure`` are called in the calling thread, in order of completion.
    KeyboardInterrupt, or an exception of ``on_done``, gives up the batches in work.
    """
    waiting = list(reversed(batches))
    working: dict[Future[Any], Batch] = {}
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="train")
    # A BLAS that divides a sum among its threads may round it otherwise: one thread, equal bytes.
    with threadpool_limits(1):
        try:
            while waiting or working:
                while waiting and len(working) < AHEAD * jobs:
                    batch = waiting.pop()
                    working[pool.submit(work, batch, plan.study.seed)] = batch
                finished, _ = wait(working, return_when=FIRST_COMPLETED)
                for future in finished:
                    batch = working.pop(future)
                    error = future.exception()
                    if error is None:
                        on_done(batch, future.result())
                    else:
                        on_failure(batch, error)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
