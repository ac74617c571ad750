"""From a file or a dict to a Study: read, override, check against the structure, merge the defaults."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sim.errors import StudyError, complaint
from sim.study.check import check_grid, check_problem, check_study
from sim.study.choices import Choice
from sim.study.claim_check import check_claims
from sim.study.claim_load import claims_in
from sim.study.comparison import Problem
from sim.study.comparison_factors import PROBLEM
from sim.study.document import keys_in, read_section
from sim.study.example_load import example_of
from sim.study.example_model import Example
from sim.study.factors import FACTORS, GRID, LENGTHS, SETTINGS, Key
from sim.study.model import Descent, Grid, Settings, Study
from sim.study.override import override
from sim.study.own import check_labels, relative_to
from sim.study.sections import sections_in
from sim.study.surface_load import descent_of
from sim.study.trouble import brief, one_line

DEEPEST = 20


def load(source: str | Path | Mapping[str, Any], overrides: tuple[str, ...]) -> Study:
    """Read, override and check a study; raises StudyError."""
    if isinstance(source, Mapping):
        name, folder, table = "study", Path.cwd(), _plain(source, "study")
    else:
        name, folder, table = str(source), Path(source).absolute().parent, _read(Path(source))
    for text in overrides:
        override(table, text)
    with relative_to(folder):
        return _loaded(table, name, folder)


def _loaded(table: dict[str, Any], name: str, folder: Path) -> Study:
    claims = claims_in(table, name)
    try:
        documents = {section: read_section(table, section) for section in sections_in(table)}
    except ValidationError as error:
        raise StudyError(one_line(error, name, table)) from None
    parts = {section: READ[section](document, name, folder) for section, document in documents.items()}
    titled = next(iter(documents.values()))
    title = titled.title or Path(name).stem
    study = Study(
        title,
        titled.question,
        titled.seed,
        parts.get("grid", ()),
        source=name,
        descents=parts.get("descent", ()),
        problems=parts.get("problem", ()),
        comparison=getattr(documents.get("problem"), "comparison", None),
        claims=claims,
        examples=parts.get("example", ()),
    )
    check_study(study)
    check_labels(study)
    check_claims(study)
    return study


def _read(path: Path) -> dict[str, Any]:
    """The file's content; every reason why it cannot be read is a line of its own."""
    if path.is_dir():
        raise StudyError(complaint(str(path), str(path), "is a folder, not a study file"))
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise StudyError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise StudyError(f"{path}: is not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise StudyError(f"{path}: is nested too deeply") from None
    except ValueError as error:  # TOMLDecodeError, and integers of thousands of digits
        raise StudyError(f"{path}: is not TOML: {brief(str(error))}") from None


def _plain(value: Any, where: str, depth: int = 0) -> Any:
    """A dict from Python as TOML would give it: tuples as lists, NumPy's numbers as Python's."""
    if depth > DEEPEST:
        raise StudyError(f"{where}: is nested too deeply")
    if isinstance(value, Mapping):
        return {str(name): _plain(entry, where, depth + 1) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry, where, depth + 1) for entry in value]
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def _tables(document: Any, section: str, name: str) -> Iterator[tuple[Any, str]]:
    """The tables of a section, each with the place that messages name."""
    for index, table in enumerate(getattr(document, section)):
        yield table, f"{name}: {section}[{index}] {table.name!r}"


def _shared(document: Any, name: str) -> dict[str, Any]:
    """What all networks of a file share: its defaults and its precision."""
    shared = keys_in(document.defaults)
    if document.precision is not None:
        shared.setdefault("precision", document.precision)
    _one_length(shared, f"{name}: defaults")
    return shared


def _grids(document: Any, name: str, folder: Path) -> tuple[Grid, ...]:
    """The grids of a file whose every value has been read."""
    shared = _shared(document, name)
    return tuple(_grid(table, shared, where, folder) for table, where in _tables(document, "grid", name))


