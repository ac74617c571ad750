"""Readers of single values, lists and ranges: plain TOML in, checked Python out.

A reader takes one value and gives it back checked, or raises Trouble; ``listed`` turns a reader of one
value into a reader of ``value | [value, …] | {start, stop, num, scale}``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterable
from typing import Any

from sim.catalog.registry import nearest

Reader = Callable[[Any], Any]

LONGEST_RANGE = 100_000
LARGEST_INTEGER = 2**53  # every integer up to here is exact in float64 too
LARGEST_NUMBER = 1e300  # so that differences of two numbers are finite
RANGE_KEYS = ("start", "stop", "num", "scale")
SCALES = ("linear", "log")


class Trouble(ValueError):
    """A value that cannot be used: what is wrong, and the path of keys below the value being read."""

    def __init__(
        self,
        value: object,
        problem: str,
        choices: Iterable[str] | None = None,
        path: str = "",
    ) -> None:
        super().__init__(problem)
        self.value, self.problem, self.path = value, problem, path
        self.choices = None if choices is None else [str(choice) for choice in choices]

    def under(self, prefix: str) -> Trouble:
        """The same trouble seen from one level higher, e.g. ``under("[2]")`` or ``under(".lr")``."""
        return Trouble(self.value, self.problem, self.choices, prefix + self.path)

    @property
    def nearest(self) -> str | None:
        """The choice that was probably meant."""
        return nearest(self.value, self.choices) if isinstance(self.value, str) and self.choices else None


def key(name: object) -> str:
    """A key as it stands in a path: quoted unless it is a bare word."""
    return str(name) if re.fullmatch(r"[A-Za-z0-9_-]+", str(name)) else repr(str(name))


def integer(low: int, high: int = LARGEST_INTEGER) -> Reader:
    """Reads a whole number within bounds."""
    wanted = f"of {low} … {high}" if high < LARGEST_INTEGER else f"of at least {low}"

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise Trouble(value, f"is not a whole number {wanted}")
        return value

    return read


def number(
    low: float = -math.inf, high: float = math.inf, *, above: bool = False, below: bool = False
) -> Reader:
    """Reads a finite number within bounds; ``above`` and ``below`` leave the bound itself out."""
    lower = f"above {low:g}" if above else f"of at least {low:g}"
    upper = f"below {high:g}" if below else f"at most {high:g}"
    wanted = " and ".join([lower] * (low > -math.inf) + [upper] * (high < math.inf))

    def read(value: Any) -> float:
        usual = (
            not isinstance(value, bool) and isinstance(value, (int, float)) and abs(value) <= LARGEST_NUMBER
        )
        outside = usual and (
            value < low or value > high or (above and value == low) or (below and value == high)
        )
        if not usual or outside:
            raise Trouble(value, f"is not a finite number {wanted}".rstrip())
        return float(value)

    return read


def flag(value: Any) -> bool:
    """Reads true or false."""
    if not isinstance(value, bool):
        raise Trouble(value, "is neither true nor false", ("true", "false"))
    return value


def text(value: Any) -> str:
    """Reads a string that can be written to a file again."""
    if not isinstance(value, str):
        raise Trouble(value, "is not text")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Trouble(value, "holds half a character (a lone surrogate)")
    return value


def identifier(value: Any) -> str:
    """Reads a name fit for a column or a file: letters, digits, ``_``, beginning with a letter."""
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,59}", value):
        raise Trouble(value, "is not a name of at most 60 letters, digits and _ that begins with a letter")
    return value


def word(*choices: str) -> Reader:
    """Reads one of a few words."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise Trouble(value, "is not one of the choices", choices)
        return value

    return read


def either(special: str, reader: Reader) -> Reader:
    """Reads what ``reader`` reads, or one special word that becomes None (``all``, ``full``)."""

    def read(value: Any) -> Any:
        if value == special:
            return None
        if isinstance(value, str):
            raise Trouble(value, f"is neither a number nor {special!r}", (special,))
        return reader(value)

    return read


def listed(reader: Reader, whole: bool = False) -> Reader:
    """Reads a value or a list of values or ranges into a tuple of different values.

    ``whole`` rounds the numbers of ranges to integers.
    """
    return gathered(
        lambda value: ranged(value, reader, whole) if isinstance(value, dict) else (reader(value),)
    )


def gathered(expand: Callable[[Any], tuple[Hashable, ...]]) -> Reader:
    """Reads a value or a list; ``expand`` turns each entry into one or several values, all different."""

    def read(value: Any) -> tuple[Hashable, ...]:
        if not isinstance(value, list):
            return expand(value)
        if not value:
            raise Trouble(value, "is an empty list: it would leave no network")
        found: dict[Hashable, None] = {}
        for index, entry in enumerate(value):
            for one in inside(f"[{index}]", expand, entry):
                if one in found:
                    raise Trouble(entry, "is listed twice", path=f"[{index}]")
                found[one] = None
        return tuple(found)

    return read


def inside(prefix: str, reader: Reader, value: Any) -> Any:
    """What ``reader`` makes of ``value``; its troubles are told from one level higher."""
    try:
        return reader(value)
    except Trouble as trouble:
        raise trouble.under(prefix) from None


def ranged(value: dict[str, Any], reader: Reader, whole: bool) -> tuple[Any, ...]:
    """The values of ``{start, stop, num, scale}``, both ends included; rounded where integers are due."""
    for name in value:
        if name not in RANGE_KEYS:
            raise Trouble(name, "is not a key of a range", RANGE_KEYS)
    for name in RANGE_KEYS[:3]:
        if name not in value:
            raise Trouble(name, "is missing in the range")
    start, stop = (inside(f".{name}", number(), value[name]) for name in ("start", "stop"))
    num = inside(".num", integer(1, LONGEST_RANGE), value["num"])
    scale = inside(".scale", word(*SCALES), value.get("scale", "linear"))
    if start > stop:
        raise Trouble(value["start"], f"is above the stop of the range, {value['stop']!r}", path=".start")
    if scale == "log" and start <= 0:
        raise Trouble(value["start"], "must be above 0 on a log scale", path=".start")
    numbers = spaced(start, stop, num, scale)
    return tuple(dict.fromkeys(reader(round(x) if whole else x) for x in numbers))


def spaced(start: float, stop: float, num: int, scale: str) -> list[float]:
    """``num`` numbers from start to stop, rounded to 12 digits so that 0.01 is 0.01 on a log scale too."""
    if num == 1:
        return [start]
    ends = (math.log(start), math.log(stop)) if scale == "log" else (start, stop)
    between = [ends[0] * (1 - i / (num - 1)) + ends[1] * (i / (num - 1)) for i in range(1, num - 1)]
    if scale == "log":
        between = [math.exp(x) for x in between]
    return [start, *(float(f"{x:.12g}") for x in between), stop]
