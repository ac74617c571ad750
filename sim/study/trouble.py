"""What pydantic finds, told in one line: file, path of keys, value, what is wrong, choices, nearest name."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from sim.catalog.registry import nearest
from sim.errors import complaint
from sim.study.sections import SECTIONS, keys_of
from sim.study.values import Trouble, key

LONGEST = 80


class Brief:
    """A value whose repr is one line of bounded length, whatever it is."""

    def __init__(self, value: object) -> None:
        self.value = value

    def __repr__(self) -> str:
        try:
            return brief(repr(self.value))
        except Exception:  # an object of the user's whose own repr fails, an integer of thousands of digits
            return f"<{type(self.value).__name__}>"


def brief(text: str) -> str:
    """Text on one line, cut in the middle where it is long."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if len(line) <= LONGEST else f"{line[:50]} … {line[-20:]}"


def one_line(error: ValidationError, name: str, table: dict[str, Any]) -> str:
    """The first trouble of a study, and how many more there are."""
    found = error.errors(include_url=False)
    line = _line(dict(found[0]), name, table)
    return line if len(found) == 1 else f"{line} (and {len(found) - 1} more)"


def _line(found: dict[str, Any], name: str, table: dict[str, Any]) -> str:
    where, last = place(name, found["loc"], table), str(found["loc"][-1])
    trouble = found.get("ctx", {}).get("error")
    if isinstance(trouble, Trouble):
        return complaint(
            where + trouble.path, Brief(trouble.value), trouble.problem, trouble.choices, trouble.nearest
        )
    above = place(name, found["loc"][:-1], table)
    if found["type"] == "extra_forbidden":
        keys = keys_of(table)[str(found["loc"][0]) if len(found["loc"]) > 1 else "study"]
        return complaint(above, Brief(last), "is not a key here", keys, nearest(last, list(keys)))
    if found["type"] == "missing":
        return complaint(above, Brief(last), "is missing")
    if found["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return complaint(where, Brief(found["input"]), "is not a table of keys")
    return complaint(where, Brief(found["input"]), brief(found["msg"]))


def place(name: str, loc: tuple[int | str, ...], table: dict[str, Any]) -> str:
    """A path of keys such as ``a.toml: grid[0] 'initialization'.activation``."""
    path = ""
    for index, step in enumerate(loc):
        path += f"[{step}]" if isinstance(step, int) else f"{'.' * bool(path)}{key(step)}"
        if index == 1 and loc[0] in SECTIONS and isinstance(step, int):
            part = table[str(loc[0])][step]
            called = part.get("name") if isinstance(part, dict) else None
            path += f" {called!r}" if isinstance(called, str) and len(called) <= LONGEST else ""
    return f"{name}: {path}" if path else name
