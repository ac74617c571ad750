"""A figure: one number of a night, and how it may be compared with the same of another night."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

START, LEARNING, SPEED, NOTED = "start", "learning", "speed", "noted"
"""Kinds. start: of networks before their first update, which rounding alone may change. learning: of
networks that were trained, where a rounding may grow. speed: a share of the peak. noted: told, not judged."""

ROUNDING = {"float64": 1e-9, "float32": 1e-3}
"""What rounding may change, for each unit of the value, or in all where the value is smaller than one."""


@dataclass(frozen=True)
class Figure:
    """One number, the numbers it was made from, and what rounding alone may change of it."""

    name: str
    kind: str
    unit: str
    values: tuple[float, ...]
    """Of each replicate, in their order, or of each repeat."""
    rounding: float = 0.0
    """Relative to the value where that is more than one, as it stands where it is less."""
    ceiling: float = math.inf
    """More than this cannot be."""

    @property
    def value(self) -> float:
        """The mean of the replicates; of repeats the median, which a disturbed one does not move."""
        return statistics.median(self.values) if self.kind in (SPEED, NOTED) else self._mean

    @property
    def _mean(self) -> float:
        total = sum(self.values)  # not fmean, which raises where both infinities stand
        return total / len(self.values) if self.values else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation of the values; NaN where there are fewer than two or some are not finite."""
        if len(self.values) < 2 or not all(map(math.isfinite, self.values)):
            return math.nan
        return statistics.stdev(self.values)
