"""A study written out again: as TOML with every default, and as a digest of all that changes results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sim.study.choices import Choice
from sim.study.comparison import Axis, Comparison, Entrant, Problem
from sim.study.comparison_factors import PROBLEM, RULES
from sim.study.factors import SETTINGS
from sim.study.model import Descent, Grid, Settings, Study
from sim.study.own import choices_in

SPECIAL = {"samples": "all", "batch_size": "full", "evaluate": "all"}
"""How None is written, where it is a value."""


def to_toml(study: Study) -> str:
    """The resolved study; loads again to an equal one."""
    lines = [f"{name} = {_value(getattr(study, name))}" for name in ("title", "question", "seed")]
    if study.comparison:
        rules = _comparison(study.comparison)
        lines += ["", "[comparison]", *(f"{name} = {_value(entry)}" for name, entry in rules.items())]
    claims = [("claim", claim.as_dict()) for claim in study.claims]
    for kind, table in [*_tables(study), *claims]:
        lines += ["", f"[[{kind}]]", *(f"{name} = {_value(entry)}" for name, entry in table.items())]
    return "\n".join(lines) + "\n"


def digest(study: Study) -> str:
    """SHA-256, in hex, of what decides the results: seed, all parts in their order, the bytes of named files.

    Titles and questions only describe, claims only judge; where a file lies does not matter, what is in it
    does.
    """
    content: dict[str, Any] = {"seed": study.seed}
    for kind, table in _tables(study):
        content.setdefault(f"{kind}s", []).append(_without_words(table))
    if study.comparison:
        content["comparison"] = _comparison(study.comparison)
    chosen = choices_in([study.parts, study.comparison])
    own = sorted({(choice.kind, choice.name, choice.content) for choice in chosen if choice.content})
    content |= {"own": own} if own else {}
    written = json.dumps(_with_files(content), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(written.encode()).hexdigest()


def _tables(study: Study) -> list[tuple[str, dict[str, Any]]]:
    """Every part of the study with the name of its section."""
    grids = [("grid", _grid(grid)) for grid in study.grids]
    descents = [("descent", _descent(descent)) for descent in study.descents]
    problems = [("problem", _problem(problem)) for problem in study.problems]
    return grids + descents + problems + [("example", example.as_dict()) for example in study.examples]


def _problem(problem: Problem) -> dict[str, Any]:
    """All keys of a problem as plain values."""
    plain = {name: entry for name, entry in _grid(problem.grid).items() if name in PROBLEM}
    level = {} if problem.level is None else {"level": problem.level}
    return {"name": problem.name, "question": problem.question, **plain, "metric": problem.metric, **level}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    """The rules and the optimizers as plain values."""
    rules = {name: getattr(comparison, name) for name in RULES}
    return {**rules, "optimizer": [_entrant(entrant) for entrant in comparison.entrants]}


def _entrant(entrant: Entrant) -> dict[str, Any]:
    searched = {axis.name for axis in entrant.search}
    fixed = {name: value for name, value in entrant.fixed.as_dict().items() if name not in searched}
    default = dict(entrant.default.parameters)
    return {
        "name": entrant.name,
        "optimizer": fixed,
        "search": {axis.name: _axis(axis) for axis in entrant.search},
        "sampler": entrant.sampler,
        "default": {name: value for name, value in default.items() if name not in fixed},
    }


def _axis(axis: Axis) -> Any:
    if axis.scale is None:
        return list(axis.values)
    ends = {"start": axis.values[0], "stop": axis.values[-1]}
    return {**ends, "num": len(axis.values), "scale": axis.scale}


def _grid(grid: Grid) -> dict[str, Any]:
    """All keys of a grid as plain values."""
    return {
        "name": grid.name,
        "question": grid.question,
        **_row(grid.factors),
        "replicates": grid.replicates,
        **_settings(grid.settings),
        "exclude": [_row(row) for row in grid.exclude],
        "include": [_row(row) for row in grid.include],
    }


def _descent(descent: Descent) -> dict[str, Any]:
    """All keys of a descent as plain values; of start and map the one that is written."""
    starts = {"map": descent.map} if descent.map is not None else {"start": dict(descent.start)}
    rows = [{**asdict(row), "optimizer": row.optimizer.as_dict()} for row in descent.published]
    kept = {name: getattr(descent, name) for name in ("replicates", "positions", "radius", "tolerance")}
    named = {"name": descent.name, "question": descent.question, "animate": descent.animate}
    return {**named, **_row(descent.factors), **starts, **kept, "published": rows}


def _row(factors: Mapping[str, tuple[Any, ...]]) -> dict[str, Any]:
    """Factor -> its one value, or the list of them."""
    plain = {name: [_plain(name, value) for value in values] for name, values in factors.items()}
    return {name: values[0] if len(values) == 1 else values for name, values in plain.items()}


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return SPECIAL[name]
    if isinstance(value, Choice):
        return value.as_dict() if value.parameters or value.path else value.name
    return value


def _settings(settings: Settings) -> dict[str, Any]:
    plain = asdict(settings)
    plain["target"] = list(plain.pop("targets"))
    plain["measure"] = list(settings.measure)
    return {name: _plain(name, plain[name]) for name in SETTINGS}


def _without_words(grid: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in grid.items() if name not in ("question", "animate")}


def _with_files(value: Any) -> Any:
    """The same content with every ``path`` of a part replaced by the file's name and its bytes' SHA-256."""
    if isinstance(value, list):
        return [_with_files(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    found = {name: _with_files(entry) for name, entry in value.items()}
    if "path" in found:
        path = Path(found["path"])
        found["path"] = [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
    return found


def _value(value: Any) -> str:
    """A plain value in TOML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(entry) for entry in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name} = {_value(entry)}' for name, entry in value.items())}}}"
    return repr(value)
