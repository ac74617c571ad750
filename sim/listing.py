"""The catalog in words: what there is of each family, and one entry in full.

Everything is read off the parts themselves: signature, docstring, limits, state slots.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

from sim.catalog.limits import Range
from sim.catalog.registry import REQUIRED, Part, nearest
from sim.errors import StudyError, complaint
from sim.study.choices import HOMES, family

FAMILIES = {"biases" if kind == "bias" else home: kind for kind, home in HOMES.items()}
"""The word the command knows a family by -> its kind."""

WIDTH = 80

SOURCES = (
    r"Source: (.*?\d{4}[^.]*)",
    r"Source: (.*?)\.?$",
    r"\(([A-Z][^()]*? \d{4}[^()]*)\)",
    r"([A-Z]\w+(?: & \w+)* \(\d{4}\))",
)
"""How docstrings name whom they follow."""


def listing(word: str | None = None, name: str | None = None) -> str:
    """All families, one family, or one entry of it in full.  Raises StudyError for an unknown word."""
    if word is None:
        return "\n".join(f"{known:14s}{len(family(kind))} entries" for known, kind in FAMILIES.items())
    parts = family(FAMILIES[_known("list", word, list(FAMILIES))])
    if name is None:
        return "\n\n".join(_short(part) for part in parts.values())
    return _full(parts[_known(f"list {word}", name, list(parts))])


def _known(where: str, word: str, choices: list[str]) -> str:
    if word not in choices:
        raise StudyError(complaint(where, word, "is not in the catalog", choices, nearest(word, choices)))
    return word


def _short(part: Part) -> str:
    """Name, equation, hyperparameters with defaults, state, source."""
    shown = (
        name if default is REQUIRED else f"{name} = {_value(default)}"
        for name, default in part.parameters.items()
    )
    lines = [_equation(part), ", ".join(shown), _state(part), _domain(part), _source(part)]
    return "\n".join([part.name, *(_wrapped(line, "  ", "    ") for line in lines if line)])


def _full(part: Part) -> str:
    """The whole docstring, then each hyperparameter with its default and what it may be."""
    paragraphs = _text(part).replace("``", "").split("\n\n")
    lines = [f"{part.kind} {part.name}", *(f"\n{_wrapped(paragraph)}" for paragraph in paragraphs)]
    if part.parameters:
        lines += ["", "hyperparameters"]
        lines += [_wrapped(_parameter(part, name), "  ", " " * 21) for name in part.parameters]
    lines += ["", *(_wrapped(line) for line in (_state(part), _domain(part), _source(part)) if line)]
    return "\n".join(lines)


def _text(part: Part) -> str:
    return inspect.getdoc(part.function) or ""


def _wrapped(text: str, first: str = "", later: str = "") -> str:
    """Text in lines of at most 80 letters."""
    words = " ".join(text.split()) if not first else text
    return textwrap.fill(words, WIDTH, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)


def _equation(part: Part) -> str:
    """The first line of the docstring, and the formula below it where there is one."""
    below = next((line.strip() for line in _text(part).splitlines()[1:] if line.startswith("f = ")), "")
    return f"{part.summary} {below}".strip().replace("``", "")


def _parameter(part: Part, name: str) -> str:
    default = part.parameters[name]
    start = "required" if default is REQUIRED else f"default {_value(default)}"
    return f"{name:18s} {start}; {_allowed(part, name)}"


def _allowed(part: Part, name: str) -> str:
    """What a hyperparameter may be, in words."""
    default = part.parameters[name]
    limits = {**part.traits.get("choices", {}), **part.traits.get("limits", {})}
    limit = limits.get(name, Range(0.0, above=True) if name == "lr" else None)
    if isinstance(limit, tuple):
        return f"one of {', '.join(limit)}"
    if limit is not None:
        return str(limit)
    written = str(part.function.__annotations__.get(name, "float")) if default is REQUIRED else ""
    if isinstance(default, str) or written == "str":
        return "text"
    if isinstance(default, bool):
        return "true or false"
    return str(Range(whole=isinstance(default, int) or written == "int"))


def _value(default: Any) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def _state(part: Part) -> str:
    """How many numbers an optimizer keeps for each parameter, and what they are."""
    if "rule" not in part.traits:
        return ""
    rule = part.rule(dict(part.parameters))
    named = f" ({', '.join(rule.slots)})" if rule.slots else ""
    pairs = f", and {rule.pairs} × two square matrices for each matrix of weights" if rule.pairs else ""
    return f"state per parameter: {rule.per_parameter}{named}{pairs}"


def _domain(part: Part) -> str:
    """Where starts on a surface are taken from: an interval for x and y, or one for every coordinate."""
    intervals = [f"[{low:g}, {high:g}]" for low, high in part.traits.get("domain", ())]
    return f"domain: {' × '.join(intervals)}" if intervals else ""


def _source(part: Part) -> str:
    """The paper, as the part or its docstring names it."""
    if "source" in part.traits:
        return f"source: {part.source}"
    words = " ".join(_text(part).split())
    for place in SOURCES:
        if found := re.search(place, words):
            return f"source: {found.group(1)}"
    return ""
