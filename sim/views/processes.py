"""Work of several processes that share what was read before they began.

Processes are forked, for only so nothing has to be read, imported or registered twice. Where forking is not
safe, off Linux or beside other threads of Python, everything is done in this process, with the same results.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

Task = Callable[[], Any]
Place = tuple[int, int]
"""Of a task: its group, and where it stands in that."""

NUMBER = 4
"""Bytes of a task's number in the pipe that hands out the tasks of a group."""
RARELY = (50_000, 20, 20)
"""Objects made before garbage is looked for: a figure is some ten thousand, each import some hundred."""
DIES_WITH_PARENT = 1
"""PR_SET_PDEATHSIG: the signal that a process gets when its parent is gone."""


def forks() -> bool:
    """Whether a process can be forked here: no other thread may hold a lock that nobody would open there."""
    return sys.platform == "linux" and threading.active_count() == 1


def results(groups: Sequence[Sequence[Task]], jobs: int) -> Iterator[tuple[Place, Any]]:
    """Carry out every task and yield where it stands and what it gave, as they finish.

    Each of at most ``jobs`` processes begins with a group of its own, since tasks of a group may share what
    they compute, and helps with the next when that is done. A task's exception is raised here.
    """
    jobs = min(jobs, sum(len(group) for group in groups))
    if jobs < 2 or not forks():
        for number, group in enumerate(groups):
            yield from (((number, place), task()) for place, task in enumerate(group))
        return
    queues = [_queue(len(group)) for group in groups]
    starts = [job * len(groups) // jobs for job in range(jobs)]
    helpers = [begin(_serve, groups, queues, start) for start in starts]
    try:
        yield from _gathered(helpers)
    finally:
        for helper in helpers:
            helper.end()
        for queue in queues:
            os.close(queue)


class Helper:
    """A process that was begun, and what it sends."""

    def __init__(self, process: ForkProcess, connection: Connection) -> None:
        self.process, self.connection = process, connection

    def receive(self) -> Any:
        """The next thing it sends; raises what was raised there, RuntimeError where it ended otherwise."""
        try:
            sent = self.connection.recv()
        except EOFError:
            self.process.join()
            code = self.process.exitcode
            raise RuntimeError(f"a process of the report ended with exit code {code}") from None
        if isinstance(sent, BaseException):
            raise sent
        return sent

    def end(self) -> None:
        """Make it end, whatever it does."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def begin(work: Callable[..., None], *given: Any) -> Helper:
    """Do ``work(connection, *given)`` in a new process, which ends with this one, whatever ends it."""
    import multiprocessing

    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(target=_begun, args=(os.getpid(), ours, theirs, work, *given))
    process.start()
    theirs.close()
    return Helper(process, ours)


def _begun(parent: int, theirs: Connection, ours: Connection, work: Callable[..., None], *given: Any) -> None:
    """What a new process does: an interruption is for its parent to answer, an exception goes there."""
    theirs.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        return
    gc.freeze()  # nothing that was there before becomes garbage: it need not be looked at
    gc.set_threshold(*RARELY)
    try:
        work(ours, *given)
    except BaseException as error:  # raised again by who waits for the results
        error.add_note(f"in a process of the report:\n{traceback.format_exc()}")
        ours.send(error)


def _queue(count: int) -> int:
    """A pipe that holds the numbers 0 … count − 1: whoever reads one has that task to do."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as file:
        file.write(b"".join(number.to_bytes(NUMBER, "little") for number in range(count)))
    return reading


def _serve(
    connection: Connection, groups: Sequence[Sequence[Task]], queues: Sequence[int], first: int
) -> None:
    """Carry out what is left of each group, beginning with the group ``first``."""
    for turn in range(len(groups)):
        group = (first + turn) % len(groups)
        while number := os.read(queues[group], NUMBER):
            place = int.from_bytes(number, "little")
            connection.send(((group, place), groups[group][place]()))
    connection.send(None)


def _gathered(helpers: Sequence[Helper]) -> Iterator[tuple[Place, Any]]:
    """What helpers send until each has sent None."""
    from multiprocessing.connection import wait

    working = {helper.connection: helper for helper in helpers}
    while working:
        for connection in wait(list(working)):
            sent = working[connection].receive()  # type: ignore[index]
            if sent is None:
                del working[connection]  # type: ignore[arg-type]
            else:
                yield sent
