"""The registry: how a decorated function becomes a named part of the catalog.

A *family* (activations, initializers, optimizers …) is a mapping from name to
:class:`Part`.  A part is one function; the arguments the family does not supply
itself are the part's parameters, their defaults its defaults.  Nothing here
compiles anything: the catalog is plain Python that the kernels compile later.

Parts may come from outside the package: decorated in someone's own Python code, they join
the family under a name that is still free; in a file named by a study (see
:mod:`sim.catalog.own`) they are kept apart from it.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from sim.catalog.content import fingerprint

REQUIRED = inspect.Parameter.empty
"""Default of a parameter that has none: the study must give a value."""


def nearest(word: str, choices: list[str]) -> str | None:
    """The choice most like ``word``, or None where none is close."""
    found = difflib.get_close_matches(str(word), choices, n=1, cutoff=0.5)
    return found[0] if found else None


class PartError(ValueError):
    """What is wrong with a part that someone wrote, in one line."""


class UnknownName(LookupError):
    """A name that a family does not know; carries the choices and the nearest one."""

    def __init__(self, kind: str, name: str, choices: list[str]) -> None:
        self.kind, self.name, self.choices = kind, name, choices
        self.nearest = nearest(name, choices)
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        super().__init__(f"unknown {kind} {name!r}{hint} (choices: {', '.join(choices)})")


@dataclass(frozen=True, eq=False)
class Part:
    """One variant of a family: a function, its parameters and what is known of it.

    There is one object a part, so parts are compared and hashed by identity.
    """

    kind: str
    name: str
    function: Callable[..., Any]
    parameters: Mapping[str, Any]
    traits: Mapping[str, Any] = field(default_factory=dict)
    content: str = ""
    """Digest of what it is, where it comes from outside the package."""
    path: str = ""
    """The user's file it stands in, if any."""

    def __getattr__(self, trait: str) -> Any:
        traits = object.__getattribute__(self, "traits")
        if trait in traits:
            return traits[trait]
        raise AttributeError(f"{self.kind} {self.name!r} has no {trait!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _part_again, (self.kind, self.name, self.path, self.content)

    @property
    def unique(self) -> str:
        """The name its kernels are cached under: one from outside the package tells its content too."""
        return f"{self.name}_{self.content[:16]}" if self.content else self.name

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def bind(self, **given: Any) -> dict[str, Any]:
        """All parameters in declared order, defaults filled in.

        Raises UnknownName for a parameter the part does not have and ValueError for
        a required one that is missing.
        """
        for name in given:
            if name not in self.parameters:
                raise UnknownName(f"parameter of {self.name}", name, list(self.parameters))
        bound = {**self.parameters, **given}
        missing = [name for name, value in bound.items() if value is REQUIRED]
        if missing:
            raise ValueError(f"{self.kind} {self.name!r} needs {', '.join(missing)}")
        return bound


_FAMILIES: dict[str, Family] = {}


def _part_again(kind: str, name: str, path: str, content: str) -> Part:
    """The part itself, in whatever process."""
    if path:
        from sim.catalog.own import own_part

        return own_part(kind, path, name, content)
    return _FAMILIES[kind][name]


@dataclass(frozen=True)
class Collection:
    """Parts that a user's file registers while it is carried out."""

    path: str
    content: str
    parts: dict[tuple[str, str], Part] = field(default_factory=dict)


_COLLECTION: ContextVar[Collection | None] = ContextVar("collection", default=None)


@contextmanager
def collected(path: str, content: str) -> Iterator[Collection]:
    """While this lasts, what comes from outside the package registers here and in no family."""
    collection = Collection(path, content)
    token = _COLLECTION.set(collection)
    try:
        yield collection
    finally:
        _COLLECTION.reset(token)


def is_foreign(function: Callable[..., Any]) -> bool:
    """Whether a function was written outside the package."""
    return not str(function.__module__).startswith("sim.")


class Family(Mapping[str, Part]):
    """A named mapping of parts; calling it is the decorator that adds one.

    ``supplied`` counts the leading arguments the suite passes itself; every argument
    after them is a parameter of the part.
    """

    def __init__(self, kind: str, supplied: int) -> None:
        self.kind, self.supplied = kind, supplied
        self._parts: dict[str, Part] = {}
        _FAMILIES[kind] = self

    def __call__(self, name: str | None = None, **traits: Any) -> Callable[[Any], Part]:
        """Decorate a function: ``@activation(bound=1.0)``; the name is the function's."""

        def register(function: Callable[..., Any]) -> Part:
            part = self.described(name or function.__name__, function, traits)
            if part.content:
                from sim.catalog.own import completed

                part = completed(part)
            collection = _COLLECTION.get()
            if is_foreign(function) and collection is not None:
                collection.parts[self.kind, part.name] = part
            else:
                self._keep(part)
            return part

        return register

    def described(self, name: str, function: Callable[..., Any], traits: dict[str, Any]) -> Part:
        """The part that a decorated function is; families that want more than its arguments add to this."""
        collection = _COLLECTION.get()
        content = self.content_of(function, traits)
        path = collection.path if content and collection else ""
        described = list(inspect.signature(function).parameters.values())
        parameters = {p.name: p.default for p in described[self.supplied :]}
        return Part(
            self.kind, name, function, MappingProxyType(parameters), MappingProxyType(traits), content, path
        )

    def content_of(self, function: Callable[..., Any], traits: Mapping[str, Any]) -> str:
        """The digest of a part from outside the package: of its file, or of its code; "" for others."""
        if not is_foreign(function):
            return ""
        collection = _COLLECTION.get()
        return collection.content if collection else fingerprint(function, traits)

    def _keep(self, part: Part) -> None:
        known = self._parts.get(part.name)
        if known is not None and not (known.content and part.content):  # a cell of a notebook may run again
            raise ValueError(f"{self.kind} {part.name!r} is registered twice")
        self._parts[part.name] = part

    def __getitem__(self, name: str) -> Part:
        if name not in self._parts:
            raise UnknownName(self.kind, name, list(self._parts))
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)
