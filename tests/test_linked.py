"""Functions that only kernels call: linked as written, made machine code in the kernel alone."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from numba import types

from sim.kernels import jit
from sim.kernels.linked import Linked

REAL = types.float64

TALKS = """
import numpy as np
from numba import types
from sim.kernels import jit

VECTOR = jit.vector_of(types.float64)

@jit.called
def told(x):
    print("seen", x)
    return 2.0 * x

def _first(values):
    values[0] = told(values[0])

def _second(values):
    values[0] = told(values[0]) + 1.0

first, second = (
    jit.kernel(jit.specialised(template, template.__name__, told=told), types.void(VECTOR))
    for template in (_first, _second)
)
values = np.array([3.5])
first(values)
second(values)
print(values[0], sum(first.stats.cache_hits.values()) + sum(second.stats.cache_hits.values()))
"""


def test_what_talks_to_python_finds_its_objects(tmp_path: Path) -> None:
    """A function shared by two kernels, compiled and then loaded from the cache."""
    (tmp_path / "talks.py").write_text(TALKS)
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "MANYNETS_CACHE": str(tmp_path / "cache"), "PYTHONPATH": root}
    for hits in (0, 2):
        done = subprocess.run(
            [sys.executable, "talks.py"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == ["seen 3.5", "seen 7.0", f"15.0 {hits}"]


def _twice(x):  # type: ignore[no-untyped-def]
    return plus(plus(x))


def _same(x):  # type: ignore[no-untyped-def]
    return x


plus: Any = None


def test_the_kernel_alone_becomes_machine_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANYNETS_CACHE", str(tmp_path))
    called = jit.called(lambda x: x + 1.0)
    kernel = jit.kernel(jit.specialised(_twice, "linked_twice", plus=called), REAL(REAL))
    assert kernel(1.0) == 3.0
    (linked,) = (result.library for result in called.overloads.values())
    assert isinstance(linked, Linked)
    assert linked.get_pointer_to_function("any") == 0
    (library,) = (result.library for result in kernel.overloads.values())
    assert not isinstance(library, Linked)


@pytest.mark.parametrize("collecting", [True, False])
def test_compiling_leaves_the_collection_of_garbage_as_it_was(collecting: bool) -> None:
    (gc.enable if collecting else gc.disable)()
    try:
        jit.kernel(jit.specialised(_same, f"linked_same_{collecting}"), REAL(REAL))
        assert gc.isenabled() is collecting
    finally:
        gc.enable()
