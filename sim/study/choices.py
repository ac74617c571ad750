"""A choice: one part of the catalog with every parameter bound."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sim.catalog.registry import Family, Part, PartError

HOMES = {
    "activation": "activations",
    "initializer": "initializers",
    "bias": "initializers",
    "normalizer": "normalizers",
    "loss": "losses",
    "optimizer": "optimizers",
    "schedule": "schedules",
    "dataset": "datasets",
    "scaling": "scalings",
    "clipping": "clippings",
    "surface": "surfaces",
}
"""The catalog module in which each family lives; the family's object has the kind's name."""


@cache
def family(kind: str) -> Family:
    """The registry of a kind of part, e.g. ``family("activation")``."""
    found = getattr(importlib.import_module(f"sim.catalog.{HOMES[kind]}"), kind)
    assert isinstance(found, Family)
    return found


@dataclass(frozen=True, order=True)
class Choice:
    """A named part with all its parameters, in declared order, defaults included."""

    kind: str
    name: str
    parameters: tuple[tuple[str, Any], ...] = ()
    path: str = ""
    """The user's own file it stands in, if any."""
    content: str = ""
    """Digest of what it is, where it comes from outside the package: other content is another choice."""

    @property
    def part(self) -> Part:
        """The part of the catalog, or the user's own.

        Raises UnknownName where the catalog has none, ValueError where the user's file cannot be used.
        """
        if self.path:
            from sim.catalog.own import own_part

            return own_part(self.kind, self.path, self.name, self.content)
        part = family(self.kind)[self.name]
        if part.content != self.content:
            raise PartError(f"{self.kind} {self.name!r} was defined again since the study was loaded")
        return part

    @property
    def settings(self) -> dict[str, Any]:
        """The parameters by name."""
        return dict(self.parameters)

    @property
    def identity(self) -> tuple[str, str]:
        """What tells parts apart, whatever their parameters: name and, from outside the package, content."""
        return self.name, self.content

    def value(self, name: str) -> Any:
        """The value of one parameter; raises KeyError where the part has no such parameter."""
        return dict(self.parameters)[name]

    def as_dict(self) -> dict[str, Any]:
        """Name and parameters, as the study file writes them."""
        named = {"path": self.path, "name": self.name} if self.path else {"name": self.name}
        return {**named, **dict(self.parameters)}

    @property
    def label(self) -> str:
        """The name and what differs from the defaults, e.g. ``normal(std=0.01)``.

        The learning rate stays out: it has a column of its own in the records.
        """
        defaults = self.part.parameters
        shown = [f"path={Path(self.path).name}"] if self.path else []
        shown += [
            f"{name}={_shown(name, value)}"
            for name, value in self.parameters
            if name != "lr" and value != defaults.get(name)
        ]
        return f"{self.name}({', '.join(shown)})" if shown else self.name


def _shown(name: str, value: Any) -> str:
    """A parameter's value in a label: whole floats without ``.0``, files without their folder."""
    if name == "path":
        return Path(value).name
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
