"""Numbers and names as they stand in sentences, labels and cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sim.views.style import label

UNIT_AFTER = {"samples": "training rows", "steps": "steps"}
NAMED_BEFORE = {
    "depth": "depth", "width": "width", "batch_size": "batch size", "lr": "learning rate",
    "weight_decay": "weight decay", "dropout": "dropout", "bias": "bias",
}  # fmt: skip


EXPLAINED = {*UNIT_AFTER, *NAMED_BEFORE, "normalizer", "clipping", "scaling", "residual", "condition"}
"""Factors whose levels explain themselves."""


def number(value: float, digits: int = 3) -> str:
    """A number for reading: 3 significant digits, × 10ⁿ far from one, − for minus, 0 and ∞ as they are."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size != 0 and not 1e-3 <= size < 1e6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    if float(value).is_integer():
        return f"{int(value):,}".replace("-", "−")
    decimals = max(digits - 1 - math.floor(math.log10(size)), 0)
    return f"{value:,.{decimals}f}".replace("-", "−")


def percent(share: float) -> str:
    """A share as a whole percentage, never rounded to 0 % or 100 % unless it is."""
    if math.isnan(share):
        return "–"
    if 0 < share < 0.01:
        return "<1 %"
    if 0.99 < share < 1:
        return ">99 %"
    return f"{100 * share:.0f} %"


def short(value: float) -> str:
    """A positive number in at most four characters or so, for the cell of a heatmap: .056, 1.1, 57, 3e8."""
    if math.isnan(value):
        return ""
    if value != 0 and not 1e-2 <= abs(value) < 999.5:
        mantissa, exponent = f"{value:.0e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    decimals = 0 if value == 0 or value >= 9.95 else 1 if value >= 0.995 else 2 if value >= 0.0995 else 3
    text = f"{value:.{decimals}f}"
    return text[1:] if text.startswith("0.") else text


def setting(value: Any) -> str:
    """A number of the study as its author wrote it: 0.01, 1,000, 1e-05."""
    number = float(value)
    return f"{int(number):,}" if number.is_integer() and abs(number) < 1e6 else f"{number:g}"


def level(factor: str, value: Any) -> str:
    """A level alone, e.g. in a legend that names the factor: 30, batch, no residual."""
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return label(factor) if value else f"no {label(factor)}"
    return value if isinstance(value, str) else setting(value)


def named(factor: str, value: Any) -> str:
    """A level that explains itself within a sentence: depth 30, sigmoid, layer norm."""
    if factor in UNIT_AFTER:
        return f"{level(factor, value)} {UNIT_AFTER[factor]}"
    if factor in ("normalizer", "clipping", "scaling"):
        return treatment(factor, value)
    if factor in NAMED_BEFORE:
        return f"{NAMED_BEFORE[factor]} {level(factor, value)}"
    return level(factor, value)


def treatment(factor: str, value: Any) -> str:
    """What is done to a network: batch norm, residual, dropout 0.2, clip norm(limit=1), raw inputs."""
    if factor == "normalizer":
        return "no normalization" if value == "none" else f"{value} norm"
    if factor == "clipping":
        return "no clipping" if value == "none" else f"clip {value}"
    if factor == "scaling":
        return "raw inputs" if value == "none" else f"inputs {value}"
    if factor == "residual":
        return "residual" if value else "no residual"
    return f"{label(factor)} {level(factor, value)}"


def cell(where: Mapping[str, Any], factors: Iterable[str]) -> str:
    """A cell of a grid: sigmoid, normal(std=0.01), depth 30."""
    return ", ".join(named(factor, where[factor]) for factor in factors)


def held(where: Mapping[str, Any]) -> str:
    """Levels that stay the same, each with its factor's name: activation tanh, depth 30."""
    named_all = {factor: named(factor, value) for factor, value in where.items()}
    return ", ".join(told if f in EXPLAINED else f"{label(f)} {told}" for f, told in named_all.items())


def enumeration(words: Iterable[str]) -> str:
    """a, b and c."""
    *front, last = list(words) or [""]
    return f"{', '.join(front)} and {last}" if front else last


def count(amount: int, noun: str) -> str:
    """1 network, 6,000 networks."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"


def verb(amount: int, plural: str) -> str:
    """1 network agrees, 6,000 networks agree."""
    return f"{plural}{'s' if amount == 1 else ''}"


def power(exponent: float) -> str:
    """A power of ten from its logarithm: 10^−18.2; close to one as a plain number."""
    return number(10.0**exponent, 2) if abs(exponent) < 2 else f"10^{number(exponent)}"


def joined(*sentences: str) -> str:
    """Sentences one after another, empty ones left out."""
    return " ".join(filter(None, sentences))
