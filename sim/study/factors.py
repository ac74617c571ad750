"""The table of factors and settings: how each key of a grid is read, and what it is without being written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sim.study.choices import HOMES
from sim.study.model import MEASURES, METRICS, Checkpoints, Target
from sim.study.parts import choices, patterns
from sim.study.values import (
    SCALES,
    Reader,
    Trouble,
    either,
    flag,
    identifier,
    inside,
    integer,
    key,
    listed,
    number,
    word,
)

UNSET = object()
"""Default of a key that has none: it is left out where it is not written."""


@dataclass(frozen=True)
class Key:
    """A key of a grid: ``read`` checks its value, ``default`` is the value as a file would write it."""

    read: Reader
    default: Any = UNSET


def _part(kind: str, default: str) -> Key:
    return Key(choices(kind), default)


def _whole(low: int, high: int, default: Any = UNSET) -> Key:
    return Key(listed(integer(low, high), whole=True), default)


FACTORS: Mapping[str, Key] = {
    "dataset": _part("dataset", "digits"),
    "samples": Key(listed(either("all", integer(1)), whole=True), "all"),
    "scaling": _part("scaling", "standardize"),
    "depth": _whole(0, 128, 2),
    "width": _whole(1, 4096, 32),
    "activation": _part("activation", "tanh"),
    "initializer": _part("initializer", "glorot_normal"),
    "bias": _part("bias", "zeros"),
    "normalizer": _part("normalizer", "none"),
    "residual": Key(listed(flag), False),
    "dropout": Key(listed(number(0, 1, below=True)), 0.0),
    "loss": Key(choices("loss", "auto"), "auto"),
    "optimizer": Key(choices("optimizer"), {"name": "sgd", "lr": 0.1}),
    "schedule": _part("schedule", "constant"),
    "weight_decay": Key(listed(number(0)), 0.0),
    "decay": Key(listed(word("l2", "decoupled")), "l2"),
    "clipping": _part("clipping", "none"),
    "batch_size": Key(listed(either("full", integer(1)), whole=True), 32),
    "steps": _whole(1, 100_000_000),
    "epochs": _whole(1, 1_000_000),
}
"""Every factor in the order of the product: the first varies slowest. Exactly one of steps, epochs."""

LENGTHS = ("steps", "epochs")


def _checkpoints(value: Any) -> Checkpoints:
    """``11`` or ``{num = 11, scale = "log"}``."""
    table = value if isinstance(value, dict) else {"num": value}
    only_keys(table, ("num", "scale"))
    if "num" not in table:
        raise Trouble("num", "is missing")
    path = ".num" if isinstance(value, dict) else ""
    num = inside(path, integer(2, 10_000), table["num"])
    return Checkpoints(num, inside(".scale", word(*SCALES), table.get("scale", "linear")))


def _measure(value: Any) -> tuple[str, ...]:
    """Names of what is measured, kept in one order however they are written."""
    if not isinstance(value, list):
        raise Trouble(value, "is not a list", MEASURES)
    for index, entry in enumerate(value):
        inside(f"[{index}]", word(*MEASURES), entry)
    return tuple(measure for measure in MEASURES if measure in value)


def _targets(value: Any) -> tuple[Target, ...]:
    """A list of ``{name, metric, value}`` with different names; the first is the primary one."""
    if not isinstance(value, list):
        raise Trouble(value, "is not a list of targets")
    found = tuple(inside(f"[{index}]", _target, entry) for index, entry in enumerate(value))
    names = [target.name for target in found]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise Trouble(name, "is the name of an earlier target", path=f"[{index}].name")
    return found


def _target(value: Any) -> Target:
    if not isinstance(value, dict):
        raise Trouble(value, "is not a table like {name, metric, value}")
    only_keys(value, ("name", "metric", "value"))
    for name in ("name", "metric", "value"):
        if name not in value:
            raise Trouble(name, "is missing", path=f".{name}")
    metric = inside(".metric", word(*METRICS), value["metric"])
    level = number(0, 1) if metric.endswith("accuracy") else number(0)
    return Target(inside(".name", identifier, value["name"]), metric, inside(".value", level, value["value"]))


def only_keys(table: dict[str, Any], known: tuple[str, ...]) -> None:
    """Raise Trouble for a key that is not known."""
    for name in table:
        if name not in known:
            raise Trouble(name, "is not a key here", known, path="" if name in known else f".{key(name)}")


SETTINGS: Mapping[str, Key] = {
    "precision": Key(word("float32", "float64"), "float64"),
    "checkpoints": Key(_checkpoints, 11),
    "evaluate": Key(either("all", integer(1)), 256),
    "test_fraction": Key(number(0, 1, above=True, below=True), 0.2),
    "measure": Key(_measure, list(MEASURES)),
    "target": Key(_targets, []),
    "diverged_above": Key(number(1, above=True), 1000.0),
}
"""Keys that all networks of a grid share."""

COMMON: Mapping[str, Key] = {**FACTORS, "replicates": Key(integer(1, 1_000_000), 1), **SETTINGS}
"""What ``[defaults]`` may hold."""


def rows(value: Any, exact: bool) -> tuple[dict[str, tuple[Any, ...]], ...]:
    """``include`` (exact) or ``exclude`` rows: tables of factor -> value or list of values."""
    if not isinstance(value, list):
        raise Trouble(value, "is not a list of rows like {depth = 10}")
    return tuple(inside(f"[{index}]", lambda row: _row(row, exact), row) for index, row in enumerate(value))


def _row(value: Any, exact: bool) -> dict[str, tuple[Any, ...]]:
    if not isinstance(value, dict) or not value:
        raise Trouble(value, "is not a row like {depth = 10}", FACTORS)
    for name in value:
        if name not in FACTORS:
            raise Trouble(name, "is not a factor", FACTORS)
    read = {}
    for name, factor in FACTORS.items():
        if name in value:
            special = "auto" if name == "loss" else None
            reader = factor.read if exact or name not in HOMES else patterns(name, special)
            read[name] = inside(f".{name}", reader, value[name])
    return read


GRID: Mapping[str, Key] = {
    **COMMON,
    "exclude": Key(lambda value: rows(value, exact=False), []),
    "include": Key(lambda value: rows(value, exact=True), []),
}
"""What a grid may hold besides its name and its question."""
