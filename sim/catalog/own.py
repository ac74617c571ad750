"""A user's own parts: a Python file that decorates its functions as the catalog's own files do.

    from sim import optimizer

    @optimizer(state=("velocity",))
    def my_rule(theta, g, velocity, lr=0.01, beta=0.9):
        velocity = beta * velocity + g
        return theta - lr * velocity, velocity

What a file registers is kept apart from the families, so that no name of the catalog can be taken.
A function that has nothing to declare needs no decorator.  A file stands by itself: its bytes
are what a study's digest and the cache of kernels know it by.

Every problem a file can have is one :class:`Unusable` of one line that names the file.
"""

from __future__ import annotations

import hashlib
import linecache
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any

from sim.catalog.registry import Collection, Family, Part, PartError, collected, nearest

KINDS = {
    "optimizer": "optimizers",
    "activation": "activations",
    "initializer": "initializers",
    "dataset": "datasets",
    "surface": "surfaces",
}
"""The kinds of parts that may stand in a file -> the module of the catalog that has their family."""

RESERVED = ("path", "name")
"""What no parameter can be called: a study says with them which part is meant."""


class Unusable(PartError):
    """What is wrong with a user's file."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path, self.problem = path, problem

    def __reduce__(self) -> tuple[Any, ...]:
        return Unusable, (self.path, self.problem)


def own_part(kind: str, path: str, name: str, content: str = "") -> Part:
    """The part ``name`` of a Python file; equal files give the same part.

    With ``content``, the digest of the bytes that are meant, a file that has other ones is Unusable.
    """
    if (kind, path, name, content) in _KNOWN:
        return _KNOWN[kind, path, name, content]
    found, text = _read(path)
    if content not in ("", found):
        raise Unusable(path, "has changed since the study was loaded")
    part = _part(kind, path, name, found, text)
    _KNOWN[kind, path, name, found] = part
    return part


_KNOWN: dict[tuple[str, str, str, str], Part] = {}
"""What has been loaded stays what it was, whatever becomes of its file."""


def completed(part: Part) -> Part:
    """A part from outside the package with what its family asks of its parts and its author left out."""
    for name in part.parameters:
        if name in RESERVED:
            raise PartError(f"{part.name}: a parameter cannot be called {name!r}")
    if part.kind == "activation":
        from sim.catalog.own_activations import complete
    elif part.kind == "surface":
        from sim.catalog.own_surfaces import complete
    else:
        return part
    return complete(part)


def _read(path: str) -> tuple[str, bytes]:
    """A file's digest and bytes."""
    try:
        text = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise Unusable(path, f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return hashlib.sha256(text).hexdigest(), text


@lru_cache(maxsize=1024)
def _part(kind: str, path: str, name: str, content: str, text: bytes) -> Part:
    collection, found = _carried_out(path, content, text)
    if (kind, name) in collection.parts:
        return collection.parts[kind, name]
    function = getattr(found.get(name), "py_func", found.get(name))  # Numba compiles it again here
    if isinstance(function, FunctionType):
        return _undecorated(kind, path, content, function, found)
    raise Unusable(path, _missing(kind, name, collection, found))


def _undecorated(kind: str, path: str, content: str, function: FunctionType, found: dict[str, Any]) -> Part:
    """A plain function as a part; a surface's traits may stand beside it in capitals."""
    family = getattr(import_module(f"sim.catalog.{KINDS[kind]}"), kind)
    assert isinstance(family, Family)
    known = ("domain", "minima") if kind == "surface" else ()
    traits = {name: found[name.upper()] for name in known if name.upper() in found}
    with _SaidOf(path), collected(path, content):
        return family(**traits)(function)


def _missing(kind: str, name: str, collection: Collection, found: dict[str, Any]) -> str:
    others = [known for known, called in collection.parts if called == name]
    if others:
        return f"holds {name!r} as {others[0]}, not as {kind}"
    names = [called for known, called in collection.parts if known == kind]
    names += [word for word, value in found.items() if isinstance(value, FunctionType) and word[0] != "_"]
    like = nearest(name, names)
    hint = f"; did you mean {like!r}?" if like else ""
    return f"has no {kind} and no function {name!r}{hint}"


class _SaidOf:
    """What goes wrong while a user's code is carried out, as one line that names file and line."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, (KeyboardInterrupt, Unusable)):
            return
        if isinstance(error, SyntaxError):
            raise Unusable(self.path, f"is not Python: {error.msg} (line {error.lineno})") from None
        raise Unusable(self.path, said(error, self.path)) from None


def said(error: BaseException, path: str) -> str:
    """An exception of the user's code in one line, with the line of the file it came from."""
    words = " ".join(str(error).split())
    line = next((line for line in reversed([*_lines(error, path)])), None)
    where = "" if line is None else f" (line {line})"
    if isinstance(error, PartError):
        return f"{words}{where}"
    return f"cannot be carried out: {type(error).__name__}{': ' * bool(words)}{words}{where}"


def _lines(error: BaseException, path: str) -> Iterator[int]:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            yield trace.tb_lineno
        trace = trace.tb_next


@lru_cache(maxsize=64)
def _carried_out(path: str, content: str, text: bytes) -> tuple[Collection, dict[str, Any]]:
    """What the file registers, and the names that it defines."""
    found: dict[str, Any] = {"__name__": f"own:{Path(path).stem}", "__file__": path}
    lines = text.decode("utf-8", "replace").splitlines(keepends=True)
    linecache.cache[path] = (len(text), None, lines, path)  # the text that runs, not what may replace it
    with _SaidOf(path), collected(path, content) as collection:
        exec(compile(text, path, "exec", dont_inherit=True), found)
    for name in _neighbours(Path(path).parent, found):
        problem = f"imports {name}, whose changes nobody would notice: a file of your own stands by itself"
        raise Unusable(path, problem)
    return collection, found


def _neighbours(folder: Path, found: dict[str, Any]) -> Iterator[str]:
    """Files of the same folder that names of the file come from."""
    for value in found.values():
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        module = sys.modules.get(name) if isinstance(name, str) else None
        file = getattr(module, "__file__", None)
        if file and str(name).partition(".")[0] not in ("sim", "__main__"):
            home = Path(file).parent if Path(file).name != "__init__.py" else Path(file).parent.parent
            if home == folder:
                yield Path(file).name


def with_traits(part: Part, **traits: Any) -> Part:
    """A part with traits added or changed."""
    return replace(part, traits=MappingProxyType({**part.traits, **traits}))
