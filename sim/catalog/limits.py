"""Which values a part's parameters may take.

The default says the type; a part that wants more says so in its trait ``limits``, a
mapping from parameter to a :class:`Range` or to a tuple of the words it may be::

    @initializer(limits={"std": Range(0.0)})
    def normal(draw, std): ...
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from sim.catalog.registry import REQUIRED, Part


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``; ``above`` and ``below`` leave the end out, ``whole`` fractions."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    whole: bool = False
    below: bool = False

    def __contains__(self, value: object) -> bool:
        kind = Integral if self.whole else Real
        if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(float(value)):  # type: ignore[arg-type]
            return False
        number = float(value)  # type: ignore[arg-type]
        at_end = (self.above and number == self.low) or (self.below and number == self.high)
        return self.low <= number <= self.high and not at_end

    def __str__(self) -> str:
        words = ["a whole number" if self.whole else "a finite number"]
        if self.low > -math.inf:
            words.append(f"above {self.low:g}" if self.above else f"of at least {self.low:g}")
        if self.high < math.inf:
            end = "below" if self.below else "at most"
            words.append(f"{'and ' * (len(words) > 1)}{end} {self.high:g}")
        return " ".join(words)


def _by_default(default: Any) -> Range | None:
    if default is REQUIRED or isinstance(default, (bool, str)) or not isinstance(default, Real):
        return None
    return Range(whole=isinstance(default, Integral))


def check(part: Part, parameters: Mapping[str, Any]) -> None:
    """Raise ValueError, in one line, where a parameter of ``part`` has a value it may not take."""
    lr = {"lr": Range(0.0)} if "lr" in part.parameters else {}
    limits = {**lr, **part.traits.get("choices", {}), **part.traits.get("limits", {})}
    for name, value in parameters.items():
        default = part.parameters[name]
        allowed = limits.get(name, _by_default(default))
        if isinstance(allowed, tuple):
            if value not in allowed:
                raise ValueError(f"{part.name}: {name} = {value!r} must be one of {', '.join(allowed)}")
        elif allowed is not None:
            if value not in allowed:
                raise ValueError(f"{part.name}: {name} = {value!r} must be {allowed}")
        elif isinstance(default, (bool, str)) and not isinstance(value, type(default)):
            raise ValueError(f"{part.name}: {name} = {value!r} must be a {type(default).__name__}")
