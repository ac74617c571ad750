"""A compiled update rule driven by hand on one flat vector, and the same for whole trials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import naive
import numpy as np
from trials import FLAT, STEPS, VALUES, Trial, clipped

Array = np.ndarray


class Updater:
    """An optimizer's two kernels and the state of one vector of parameters."""

    def __init__(
        self, choice: Any, size: int, precision: str = "float64", shape: tuple[int, int] | None = None
    ) -> None:
        """``shape``: θ is W of that shape and b, not a vector."""
        from sim.catalog.optimizers import optimizer
        from sim.kernels import jit, layerwise, parts
        from sim.kernels.arguments import CONSTANTS
        from sim.kernels.layout import Layer

        name, given = naive.split(choice)
        self.part = optimizer[name]
        self.settings = self.part.bind(**given)
        self.rule, real = self.part.rule(self.settings), jit.REAL[precision]
        self.prepare, self.update, self.rest = parts.optimizer_kernels(self.part, self.rule, real)
        self.hyperparameters = parts.encoded(self.part, self.settings)
        self.constants = np.zeros(CONSTANTS, precision)
        self.table = layerwise.vector_table(size)
        if shape is not None:
            fan_out, fan_in = shape
            weight, known = fan_out * fan_in, dict.fromkeys(Layer._fields, 0)
            row = known | {"fan_in": fan_in, "fan_out": fan_out, "bias": weight}
            self.table = np.array([list(row.values())], np.int64)
        layers = [Layer(*map(int, row)) for row in self.table]
        self.state = np.zeros((layerwise.state_rows(self.rule, layers, size), size), precision)
        self.step = 0

    def __call__(self, theta: Array, gradient: Array, value: float = 0.0) -> None:
        """One step in place; ``value`` is the loss at θ."""
        self.step += 1
        self.prepare(float(self.step), self.hyperparameters, self.constants)
        gradient = np.ascontiguousarray(gradient, theta.dtype)
        self.update(self.table, theta, gradient, self.state, self.constants, value)

    @property
    def update_numbers(self) -> list[Any]:
        """What an elementwise rule is given besides θ, g and its slots, after ``prepare``."""
        return list(self.constants[: self.rule.update.__code__.co_argcount - 2 - len(self.rule.slots)])

    def evaluated_at(self, theta: Array) -> Array:
        """Where the rule wants the parameters evaluated."""
        target = np.empty_like(theta)
        self.rest(theta, self.state, self.constants, target)
        return target


def descend(
    choice: Any, gradient: Callable[[Array], Array], start: Array, steps: int, precision: str = "float64",
    value: Callable[[Array], float] = lambda theta: 0.0,
) -> Array:  # fmt: skip
    """Where θ is evaluated after each step, (steps, size)."""
    theta = np.array(start, precision)
    updater = Updater(choice, theta.size, precision)
    path = np.empty((steps, theta.size), precision)
    for step in range(steps):
        updater(theta, gradient(theta), value(theta))
        path[step] = updater.evaluated_at(theta)
    return path


def flat_path(trial: Trial, problem: str, precision: str = "float64", steps: int = STEPS) -> Array:
    """A trial on the quadratic or on Rosenbrock's function, clipped and decayed as in a study.

    (steps, size), or (steps, 2 size) with where θ is evaluated beside it.
    """
    gradient, start = FLAT[problem]
    choice, decay = with_decay(trial, trial.choice(problem))
    theta = np.array(start, precision)
    updater = Updater(choice, theta.size, precision)
    lr = updater.settings["lr"]
    path = np.empty((steps, theta.size * (2 if trial.apart else 1)), precision)
    for step in range(steps):
        g, value = clipped(gradient(theta), trial.clipping), VALUES[problem](theta)
        if trial.decoupled:
            theta *= 1.0 - lr * decay
        else:
            g = g + decay * theta
        updater(theta, g, value)
        path[step] = np.concatenate([theta, updater.evaluated_at(theta)]) if trial.apart else theta
    return path


def with_decay(trial: Trial, choice: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """The choice with a decay that its rule takes itself, and what is left of it for others to do."""
    from sim.catalog.optimizers import optimizer

    kind = "decoupled" if trial.decoupled else "l2"
    name = optimizer[choice["name"]].traits.get("decays", {}).get(kind)
    return ({**choice, name: trial.weight_decay}, 0.0) if name else (choice, trial.weight_decay)
