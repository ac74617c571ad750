"""Schedules: what each step multiplies the learning rate by.

A schedule is a function of the numbers of all steps, 0, 1, … as float64, and of how many
steps there are; one, ``plateau``, looks at the loss besides.  It returns their factors, which
multiply whatever learning rate the optimizer has.  Lengths are shares of the training, so that
one schedule fits runs of any length.
Whatever a rule does beyond multiplying by lr is untouched: Rprop, which uses lr for its
first step only, hardly notices a schedule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.catalog.limits import Range
from sim.catalog.registry import Family, Part

schedule = Family("schedule", supplied=2)
"""Arguments the suite supplies: the numbers of the steps, and how many there are."""

SHARE = Range(0.0, 1.0)
PART_OF = Range(0.0, 1.0, above=True)
POSITIVE = Range(0.0, above=True)
COUNT = Range(1, whole=True)


@schedule()
def constant(step: Any, steps: int) -> Any:
    """The learning rate as it is: 1.

    Source: elementary.
    """
    return np.ones_like(step)


@schedule(limits={"every": COUNT, "factor": PART_OF})
def step(step: Any, steps: int, every: int = 100, factor: float = 0.1) -> Any:
    """``factor`` to the power ⌊t / every⌋.  As PyTorch's ``StepLR(step_size=every, gamma=factor)``.

    Source: as PyTorch's StepLR.
    """
    return factor ** (step // every)


@schedule(limits={"rate": PART_OF})
def exponential(step: Any, steps: int, rate: float = 0.99) -> Any:
    """rateᵗ.  As PyTorch's ``ExponentialLR(gamma=rate)``.

    Source: as PyTorch's ExponentialLR.
    """
    return rate**step


def _half_cosine(progress: Any, first: float, last: float) -> Any:
    """From ``first`` at progress 0 to ``last`` at 1 along half a cosine."""
    return last + (first - last) * 0.5 * (1.0 + np.cos(np.pi * progress))


@schedule(limits={"final": SHARE})
def cosine(step: Any, steps: int, final: float = 0.0) -> Any:
    """final + (1 − final) · ½ (1 + cos(π t / T)), T the number of steps.

    As PyTorch's ``CosineAnnealingLR(T_max=T, eta_min=final·lr)``.  Source: Loshchilov & Hutter 2017.
    """
    return _half_cosine(step / steps, 1.0, final)


def _rise(step: Any, warmup: float) -> Any:
    """min(1, (t + 1) / warmup), 1 without warm-up."""
    return np.minimum(1.0, (step + 1.0) / max(warmup, 1.0))


@schedule(limits={"warmup": SHARE})
def warmup(step: Any, steps: int, warmup: float = 0.1) -> Any:
    """min(1, (t + 1) / w): a straight rise over the first w = warmup · T steps, then 1.

    As PyTorch's ``LinearLR(start_factor=1/w, total_iters=w−1)``; optax's begins with a step of size 0.
    Source: Goyal et al. 2017.
    """
    return _rise(step, warmup * steps)


@schedule(limits={"warmup": SHARE, "final": SHARE})
def warmup_cosine(step: Any, steps: int, warmup: float = 0.1, final: float = 0.0) -> Any:
    """The rise of ``warmup`` over w = warmup · T steps, then half a cosine from 1 to ``final`` over the rest.

    Source: Goyal et al. 2017; Loshchilov & Hutter 2017.
    """
    length = warmup * steps
    progress = np.clip((step - length) / max(steps - length, 1.0), 0.0, 1.0)
    return np.where(step < length, _rise(step, length), _half_cosine(progress, 1.0, final))


@schedule(limits={"warmup": SHARE, "final": SHARE})
def warmup_linear(step: Any, steps: int, warmup: float = 0.1, final: float = 0.0) -> Any:
    """The rise of ``warmup`` over w = warmup · T steps, then a straight fall from 1 to ``final``.

    As PyTorch's ``LinearLR`` after ``LinearLR``.  Source: Devlin et al. 2019.
    """
    length = warmup * steps
    progress = np.clip((step - length) / max(steps - length, 1.0), 0.0, 1.0)
    return np.where(step < length, _rise(step, length), 1.0 + (final - 1.0) * progress)


@schedule(limits={"after": COUNT})
def inverse_sqrt(step: Any, steps: int, after: int = 1) -> Any:
    """min(1, √(after / (t + 1))): 1 for so many steps, then falling as 1/√t.

    With ``after`` = 1 the rate of convex analysis, lr/√t with t = 1, 2, …  Source: Zinkevich 2003.
    """
    return np.minimum(1.0, np.sqrt(after / (step + 1.0)))


@schedule(limits={"rise": PART_OF, "first": POSITIVE, "last": POSITIVE})
def one_cycle(step: Any, steps: int, rise: float = 0.3, first: float = 25.0, last: float = 1e4) -> Any:
    """Half a cosine up from 1/``first`` to 1 over ``rise`` of the steps, another down to 1/(first · last).

    As PyTorch's ``OneCycleLR(max_lr=lr, pct_start=rise, div_factor=first, final_div_factor=last)``,
    momentum left alone; the peak is at step rise · T − 1.  Source: Smith & Topin 2018.
    """
    peak = rise * steps - 1.0
    up = _half_cosine(np.clip(step / peak, 0.0, 1.0) if peak > 0.0 else np.ones_like(step), 1.0 / first, 1.0)
    fall = max(steps - 1.0 - peak, 1e-300)
    down = _half_cosine(np.clip((step - peak) / fall, 0.0, 1.0), 1.0, 1.0 / (first * last))
    return np.where(step <= peak, up, down)


EVERY, FACTOR, PATIENCE, THRESHOLD, COOLDOWN, FINAL, WATCHED = range(7)
"""Places of the parameters of ``plateau``, and how many there are."""


@schedule(
    limits={
        "every": COUNT,
        "factor": Range(0.0, 1.0, above=True, below=True),
        "patience": Range(0, whole=True),
        "threshold": SHARE,
        "cooldown": Range(0, whole=True),
        "final": SHARE,
    },
    watches=True,
)
def plateau(
    step: Any,
    steps: int,
    every: int = 10,
    factor: float = 0.1,
    patience: int = 10,
    threshold: float = 1e-4,
    cooldown: int = 0,
    final: float = 0.0,
) -> Any:
    """Times ``factor``, down to ``final``, when the loss has not fallen for more than ``patience`` looks.

    A look is the mean of ``every`` mini-batch losses; it has fallen if it is below (1 − threshold) · the
    best.  After a cut ``cooldown`` looks do not count.  As PyTorch's ``ReduceLROnPlateau(factor, patience,
    threshold, cooldown=cooldown, min_lr=final·lr, eps=0)`` given those means; optax's
    ``contrib.reduce_on_plateau(accumulation_size=every)`` counts its patience one look shorter.
    Source: PyTorch; the idea is older.
    """
    return np.ones_like(step)  # what depends on the loss is known only while training


def plateaus(chosen: Sequence[tuple[Part, Mapping[str, Any]]]) -> np.ndarray:
    """A row for each schedule: how it watches the loss, zeros if it does not."""
    rows = np.zeros((len(chosen), WATCHED))
    for row, (part, parameters) in zip(rows, chosen, strict=True):
        if part.traits.get("watches"):
            row[:] = list(parameters.values())
    return rows


def factors(chosen: Sequence[tuple[Part, Mapping[str, Any]]], steps: int) -> np.ndarray:
    """A row for each schedule: the factors of all steps, float64; one column where none ever changes."""
    if all(part.name in ("constant", "plateau") for part, _ in chosen):
        return np.ones((len(chosen), 1))
    numbers = np.arange(steps, dtype=np.float64)
    return np.array([part.function(numbers, steps, **parameters) for part, parameters in chosen])
