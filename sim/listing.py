"""The catalog in words: what there is of each family, and one entry in full.

Everything is read off the parts themselves: signature, docstring, limits, state slots.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from sim.catalog.limits import Range
from sim.catalog.registry import REQUIRED, Part, nearest
from sim.errors import StudyError, complaint
from sim.study.choices import HOMES, family

FAMILIES = {"biases" if kind == "bias" else home: kind for kind, home in HOMES.items()}
"""The word the command knows a family by -> its kind."""


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
    lines = [part.name, f"  {part.summary.replace('``', '')}"]
    if part.parameters:
        shown = (
            name if default is REQUIRED else f"{name} = {_value(default)}"
            for name, default in part.parameters.items()
        )
        lines.append(f"  {', '.join(shown)}")
    lines += [f"  {line}" for line in (_state(part), _source(part)) if line]
    return "\n".join(lines)


def _full(part: Part) -> str:
    """The whole docstring, then each hyperparameter with its default and what it may be."""
    lines = [f"{part.kind} {part.name}", "", inspect.getdoc(part.function) or ""]
    if part.parameters:
        lines += ["", "hyperparameters"]
        lines += [f"  {_parameter(part, name)}" for name in part.parameters]
    if _state(part):
        lines += ["", _state(part)]
    return "\n".join(lines)


def _parameter(part: Part, name: str) -> str:
    default = part.parameters[name]
    limits = {**part.traits.get("choices", {}), **part.traits.get("limits", {})}
    allowed = limits.get(name, Range(0.0, above=True) if name == "lr" else None)
    if isinstance(allowed, tuple):
        allowed = f"one of {', '.join(allowed)}"
    start = "required" if default is REQUIRED else f"default {_value(default)}"
    return f"{name:18s} {start}{f'; {allowed}' if allowed else ''}"


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
    pairs = f", and {rule.pairs} × (rows² + columns²) per tensor" if rule.pairs else ""
    return f"state per parameter: {rule.per_parameter}{named}{pairs}"


def _source(part: Part) -> str:
    """The paper, as the part or its docstring names it."""
    if "source" in part.traits:
        return f"source: {part.source}"
    words = " ".join((inspect.getdoc(part.function) or "").split())
    found = re.search(r"Source: (.*?\d{4}[^.]*)", words) or re.search(r"Source: (.*?)\.?$", words)
    return f"source: {found.group(1)}" if found else ""
