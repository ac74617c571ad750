"""manifest.json: all that may differ between equal runs, and nothing else does."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("manynets", "numba", "llvmlite", "numpy", "scipy", "pandas", "pyarrow", "scikit-learn", "seaborn")


def surroundings() -> dict[str, Any]:
    """What was computed with and on: versions, processor, cores, system, the digest of the kernels."""
    from sim.kernels import jit

    return {
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "kernel_digest": jit.digest(),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # used from its source folder, never installed
        return "not installed"


def processor() -> str:
    """The processor's name as its maker writes it, where the system tells."""
    description = Path("/proc/cpuinfo")
    lines = description.read_text().splitlines() if description.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def load(path: Path) -> dict[str, Any]:
    """The manifest as a dict; empty where there is none or it cannot be read."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
