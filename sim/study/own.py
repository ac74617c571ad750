"""Parts that a study names by file: ``{path = "my_rule.py", name = "my_rule", lr = [0.01, 0.1]}``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.catalog.own import KINDS, Unusable, own_part
from sim.catalog.registry import Part, PartError
from sim.study.values import Trouble, identifier, inside

if TYPE_CHECKING:
    from sim.study.choices import Choice

_FOLDER: ContextVar[Path | None] = ContextVar("folder", default=None)


@contextmanager
def relative_to(folder: Path) -> Iterator[None]:
    """While this lasts, relative paths start at ``folder``, that of the study; else where the process runs."""
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


def prove(choices: Sequence[Choice]) -> None:
    """Carry out each chosen part once; Trouble where one is not what its family asks for."""
    from sim.catalog.proofs import prove as proven

    for choice in choices:
        try:
            proven(choice.part, choice.parameters)
        except PartError as error:
            problem = str(error).removeprefix(choice.name).lstrip(": ")
            raise Trouble(choice.label, problem) from None
