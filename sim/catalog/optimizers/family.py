"""The family of optimizers, what an elementwise rule is, and the ranges hyperparameters share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.catalog.limits import Range
from sim.catalog.registry import Family

optimizer = Family("optimizer", supplied=1)
"""Arguments the kernels supply: the number of the step, from 1."""


@dataclass(frozen=True)
class Rule:
    """An elementwise update and the names of its state slots."""

    update: Callable[..., Any]
    slots: tuple[str, ...] = ()


SHARE = Range(0.0, 1.0, below=True)
"""A decay rate β: at 1 an average would never learn, and its bias correction divides by 0."""

NOT_NEGATIVE = Range(0.0)
POSITIVE = Range(0.0, above=True)
