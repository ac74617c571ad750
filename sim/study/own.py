"""Parts that a study names by file: ``{path = "my_rule.py", name = "my_rule", lr = [0.01, 0.1]}``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.catalog.own import KINDS, Unusable, own_part
from sim.catalog.registry import Part, PartError
from sim.errors import StudyError, complaint
from sim.study.values import Trouble, identifier, inside

if TYPE_CHECKING:
    from sim.study.choices import Choice
    from sim.study.model import Study

_FOLDER: ContextVar[Path | None] = ContextVar("folder", default=None)


@contextmanager
def relative_to(folder: Path) -> Iterator[None]:
    """While this lasts, relative paths start at ``folder``, that of the study."""
    token = _FOLDER.set(folder)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def is_own(kind: str, value: Any) -> bool:
    """Whether an entry names a part by file; a data set's ``path`` may be that of a table too."""
    if kind not in KINDS or not isinstance(value, dict) or "path" not in value:
        return False
    return kind != "dataset" or value.get("name") != "table"


def own(kind: str, value: dict[str, Any]) -> Part:
    """The part that the entry names; Trouble where the file cannot be used."""
    path = value["path"]
    if not isinstance(path, str) or not path.endswith(".py") or "\0" in path:
        raise Trouble(path, "is not the path of a Python file", path=".path")
    if "name" not in value:
        raise Trouble("name", "is missing: which function of the file?")
    name = inside(".name", identifier, value["name"])
    try:
        return own_part(kind, str(((_FOLDER.get() or Path.cwd()) / path).resolve()), name)
    except Unusable as error:
        raise Trouble(path, error.problem, path=".path") from None


def choices_in(value: Any) -> Iterator[Choice]:
    """Every part that a study, or anything in it, chooses."""
    from sim.study.choices import Choice

    if isinstance(value, Choice):
        yield value
    elif is_dataclass(value):
        for field in fields(value):
            yield from choices_in(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from choices_in(entry)
    elif isinstance(value, (tuple, list)):
        for entry in value:
            yield from choices_in(entry)


def check_labels(study: Study) -> None:
    """Raise StudyError for two files of one name whose parts would have one label in the records."""
    known: dict[tuple[str, str], Choice] = {}
    for choice in choices_in(study):
        if choice.content:
            other = known.setdefault((choice.kind, choice.label), choice)
            if (other.path, other.content) != (choice.path, choice.content):
                problem = f"would be the label of this and of another in {other.path}: rename a file"
                raise StudyError(complaint(f"{study.source}: {choice.path}", choice.label, problem))


def prove(choices: Sequence[Choice]) -> None:
    """Carry out each chosen part once; Trouble where one is not what its family asks for."""
    from sim.catalog.proofs import prove as proven

    for choice in choices:
        try:
            proven(choice.part, choice.parameters)
        except PartError as error:
            problem = str(error).removeprefix(choice.name).lstrip(": ")
            raise Trouble(choice.label, problem) from None
