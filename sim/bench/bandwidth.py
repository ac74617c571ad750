"""How fast the caches and the memory deliver: a ← b · s + c over vectors of a size that fits one of them.

Three words an element are counted, two read and one written; that a processor may read
a line before it writes it is not.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numba import types

from sim.bench.work import Team
from sim.kernels import jit
from sim.kernels.layout import aligned_zeros
from sim.kernels.simd import fma, lanes_of, load, splat, store

L2_DEFAULT = 512 * 1024
MEMORY_BYTES = 128 * 2**20
"""Of a thread's three vectors together: more than the share of any last cache."""
MOVED_BYTES = 2 * MEMORY_BYTES
"""How much a thread moves a measurement."""


def _triad(a, b, c, share, rounds):  # type: ignore[no-untyped-def]
    factor = splat(share)
    for _ in range(rounds):
        for i in range(0, a.size, lanes_of(a)):
            store(a, i, fma(load(b, i), factor, load(c, i)))


@cache
def _triad_kernel() -> Any:
    vector = jit.vector_of(types.float32)
    signature = types.void(vector, vector, vector, types.float32, types.int64)
    return jit.kernel(jit.specialised(_triad, "triad_float32"), signature)


def l2_bytes() -> int:
    """Size of a core's second-level cache, where the system tells."""
    known = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
    found = re.fullmatch(r"(\d+)([KM])", known.read_text().strip()) if known.exists() else None
    return int(found[1]) * {"K": 2**10, "M": 2**20}[found[2]] if found else L2_DEFAULT


def bandwidth(team: Team, total: int) -> float:
    """Bytes a second of the whole team, each thread on three vectors of ``total`` bytes together."""
    kernel, size = _triad_kernel(), total // 3 // jit.CACHE_LINE * jit.CACHE_LINE // 4
    rounds = max(MOVED_BYTES // total, 1)
    vectors = [[_ones(size) for _ in range(3)] for _ in range(team.jobs)]
    tasks = [lambda three=three: kernel(*three, np.float32(0.5), rounds) for three in vectors]
    team.carry_out(tasks)
    return team.jobs * rounds * 3 * size * 4 / min(team.carry_out(tasks).seconds for _ in range(5))


def _ones(size: int) -> np.ndarray:
    vector = aligned_zeros(size, np.dtype(np.float32))
    vector[:] = 1.0
    return vector


def roofs(team: Team) -> dict[str, float]:
    """Bytes a second from the second-level cache and from memory."""
    return {"L2": bandwidth(team, l2_bytes() // 2), "memory": bandwidth(team, MEMORY_BYTES)}
