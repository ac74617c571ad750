"""The keys of ``[comparison]`` and ``[[problem]]``: how each is read and its default.

An optimizer of a comparison: ``{name, optimizer = part, search = {lr = {start, stop, scale}, beta = [...]},
sampler, default = {lr = 0.01}}``. ``optimizer`` is the part with what is fixed, by default the part called
``name``. A range of a grid has ``num`` values, or as many as make the trials of the comparison; Sobol's
points lie anywhere in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from sim.catalog.registry import REQUIRED, Part
from sim.study.choices import Choice
from sim.study.comparison import CRITERIA, SAMPLERS, Axis, Comparison, Entrant
from sim.study.factors import COMMON, Key, only_keys
from sim.study.model import METRICS
from sim.study.parts import choices, parameter, part_of
from sim.study.values import Reader, Trouble, identifier, inside, integer, key, number, word

MOST_TRIALS, MOST_SEEDS = 10_000, 100_000


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Trouble(value, "is not a list of optimizers")
    return tuple(inside(f"[{place}]", identifier, name) for place, name in enumerate(value))


RULES: Mapping[str, Key] = {
    "trials": Key(integer(2, MOST_TRIALS), 9),
    "tuning_seeds": Key(integer(1, MOST_SEEDS), 3),
    "target_seeds": Key(integer(1, MOST_SEEDS), 10),
    "report_seeds": Key(integer(1, MOST_SEEDS), 30),
    "criterion": Key(word(*CRITERIA), "final"),
    "tie": Key(number(0), 0.01),
    "extend": Key(integer(0, 20), 2),
    "founding": Key(_names, []),
    "slack": Key(number(0), 0.0),
}
"""The rules that all optimizers share."""

COMPARISON_KEYS = (*RULES, "sampler", "optimizer")
ENTRANT_KEYS = ("name", "optimizer", "search", "sampler", "default")
RANGE_KEYS = ("start", "stop", "num", "scale")


def comparison(value: Any) -> Comparison:
    """Reads the whole table; the number of trials is the same for every optimizer."""
    if not isinstance(value, dict):
        raise Trouble(value, "is not a table: write [comparison]")
    only_keys(value, COMPARISON_KEYS)
    rules = {
        name: inside(f".{name}", rule.read, value.get(name, rule.default)) for name, rule in RULES.items()
    }
    sampler = inside(".sampler", word(*SAMPLERS), value.get("sampler", "grid"))
    if "optimizer" not in value:
        raise Trouble("optimizer", "is missing: write [[comparison.optimizer]]")
    entrants = inside(".optimizer", _entrants(rules["trials"], sampler), value["optimizer"])
    names = [entrant.name for entrant in entrants]
    for place, name in enumerate(rules["founding"]):
        if name not in names:
            raise Trouble(name, "is no optimizer of this comparison", names, f".founding[{place}]")
    return Comparison(entrants, **rules)


def _entrants(trials: int, sampler: str) -> Reader:
    def read(value: Any) -> tuple[Entrant, ...]:
        if not isinstance(value, list) or not value:
            raise Trouble(value, "is not a list of optimizers: write [[comparison.optimizer]]")
        found: dict[str, Entrant] = {}
        for place, entry in enumerate(value):
            entrant = inside(f"[{place}]", lambda entry: _entrant(entry, trials, sampler), entry)
            if entrant.name in found:
                raise Trouble(entrant.name, "is the name of an earlier optimizer", path=f"[{place}].name")
            found[entrant.name] = entrant
        return tuple(found.values())

    return read


def _entrant(value: Any, trials: int, sampler: str) -> Entrant:
    if not isinstance(value, dict):
        raise Trouble(value, "is not a table like {name, search}")
    only_keys(value, ENTRANT_KEYS)
    if "name" not in value:
        raise Trouble("name", "is missing")
    name = inside(".name", identifier, value["name"])
    sampler = inside(".sampler", word(*SAMPLERS), value.get("sampler", sampler))
    part, named, fixed = _fixed(value.get("optimizer", name))
    search = inside(".search", lambda given: _search(given, part, trials, sampler), value.get("search"))
    for axis in search:
        if axis.name in fixed:
            raise Trouble(axis.name, "is searched already", path=f".optimizer.{key(axis.name)}")
    first = {axis.name: axis.values[0] for axis in search}
    return Entrant(
        name,
        inside(".optimizer", _one, {**named, **fixed, **first}),
        search,
        sampler,
        inside(".default", lambda given: _default(given, part, named, fixed), value.get("default", {})),
    )


def _fixed(value: Any) -> tuple[Part, dict[str, Any], dict[str, Any]]:
    """The part that an optimizer is, what names it, and the parameters that are fixed."""
    table = {"name": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        raise Trouble(value, "is neither the name of an optimizer nor a table with one", path=".optimizer")
    part = inside(".optimizer", lambda entry: part_of("optimizer", entry), table)
    named = {word: table[word] for word in ("path", "name") if word in table}
    return part, named, {word: entry for word, entry in table.items() if word not in named}


def _one(value: Any) -> Choice:
    """Exactly one optimizer."""
    found = choices("optimizer")(value)
    if len(found) != 1:
        raise Trouble(value, "is more than one optimizer: write lists under search")
    choice = found[0]
    assert isinstance(choice, Choice)
    return choice


def _default(value: Any, part: Part, named: Mapping[str, Any], fixed: Mapping[str, Any]) -> Choice:
    """The optimizer as a user who does not tune takes it; what has no default must be written here."""
    if not isinstance(value, dict):
        raise Trouble(value, "is not a table like {lr = 0.01}")
    for name, default in part.parameters.items():
        if default is REQUIRED and name not in fixed and name not in value:
            raise Trouble(name, f"is missing: {part.name} has no default for it", path=f".{key(name)}")
    return _one({**named, **fixed, **value})


def _search(value: Any, part: Part, trials: int, sampler: str) -> tuple[Axis, ...]:
    """Axes that come to exactly the trials of the comparison."""
    if not isinstance(value, dict) or not value:
        raise Trouble(value, 'is no table of parameters like {lr = {start = 1e-4, stop = 1, scale = "log"}}')
    only_keys(value, tuple(part.parameters))
    free = [name for name, entry in value.items() if isinstance(entry, dict) and "num" not in entry]
    if sampler == "sobol":
        return tuple(_axis(name, entry, part, trials) for name, entry in value.items())
    if len(free) > 1:
        raise Trouble("num", "is missing: only one range may have it left out", path=f".{key(free[1])}")
    bound = {name: _axis(name, entry, part, 0) for name, entry in value.items() if name not in free}
    count = prod(len(axis.values) for axis in bound.values())
    if free:
        if trials % count or trials // count < 2:
            problem = f"values of the other parameters do not divide the {trials} trials into two or more"
            raise Trouble(count, problem, path=f".{key(free[0])}")
        bound[free[0]] = _axis(free[0], value[free[0]], part, trials // count)
    elif count != trials:
        raise Trouble(count, f"settings are not the {trials} trials that every optimizer has")
    return tuple(bound[name] for name in value)


def _axis(name: str, value: Any, part: Part, num: int) -> Axis:
    """The values of one parameter; ``num`` is how many a range has that does not say."""
    path, read = f".{key(name)}", parameter(part, name)
    if not isinstance(value, dict):
        values = inside(path, read, value)
        return Axis(name, tuple(values))
    full = {"num": num, **value}
    values = inside(path, read, full)
    if len(values) < 2:
        raise Trouble(value, "leaves no range: write the value", path=path)
    return Axis(name, tuple(values), full.get("scale", "linear"))


PROBLEM: Mapping[str, Key] = {
    **{
        name: known
        for name, known in COMMON.items()
        if name not in ("optimizer", "replicates", "target", "measure")
    },
    "measure": Key(COMMON["measure"].read, ["train", "test"]),
    "metric": Key(word(*METRICS), "train_loss"),
    "level": Key(number(0)),
}
"""What a problem may hold besides its name and its question; each factor has one value."""
