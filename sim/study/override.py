"""``--set KEY=VALUE``: a study's table changed before it is read."""

from __future__ import annotations

import tomllib
from typing import Any

from sim.catalog.registry import nearest
from sim.errors import StudyError, complaint
from sim.study.factors import COMMON, LENGTHS
from sim.study.trouble import KEYS, Brief, brief
from sim.study.values import key

PLAIN = ("title", "question", "seed")


def override(table: dict[str, Any], text: str) -> None:
    """Change ``table`` as ``text`` says: ``seed=3``, ``defaults.steps=50``, ``grid.NAME.depth=[2, 4]``.

    A bare factor or setting, ``steps=30``, stands for all grids. Raises StudyError for an unknown key.
    """
    path, sign, written = text.partition("=")
    where, steps = f"--set {brief(text)}", [step.strip() for step in path.split(".")]
    if not sign:
        raise StudyError(complaint("--set", Brief(text), "is not KEY=VALUE"))
    value = parsed(written.strip())
    if steps[0] in COMMON:
        _set_everywhere(table, steps, value, where)
    elif len(steps) == 1:
        table[_known(steps[0], (*PLAIN, "defaults", "grid", *COMMON), where, PLAIN)] = value
    elif steps[0] == "defaults":
        _set(_table(table, "defaults", where), steps[1:], KEYS["defaults"], value, where)
    elif steps[0] == "grid":
        _set(_grid(table, steps[1], where), steps[2:], KEYS["grid"], value, where)
    else:
        _known(steps[0], ("defaults", "grid", *PLAIN, *COMMON), where, ("defaults", "grid"))


def parsed(written: str) -> Any:
    """The value as TOML reads it; a bare word that TOML does not know is text."""
    try:
        found = tomllib.loads(f"value = {written}")
    except (ValueError, RecursionError):
        return written
    return found["value"] if len(found) == 1 else written


def _known(name: str, choices: tuple[str, ...], where: str, usable: tuple[str, ...] = ()) -> str:
    """The name if it may be set here, or a StudyError that names the nearest."""
    if name not in (usable or choices):
        raise StudyError(
            complaint(where, Brief(name), "cannot be set here", choices, nearest(name, list(choices)))
        )
    return name


def _set_everywhere(table: dict[str, Any], steps: list[str], value: Any, where: str) -> None:
    """Set a factor or setting in [defaults] and clear it in every grid, so that it holds for all."""
    defaults = _table(table, "defaults", where)
    table.pop(steps[0], None)  # precision may stand at the top too
    if len(steps) == 1:
        for grid in _grids(table):
            for name in LENGTHS if steps[0] in LENGTHS else steps:
                grid.pop(name, None)
        _set(defaults, steps, KEYS["defaults"], value, where)
        return
    for below in [defaults, *_grids(table)]:
        if steps[0] in below:
            _set(below, steps, KEYS["grid"], value, where)


def _set(table: dict[str, Any], steps: list[str], keys: tuple[str, ...], value: Any, where: str) -> None:
    """Set the key that ``steps`` leads to below ``table``; steps and epochs replace each other."""
    if not steps:
        raise StudyError(complaint(where, Brief(value), "has no key to be set", keys))
    _known(steps[0], keys, where)
    if steps[0] in LENGTHS:
        for name in LENGTHS:
            table.pop(name, None)
    for step in steps[:-1]:
        table = _table(table, step, where)
    table[steps[-1]] = value


def _table(table: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    """The table of that name, made where it is not there."""
    below = table.setdefault(name, {})
    if not isinstance(below, dict):
        raise StudyError(complaint(where, Brief(below), f"is what {key(name)} is: it has no keys to set"))
    return below


def _grids(table: dict[str, Any]) -> list[dict[str, Any]]:
    grids = table.get("grid")
    return [grid for grid in grids if isinstance(grid, dict)] if isinstance(grids, list) else []


def _grid(table: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    named = {grid["name"]: grid for grid in _grids(table) if isinstance(grid.get("name"), str)}
    return named[_known(name, tuple(named), where)]
