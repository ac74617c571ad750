"""The peak loop once more, by a C compiler: a second opinion on what the processor can do."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path

import numba
from numba import types

from sim.bench.peak import Loop, quickest
from sim.kernels.simd import lanes

COMPILERS = ("gcc", "clang", "cc")

SOURCE = """
typedef REAL vector __attribute__((vector_size(BYTES)));
REAL chains(long rounds, REAL x, REAL share)
{
    vector a, b, c[CHAINS];
    for (unsigned lane = 0; lane < BYTES / sizeof(REAL); lane++) { a[lane] = share; b[lane] = x; }
    for (int chain = 0; chain < CHAINS; chain++) c[chain] = (REAL)(chain + 1) * b;
    for (long round = 0; round < rounds; round++) {
        #pragma GCC unroll 32
        for (int chain = 0; chain < CHAINS; chain++) c[chain] = c[chain] * a + b;
    }
    REAL sum = 0;
    for (int chain = 0; chain < CHAINS; chain++)
        for (unsigned lane = 0; lane < BYTES / sizeof(REAL); lane++) sum += c[chain][lane];
    return sum;
}
"""


def _machine_flag() -> list[str]:
    """For the processor that the kernels are compiled for: this one, or the one that is forced."""
    forced = numba.config.CPU_NAME
    if not forced:
        return ["-march=native"]
    return [] if forced == "generic" else [f"-march={forced}"]


def _compiled(loop: Loop, folder: Path) -> ctypes.CDLL | None:
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        return None
    source, library = folder / "chains.c", folder / "chains.so"
    source.write_text(SOURCE)
    real = {"float32": "float", "float64": "double"}[loop.precision]
    known = [f"-DREAL={real}", f"-DBYTES={4 * lanes(types.float32)}", f"-DCHAINS={loop.chains}"]
    flags = ["-O3", *_machine_flag(), "-ffp-contract=fast", "-w", "-shared", "-fPIC"]
    done = subprocess.run([compiler, *flags, *known, str(source), "-o", str(library)], capture_output=True)
    return ctypes.CDLL(str(library)) if done.returncode == 0 else None


def compiled_ratio(loop: Loop, looks: int = 9) -> float | None:
    """This peak loop's speed over the C compiler's, one thread, quickest looks; None without a compiler."""
    with tempfile.TemporaryDirectory() as folder:
        library = _compiled(loop, Path(folder))
        if library is None:
            return None
        real = {"float32": ctypes.c_float, "float64": ctypes.c_double}[loop.precision]
        library.chains.argtypes, library.chains.restype = [ctypes.c_long, real, real], real
        return quickest(lambda: library.chains(loop.rounds, 0.5, 0.5), looks) / quickest(loop, looks)
