"""What an activation from outside the package is given: float literals, its largest slope by measuring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sim.catalog.own import with_traits
from sim.catalog.registry import Part
from sim.catalog.rewriting import with_float_literals

WIDEST = 20.0
"""Slopes are looked at from −20 to 20."""


def complete(part: Part) -> Part:
    """The activation with its whole numbers as floats, and with the trait ``largest_slope``."""
    function = with_float_literals(part.function)
    part = replace(part, function=function)
    return part if "largest_slope" in part.traits else with_traits(part, largest_slope=_measured(function))


def _measured(function: Callable[..., Any]) -> Callable[..., float]:
    points = np.linspace(-WIDEST, WIDEST, 4001)

    def largest_slope(**parameters: Any) -> float:
        with np.errstate(all="ignore"):
            slopes = np.abs(function(points, **parameters)[1])
        return float(np.max(np.where(np.isfinite(slopes), slopes, 0.0)))

    return largest_slope
