"""What an update costs: time against a plain loop over the same arrays, and time to compile."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest
from updates import Updater

from sim.catalog.optimizers import optimizer
from sim.kernels import jit
from sim.kernels.arguments import CONSTANTS

PARAMETERS = 6250
"""Of a network of four hidden layers of 32 units on digits, nearly; all arrays fit the second cache."""
ELEMENTWISE = [name for name, part in optimizer.items() if part.rule(part.bind()).elementwise]


def plain(updater: Updater, precision: str) -> Callable[[], None]:
    """The rule in a loop as anyone would write it: θ, g and each slot an array of its own, by plain Numba."""
    rule, real = updater.rule, jit.REAL[precision]
    numbers = updater.update_numbers
    names = [f"s{k}" for k in range(len(rule.slots))]
    constants = [f"c{k}" for k in range(len(numbers))]
    left = ", ".join(["t[i]", *(f"{name}[i]" for name in names)]) + ("," if not names else "")
    right = ", ".join(["t[i]", "g[i]", *(f"{name}[i]" for name in names), *constants])
    arguments = ", ".join(["t", "g", *names, *constants])
    scope = {"rule": numba.njit(**jit.FLAGS)(jit.retyped(rule.update, real))}
    exec(f"def loop({arguments}):\n for i in range(t.size):\n  {left} = rule({right})", scope)
    vector = jit.vector_of(real)
    signature = numba.types.void(*[vector] * (2 + len(names)), *[real] * len(constants))
    loop = numba.njit(signature, **jit.FLAGS)(scope["loop"])
    draw = np.random.default_rng(0)
    arrays = [np.abs(draw.normal(size=PARAMETERS)).astype(precision) for _ in range(2 + len(names))]
    return lambda: loop(*arrays, *numbers)


def ours(updater: Updater, precision: str) -> Callable[[], None]:
    """The compiled kernel on the same numbers."""
    draw = np.random.default_rng(0)
    theta, gradient = (np.abs(draw.normal(size=PARAMETERS)).astype(precision) for _ in range(2))
    updater.state[:] = np.abs(draw.normal(size=updater.state.shape))
    return lambda: updater.update(updater.table, theta, gradient, updater.state, updater.constants, 0.0)


def best(contestants: list[Callable[[], None]], turns: int = 60, calls: int = 20) -> list[float]:
    """Nanoseconds a parameter of each, the best of many short turns that alternate."""
    times = [np.inf] * len(contestants)
    for _ in range(turns):
        for place, call in enumerate(contestants):
            began = time.perf_counter()
            for _ in range(calls):
                call()
            times[place] = min(times[place], time.perf_counter() - began)
    return [1e9 * spent / calls / PARAMETERS for spent in times]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_update_costs_what_a_plain_loop_costs(name: str, precision: str) -> None:
    updater = Updater({"name": name}, PARAMETERS, precision)
    updater.prepare(7.0, updater.hyperparameters, updater.constants)
    kernel, loop = best([ours(updater, precision), plain(updater, precision)])
    shown = f"{kernel:.3f} ns a parameter, plain loop {loop:.3f}, ratio {kernel / loop:.2f}"
    print(f"{name:22s} {precision}: {shown}")
    assert kernel <= 1.5 * loop


COLD = """
import sys, time
from sim.catalog.optimizers import optimizer
from sim.kernels import jit, parts
for name in ["sgd", sys.argv[1]]:  # the first of a process also starts the compiler
    part = optimizer[name]
    before = time.process_time()
    parts.optimizer_kernels(part, part.rule(part.bind()), jit.REAL[sys.argv[2]])
    spent = time.process_time() - before
print(spent)
"""


def compiling(name: str, precision: str, folder: Any) -> float:
    """Processor seconds to compile one optimizer beside sgd, nothing in the cache."""
    environment = {**os.environ, "MANYNETS_CACHE": str(folder)}
    words = [sys.executable, "-c", COLD, name, precision]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in optimizer if name != "sgd"])
def test_compiling_one_more_optimizer_is_quick(name: str, tmp_path: Any) -> None:
    """Alone in a process, so that none shares what another compiled.

    The least of several looks where the first is too long: a busy machine is a slow one, in processor
    seconds too.
    """
    for precision in jit.REAL:
        looks: list[float] = []
        while len(looks) < 4 and min(looks, default=2.0) > 1.5:
            looks.append(compiling(name, precision, tmp_path / f"{precision}_{len(looks)}"))
        print(f"{name:22s} {precision}: {min(looks):.2f} s")
        assert min(looks) <= 1.5


def test_a_study_compiles_only_the_optimizers_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.execute.train import prepare
    from sim.kernels import parts
    from sim.plan import plan
    from sim.study import Study

    asked: list[str] = []
    known = parts.optimizer_kernels
    monkeypatch.setattr(
        parts, "optimizer_kernels", lambda part, *rest: asked.append(part.name) or known(part, *rest)
    )
    grid = {"name": "g", "dataset": "digits", "samples": 64, "depth": 1, "width": 4, "steps": 20,
            "optimizer": ["sgd", {"name": "adam", "lr": [0.1, 0.01]}]}  # fmt: skip
    prepare(plan(Study.load({"title": "two", "seed": 1, "grid": [grid]})))
    assert set(asked) == {"sgd", "adam"}


def test_memory_of_the_catalog() -> None:
    """Numbers kept for each parameter, which listings and comparison tables show."""
    kept = {name: part.rule(part.bind()).per_parameter for name, part in optimizer.items()}
    assert kept.items() >= {
        "sgd": 0, "momentum": 1, "nesterov": 1, "rmsprop": 1, "adagrad": 1, "adadelta": 2, "adam": 2,
        "adamw": 2, "amsgrad": 3, "nadam": 2, "radam": 2, "adamax": 2, "rprop": 2, "lion": 1, "yogi": 2,
        "adabelief": 2, "sophia": 2, "schedule_free_sgd": 1, "schedule_free_adamw": 2, "lamb": 2, "lars": 1,
        "muon": 2, "shampoo": 0, "soap": 2, "lbfgs": 205,
    }.items()  # fmt: skip
    assert CONSTANTS >= 16
