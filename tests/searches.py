"""L-BFGS set to what the oracle knew as one of its iterations began, and left to search on its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import naive
import numpy as np
from trials import FLAT, VALUES, Trial, clipped, network_arrays
from updates import Updater, with_decay

from sim.catalog.optimizers import quasi_newton as lbfgs

Array = np.ndarray
Loss = Callable[[Array], tuple[float, Array]]
FOLDER = Path(__file__).parent / "golden" / "optimizers"


@cache
def recorded() -> dict[str, Array]:
    """What the oracle left."""
    with np.load(FOLDER / "searches.npz") as stored:
        return dict(stored)


@dataclass(frozen=True)
class Iteration:
    """One iteration of the oracle: the pairs (s, y) before it, the step not yet among them: t, d and g."""

    pairs: list[tuple[Array, Array]]
    step: tuple[float, Array, Array] | None
    base: Array
    total: float
    gradient: Array
    lengths: Array
    trials: Array
    """(trials, size): where it evaluated, and the t of each."""
    first: int
    """Which evaluation the first of these was."""
    after: Array | None
    """The next base, if the record goes on so far."""


def iterations(trial: Trial, problem: str, most: int) -> Iterator[Iteration]:
    """All iterations of the oracle, as they were; ``most`` pairs are kept."""
    known = {name: recorded()[f"{trial.name}/{problem}/{name}"] for name in NAMES}
    bases, end = list(known["bases"]), known["end"]
    bases.append(end if end.size else None)
    pairs: list[tuple[Array, Array]] = []
    step, first = None, 1
    for k, (base, after) in enumerate(pairwise(bases)):
        mine = known["iterations"] == k
        d, g, t = known["directions"][k], known["gradients"][k], known["lengths"][mine]
        places = base + t[:, None] * d
        yield Iteration(pairs[-most:], step, base, known["totals"][k], g, t, places, first, after)
        if mine.any():
            if step is not None:
                s, y = step[0] * step[1], g - step[2]
                pairs = [*pairs, (s, y)] if s @ y > 1e-10 else pairs
            step = known["taken"][k], d, g
        first += len(t) + trial.decoupled


NAMES = ("bases", "totals", "gradients", "directions", "taken", "lengths", "iterations", "end")


def put(updater: Updater, it: Iteration) -> None:
    """Make the state of our kernel the oracle's: a step has been made, a gradient is awaited."""
    history = updater.settings["history"]
    memory = updater.state.reshape(-1)
    memory[:] = 0.0
    if it.step is None:
        return
    count = lbfgs.NUMBERS + 2 * history
    notes, vectors = memory[:count], memory[count:]
    vectors = vectors[: (lbfgs.VECTORS + 2 * history) * it.base.size].reshape(-1, it.base.size)
    notes[lbfgs.PHASE], notes[lbfgs.SCALE] = lbfgs.BEGIN, 1.0
    for slot, (s, y) in enumerate(it.pairs):
        vectors[lbfgs.VECTORS + slot], vectors[lbfgs.VECTORS + history + slot] = s, y
        notes[lbfgs.NUMBERS + slot] = 1.0 / (y @ s)
        notes[lbfgs.SCALE] = (y @ s) / (y @ y)
    notes[lbfgs.PAIRS], notes[lbfgs.NEWEST] = len(it.pairs), max(len(it.pairs) - 1, 0)
    notes[lbfgs.LENGTH], vectors[lbfgs.DIRECTION], vectors[lbfgs.GRADIENT] = it.step
    notes[lbfgs.SLOPE] = it.step[1] @ it.step[2]


def loss_of(trial: Trial, problem: str) -> Loss:
    """Loss and clipped gradient at θ, by NumPy."""
    if problem in FLAT:
        return lambda theta: (VALUES[problem](theta), clipped(FLAT[problem][0](theta), trial.clipping))
    inputs, labels, weights, biases, _ = network_arrays(trial.widths)
    shapes = [p.shape for pair in zip(weights, biases, strict=True) for p in pair]
    ends = np.cumsum([np.prod(shape) for shape in shapes])

    def network(theta: Array) -> tuple[float, Array]:
        parts = np.split(np.asarray(theta, float), ends[:-1])
        tensors = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        net = naive.Network()
        value, g, _, _ = naive.gradient(
            net, naive.parameters(net, tensors[::2], tensors[1::2]), inputs, labels
        )
        found = [p.ravel() for pair in zip(g["weights"], g["biases"], strict=True) for p in pair]
        return value, clipped(np.concatenate(found), trial.clipping)

    return network


@dataclass(frozen=True)
class Walked:
    """Where our kernel evaluated in one iteration, beside the oracle, and the base it came to."""

    iteration: Iteration
    trials: Array
    losses: Array
    """(1 + trials): at the oracle's base and at each trial."""
    base: Array


def walk(trial: Trial, problem: str, precision: str = "float64", led: bool = True,
         rounding: str | None = None) -> Iterator[Walked]:  # fmt: skip
    """Each iteration of the oracle, begun from its own state and made by our kernel.

    ``led``: each trial too is moved to where the oracle made it, so that each step is from the oracle's
    own state.  ``rounding``: the precision that this state is rounded to, if not the kernel's.
    """
    choice, decay = with_decay(trial, trial.choice(problem))
    assert decay == 0.0
    penalty = 0.0 if trial.decoupled else trial.weight_decay
    real, loss = np.dtype(rounding or precision), loss_of(trial, problem)
    size = recorded()[f"{trial.name}/{problem}/bases"].shape[1]
    updater = Updater(choice, size, precision)
    memory = updater.state.reshape(-1)
    for it in iterations(trial, problem, updater.settings["history"]):
        put(updater, it)
        memory[:] = memory.astype(real)
        theta = it.base.astype(real).astype(precision)
        own = it.gradient - penalty * it.base
        updater(theta, own.astype(real), it.total - 0.5 * penalty * (it.base @ it.base))
        places, losses = [], [it.total]
        for place, length in zip(it.trials, it.lengths, strict=True):
            places.append(theta.astype(float))
            if led:
                theta[:], memory[lbfgs.LENGTH] = place.astype(real), real.type(length)
            value, g = loss(theta)
            losses.append(value + 0.5 * penalty * float(theta @ theta))
            updater(theta, g.astype(real), value)
        base = updater.evaluated_at(theta).astype(float)
        yield Walked(it, np.reshape(places, (-1, size)), np.array(losses), base)
