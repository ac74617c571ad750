"""What the processor could do at most: multiply-adds on registers alone.

Independent chains c ← c · a + b, a vector each, as many at once as hide the latency of
the instruction: 12 where there are 16 vector registers, and 24, which only 32 hold; the
faster of the two counts. Nothing is loaded, nothing stored, and the sum of all chains is
returned, so the compiler can leave nothing out. The loop runs in small pieces on a
team of threads, just as training does, so that a core taken away by others costs
both alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba import types

from sim.bench.work import Team
from sim.kernels import jit
from sim.kernels.simd import fma, horizontal_sum, lanes, splat

CHAINS = (12, 24)
PIECE_SECONDS = 0.002
PIECES = 16
"""Pieces a thread: a measurement takes about 30 ms."""

REAL: Any = types.float64
advance: Any = None
start: Any = None
total: Any = None


def _start_12(x):  # type: ignore[no-untyped-def]
    """Twelve chains at twelve values: equal ones the compiler could compute once."""
    y = x + x
    z = y + y
    u = z + z
    return (
        x, y, z, u, x + y, x + z, x + u, y + z, y + u, z + u, x + (y + z), x + (y + u),
    )  # fmt: skip


def _advance_12(c, a, b):  # type: ignore[no-untyped-def]
    return (
        fma(c[0], a, b), fma(c[1], a, b), fma(c[2], a, b), fma(c[3], a, b),
        fma(c[4], a, b), fma(c[5], a, b), fma(c[6], a, b), fma(c[7], a, b),
        fma(c[8], a, b), fma(c[9], a, b), fma(c[10], a, b), fma(c[11], a, b),
    )  # fmt: skip


def _total_12(c):  # type: ignore[no-untyped-def]
    return (c[0] + c[1] + c[2] + c[3]) + (c[4] + c[5] + c[6] + c[7]) + (c[8] + c[9] + c[10] + c[11])


def _start_24(x):  # type: ignore[no-untyped-def]
    return (start_12(x), start_12(x * x))


def _advance_24(c, a, b):  # type: ignore[no-untyped-def]
    return (advance_12(c[0], a, b), advance_12(c[1], a, b))


def _total_24(c):  # type: ignore[no-untyped-def]
    return total_12(c[0]) + total_12(c[1])


start_12, advance_12, total_12 = (jit.inlined(function) for function in (_start_12, _advance_12, _total_12))


def _chains(rounds, x, share):  # type: ignore[no-untyped-def]
    """The sum of all chains after so many rounds; share · c + x settles at x / (1 − share): no overflow."""
    a, b = splat(share), splat(x)
    c = start(b)
    for _ in range(rounds):
        c = advance(c, a, b)
    return horizontal_sum(total(c))


@cache
def chains_kernel(real: types.Type, chains: int) -> Any:
    """The compiled loop."""
    if chains == 12:
        known = {"start": start_12, "advance": advance_12, "total": total_12}
    else:
        known = {
            "start": jit.inlined(_start_24),
            "advance": jit.inlined(_advance_24),
            "total": jit.inlined(_total_24),
        }
    template = jit.specialised(_chains, f"chains_{chains}_{real}", **known)
    return jit.kernel(template, real(types.int64, real, real))


def _ticks(rounds, x):  # type: ignore[no-untyped-def]
    """Marsaglia's xorshift: each round is six instructions of one cycle that wait for one another."""
    for _ in range(rounds):
        x ^= x << types.uint64(13)
        x ^= x >> types.uint64(7)
        x ^= x << types.uint64(17)
    return x


TICKS_A_ROUND = 6


@cache
def _ticks_kernel() -> Any:
    return jit.kernel(jit.specialised(_ticks, "ticks"), types.uint64(types.int64, types.uint64))


def clock() -> float:
    """Cycles a second of the core this runs on, now: the best of several short looks."""
    ticks, rounds = _ticks_kernel(), 1_000_000
    return rounds * TICKS_A_ROUND / quickest(lambda: ticks(rounds, np.uint64(88172645463325252)))


@dataclass(frozen=True)
class Speed:
    """Operations a second: of the clock on the wall, and of each second that a core was busy."""

    wall: float
    busy: float


@dataclass(frozen=True)
class Loop:
    """The peak loop of a precision, its pieces measured out for this machine."""

    precision: str
    chains: int
    rounds: int
    """Of one piece."""

    @property
    def flops(self) -> int:
        """Operations of one piece: two a lane of each chain's multiply-add."""
        return 2 * lanes(jit.REAL[self.precision]) * self.chains * self.rounds

    def __call__(self) -> None:
        """One piece."""
        number = np.dtype(self.precision).type
        chains_kernel(jit.REAL[self.precision], self.chains)(self.rounds, number(0.5), number(0.5))

    def peak(self, team: Team, pieces: int = PIECES) -> Speed:
        """The speed of the whole team, now."""
        pieces *= team.jobs
        took = team.carry_out([self] * pieces)
        return Speed(self.flops * pieces / took.seconds, self.flops * pieces / took.busy)


def quickest(work: Callable[[], Any], looks: int = 5) -> float:
    """Seconds of this thread's core that the work takes: the fewest of several looks."""
    taken = []
    for _ in range(looks):
        began = time.thread_time()
        work()
        taken.append(time.thread_time() - began)
    return min(taken)


@cache
def loop_for(precision: str) -> Loop:
    """The faster number of chains, in pieces of about two milliseconds; compiled and warm."""
    tried = [Loop(precision, chains, 100_000) for chains in CHAINS]
    speeds = [loop.flops / quickest(loop) for loop in tried]
    best = int(np.argmax(speeds))
    loop = tried[best]
    rounds = max(int(loop.rounds * PIECE_SECONDS * speeds[best] / loop.flops), 1)
    return Loop(precision, loop.chains, rounds)


@dataclass(frozen=True)
class OneCore:
    """The peak of one core and what it means in instructions."""

    flops: float
    clock: float
    instructions: float
    """Vector multiply-adds a cycle: as many as the core has units of that width, 1 or 2 as a rule."""
    chains: int


def one_core(precision: str) -> OneCore:
    """The peak of one core, undisturbed as far as several looks can find."""
    loop = loop_for(precision)
    flops, cycles = loop.flops / quickest(loop, 15), clock()
    return OneCore(flops, cycles, flops / cycles / (2 * lanes(jit.REAL[precision])), loop.chains)
