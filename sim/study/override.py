"""``--set KEY=VALUE``: a study's table changed before it is read."""

from __future__ import annotations

import tomllib
from typing import Any

from sim.catalog.registry import nearest
from sim.errors import StudyError, complaint
from sim.study.factors import LENGTHS
from sim.study.sections import PLAIN, SECTIONS, keys_of, sections_in
from sim.study.surface_factors import STARTS
from sim.study.trouble import Brief, brief
from sim.study.values import key


def override(table: dict[str, Any], text: str) -> None:
    """Change ``table`` as ``text`` says: ``seed=3``, ``defaults.steps=50``, ``grid.NAME.depth=[2, 4]``.

    A bare factor or setting, ``steps=30``, stands for all grids and descents that know it. Raises
    StudyError for an unknown key.
    """
    keys, sections = keys_of(table), sections_in(table)
    path, sign, written = text.partition("=")
    where, steps = f"--set {brief(text)}", [step.strip() for step in path.split(".")]
    if not sign:
        raise StudyError(complaint("--set", Brief(text), "is not KEY=VALUE"))
    value = parsed(written.strip())
    if steps[0] in keys["defaults"]:
        _set_everywhere(table, steps, value, where)
    elif steps == ["defaults"] or (len(steps) == 1 and steps[0] in sections):
        below = "defaults.KEY" if steps[0] == "defaults" else f"{steps[0]}.NAME.KEY"
        raise StudyError(f"{where}: {steps[0]!r} cannot be set as a whole; write {below}=VALUE")
    elif absent := _absent(steps[0], table):
        problem = (
            f"is a key of [[{absent}]], and this study has no [[{absent}]]; {SECTIONS[absent].shown} does"
        )
        raise StudyError(complaint(where, Brief(steps[0]), problem))
    elif len(steps) == 1:
        table[_known(steps[0], (*PLAIN, "defaults", *sections, *keys["defaults"]), where, PLAIN)] = value
    elif steps[0] == "defaults":
        _set(_table(table, "defaults", where), steps[1:], keys["defaults"], value, where)
    elif steps[0] == "comparison" in keys:
        _set(_table(table, "comparison", where), steps[1:], keys["comparison"], value, where)
    elif steps[0] in sections:
        _set(_part(table, steps[0], steps[1], where), steps[2:], keys[steps[0]], value, where)
    else:
        _known(steps[0], ("defaults", *sections, *PLAIN, *keys["defaults"]), where, ("defaults", *sections))


def _absent(name: str, table: dict[str, Any]) -> str:
    """The kind of section that a file lacks and that alone knows the key; empty where there is none."""
    if any(name in keys for keys in keys_of(table).values()):
        return ""
    return next((section for section, told in SECTIONS.items() if name in told.defaults), "")


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
    """Set a factor or setting in [defaults] and clear it in every part, so that it holds for all."""
    defaults, keys = _table(table, "defaults", where), keys_of(table)
    table.pop(steps[0], None)  # precision may stand at the top too
    if len(steps) == 1:
        for part in _all_parts(table):
            for name in _rivals(steps[0]):
                part.pop(name, None)
        _set(defaults, steps, keys["defaults"], value, where)
        return
    for below in [defaults, *_all_parts(table)]:
        if steps[0] in below:
            _set(below, steps, keys["defaults"], value, where)


def _set(table: dict[str, Any], steps: list[str], keys: tuple[str, ...], value: Any, where: str) -> None:
    """Set the key that ``steps`` leads to below ``table``; its rivals go."""
    if not steps:
        raise StudyError(complaint(where, Brief(value), "has no key to be set", keys))
    _known(steps[0], keys, where)
    for name in _rivals(steps[0])[1:]:
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


def _rivals(name: str) -> tuple[str, ...]:
    """The key and those that may not stand beside it: steps and epochs, start and map."""
    found = [pair for pair in (LENGTHS, STARTS) if name in pair]
    traced = ("trace",) if name == "epochs" else ()  # the epochs to be written out may be beyond the last one
    return (name, *(other for pair in found for other in pair if other != name), *traced)


def _all_parts(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for section in sections_in(table) for part in _parts(table, section)]


def _parts(table: dict[str, Any], section: str) -> list[dict[str, Any]]:
    parts = table.get(section)
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []


def _part(table: dict[str, Any], section: str, name: str, where: str) -> dict[str, Any]:
    named = {part["name"]: part for part in _parts(table, section) if isinstance(part.get("name"), str)}
    return named[_known(name, tuple(named), where)]