def _descents(document: Any, name: str, folder: Path) -> tuple[Descent, ...]:
    """The descents of such a file."""
    shared = keys_in(document.defaults)
    return tuple(
        descent_of(table, shared, where, folder) for table, where in _tables(document, "descent", name)
    )


def _examples(document: Any, name: str, folder: Path) -> tuple[Example, ...]:
    """The worked examples of such a file."""
    shared = keys_in(document.defaults)
    return tuple(example_of(table, shared, where) for table, where in _tables(document, "example", name))


def _one_length(written: Mapping[str, Any], where: str) -> None:
    if all(length in written for length in LENGTHS):
        raise StudyError(complaint(where, "epochs", "stands beside 'steps': write exactly one of the two"))


def _problems(document: Any, name: str, folder: Path) -> tuple[Problem, ...]:
    """The problems of such a file, and that there are rules to compare optimizers by."""
    if document.comparison is None:
        raise StudyError(complaint(name, "comparison", "is missing beside the problems"))
    shared = _shared(document, name)
    return tuple(
        _problem(table, shared, where, folder) for table, where in _tables(document, "problem", name)
    )


def _problem(table: Any, shared: Mapping[str, Any], where: str, folder: Path) -> Problem:
    """A problem: a grid of one cell, its metric and where it says so its target."""
    grid = _grid(table, shared, where, folder, {**GRID, "measure": PROBLEM["measure"]})
    written = {**shared, **keys_in(table)}
    problem = Problem(grid, written.get("metric", PROBLEM["metric"].default), written.get("level"))
    check_problem(problem, where)
    return problem


def _grid(
    table: Any, shared: Mapping[str, Any], where: str, folder: Path, keys: Mapping[str, Key] = GRID
) -> Grid:
    """A grid with the defaults below its own keys; its own steps or epochs silence those of the defaults."""
    own = keys_in(table)
    _one_length(own, where)
    if any(length in own for length in LENGTHS):
        shared = {name: value for name, value in shared.items() if name not in LENGTHS}
    written = {**shared, **own}
    if not any(length in written for length in LENGTHS):
        raise StudyError(complaint(where, "steps", "is missing: write steps or epochs", LENGTHS))
    values = {
        name: written[name] if name in written else key.read(key.default)
        for name, key in keys.items()
        if name in written or name not in LENGTHS
    }
    grid = Grid(
        table.name,
        table.question,
        _located({name: values[name] for name in values if name in FACTORS}, folder, where),
        values["replicates"],
        _settings(values),
        exclude=tuple(_located(row, folder, where) for row in values["exclude"]),
        include=tuple(_located(row, folder, where) for row in values["include"]),
    )
    check_grid(grid, where)
    return grid


def _settings(values: Mapping[str, Any]) -> Settings:
    return Settings(**{"targets" if name == "target" else name: values[name] for name in SETTINGS})


def _located(factors: Mapping[str, tuple[Any, ...]], folder: Path, where: str) -> dict[str, tuple[Any, ...]]:
    """The factors with every path of a data set made absolute: relative ones start at the study's folder."""
    if "dataset" not in factors:
        return dict(factors)
    return {**factors, "dataset": tuple(_locate(choice, folder, where) for choice in factors["dataset"])}


def _locate(choice: Choice, folder: Path, where: str) -> Choice:
    given = dict(choice.parameters)
    if "path" not in given:
        return choice
    path = folder / given["path"]
    try:
        found = path.is_file()
    except (OSError, ValueError):  # too long a name, a null character
        found = False
    if not found:
        raise StudyError(complaint(f"{where}.dataset.path", brief(str(path)), "is not a file"))
    given["path"] = str(path.resolve())
    return Choice(choice.kind, choice.name, tuple(given.items()))


READ: dict[str, Callable[[Any, str, Path], tuple[Any, ...]]] = {
    "grid": _grids,
    "descent": _descents,
    "problem": _problems,
    "example": _examples,
}
"""What makes the parts of each section, from its document, the file's name and its folder."""
