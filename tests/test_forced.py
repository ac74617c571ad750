"""The code for lesser processors: AVX2, and any x86-64 without a fused multiply-add."""

from __future__ import annotations

import io
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sim.bench import forced, show

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="paths of x86-64")


def _usable(path):
    if not forced.runs_here(path):
        pytest.skip(f"this processor cannot run the code of {path}")


@pytest.mark.parametrize(("path", "lanes", "fused"), [("avx2", 8, True), ("generic", 4, False)])
def test_lanes_follow_what_is_forced(path, lanes, fused):
    code = (
        "from numba import types\nfrom sim.kernels.simd import HAS_FMA, lanes\n"
        "print(lanes(types.float32), lanes(types.float64), HAS_FMA)"
    )
    settings = {**forced.environment(path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True)
    assert done.stdout.split() == [str(lanes), str(lanes // 2), str(fused)], done.stderr


def test_a_path_that_cannot_run_says_why(monkeypatch):
    monkeypatch.setitem(forced.PATHS, "odd", {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+no-such"})
    assert "lacks" in forced.measured("odd", ["A"], 3)["trouble"]
    monkeypatch.setitem(forced.PATHS, "odd", {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""})
    assert "KeyError" in forced.measured("odd", ["no such point"], 3)["trouble"]


def test_paths_are_shown_beside_their_own_peaks():
    from rich.console import Console

    spread = {"median": 0.5, "minimum": 0.4, "maximum": 0.6}
    point = {"gflops": spread, "share_of_peak": spread, "busy_share_of_peak": spread, "train_accuracy": 0.9}
    found = {"register_bytes": 32, "peak_gflops": {"float32": spread}, "points": {"A": point}}
    report = {
        "points": [{"name": "A", "precision": "float32"}],
        "paths": {"avx2": found, "generic": {"trouble": "this processor lacks its instructions"}},
    }
    written = io.StringIO()
    Console(width=150, file=written).print(show.paths(report))
    text = written.getvalue()
    assert "256" in text
    assert "50.0 (40.0–60.0)" in text
    assert "lacks its instructions" in text


@pytest.mark.slow
@pytest.mark.parametrize("path", forced.PATHS)
def test_a_path_trains_as_well_at_a_share_of_its_own_peak(path):
    _usable(path)
    found = forced.measured(path, ["A", "F"], 3)
    assert "trouble" not in found, found
    for name, point in found["points"].items():
        assert 0.2 < point["busy_share_of_peak"]["median"] < 1.15, (name, point)
        assert point["train_accuracy"] > 0.95
    assert found["one_core_gflops"]["float32"] > 1.5 * found["one_core_gflops"]["float64"]


@pytest.mark.slow
@pytest.mark.parametrize("path", forced.PATHS)
def test_a_path_agrees_with_the_naive_twin(path):
    """The tests that compare kernels with plain NumPy, on the code for that path."""
    _usable(path)
    files = ["tests/test_fleet.py", "tests/test_network.py", "tests/test_vectors.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    settings = {**forced.environment(path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
