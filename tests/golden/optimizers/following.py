"""Follow PyTorch's L-BFGS from evaluation to evaluation, and note what it knows as each search begins.

``Searches`` is the loss it is given to minimize.  An iteration has a base x with its gradient, a direction d
and trials x + t d; without a trial where the gradient is small enough already.
"""

from __future__ import annotations

import sys
from typing import Any
from unittest import mock

import numpy as np


class Enough(Exception):
    """The oracle has evaluated as often as it was to."""


class Searches:
    """Evaluations, and the iterations they belong to: ``bases`` are indices of evaluations."""

    def __init__(self, theta: list[Any], evaluate: Any, penalty: float, most: int) -> None:
        """``evaluate`` fills the gradients, cut if that is asked, and returns the loss; decay is added."""
        self.theta, self.evaluate, self.penalty, self.most = theta, evaluate, penalty, most
        self.places: list[np.ndarray] = []
        self.losses: list[float] = []
        self.totals: list[float] = []
        self.gradients: list[np.ndarray] = []
        self.bases: list[int] = []
        self.directions: list[np.ndarray] = []
        self.taken: list[float] = []
        self.lengths = np.full(most, np.nan)
        self.iterations = np.full(most, -1)

    def __call__(self) -> float:
        """The loss at θ, its gradient left where PyTorch looks for it."""
        import torch

        if len(self.places) == self.most:
            raise Enough
        self.places.append(self.place())
        self.losses.append(float(self.evaluate()))
        with torch.no_grad():
            for p in self.theta:
                p.grad += self.penalty * p
            squares = float(sum((p * p).sum() for p in self.theta))
        self.totals.append(self.losses[-1] + 0.5 * self.penalty * squares)
        self.gradients.append(np.concatenate([p.grad.numpy().ravel() for p in self.theta]))
        return self.totals[-1]

    def place(self) -> np.ndarray:
        """θ as one vector."""
        return np.concatenate([p.detach().numpy().ravel() for p in self.theta])

    def begin(self, base: int, direction: np.ndarray) -> None:
        """An iteration from the place of an evaluation; of direction 0 if it has no trials."""
        self.bases.append(base)
        self.directions.append(direction)
        self.taken.append(np.nan)

    def minimize(self, oracle: Any, shrink: float) -> None:
        """Until it stops or has evaluated often enough; with ``shrink``, call after call, θ shrunk by it."""
        import torch

        home = sys.modules[type(oracle).__module__]
        with mock.patch.object(home, "_strong_wolfe", self.watched(home._strong_wolfe)):
            while True:
                before, count = [p.detach().clone() for p in self.theta], len(self.places)
                try:
                    oracle.step(self)
                except Enough:
                    return
                if not shrink:
                    return
                if count not in self.bases:
                    self.begin(count, np.zeros_like(self.gradients[count]))
                with torch.no_grad():
                    for p, old in zip(self.theta, before, strict=True):
                        p -= shrink * old

    def watched(self, search: Any) -> Any:
        """PyTorch's line search, each trial noted."""

        def noted(evaluated: Any, x: Any, t: Any, d: Any, f: float, g: Any, *rest: Any, **limits: Any) -> Any:
            same = [i for i, place in enumerate(self.places) if (place == self.place()).all()]
            self.begin(same[-1], d.numpy().copy())
            assert f == self.totals[same[-1]]
            assert (g.numpy() == self.gradients[same[-1]]).all()

            def trial(x: Any, t: Any, d: Any) -> Any:
                if len(self.places) < self.most:
                    self.lengths[len(self.places)] = float(t)
                    self.iterations[len(self.places)] = len(self.bases) - 1
                return evaluated(x, t, d)

            found = search(trial, x, t, d, f, g, *rest, **limits)
            self.taken[-1] = float(found[2])
            return found

        return noted

    def path(self) -> np.ndarray:
        """Where θ is after each of as many evaluations as it may have made."""
        rest = self.most - len(self.places)
        last = self.place() if rest else self.places[-1]
        return np.array([*self.places[1:], *[last] * (rest + 1)])

    def noted(self) -> dict[str, np.ndarray]:
        """By name: x, loss, gradient and direction of each iteration, the length taken; of each evaluation
        the length tried and in which iteration; where it ended, if it did."""
        ended = len(self.places) < self.most
        return {
            "bases": np.array([self.places[i] for i in self.bases]),
            "totals": np.array([self.totals[i] for i in self.bases]),
            "gradients": np.array([self.gradients[i] for i in self.bases]),
            "directions": np.array(self.directions),
            "taken": np.array(self.taken),
            "lengths": self.lengths,
            "iterations": self.iterations,
            "end": self.place() if ended else np.empty(0),
        }
