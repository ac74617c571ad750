"""The keys of ``[[example]]``: one small network, written down whole.

::

    [[example]]
    name = "two_units"
    layers = [2, 2, 1]                      # inputs, hidden units …, outputs
    weights = [[[0.1, 0.2], [0.3, 0.4]], [[0.5, 0.6]]]      # a matrix a layer, a row a unit
    biases = [[0.0, 0.0], [0.0]]
    inputs = [[1.0, 0.0]]                   # a row a sample; all samples make one update an epoch
    targets = [[1.0]]
    activation = "tanh"                     # of hidden layers
    output = "sigmoid"                      # of the last layer
    optimizer = {name = "momentum", lr = 0.5}
    epochs = 100
    trace = [0, 99]                         # epochs written out; the first two and the last unless written
    frozen = ["biases"]                     # biases, weights, weights[0], or a parameter's own name
    said = {beta = 0.5}                     # what the source's words give instead; trained and compared
    published = [{epoch = 0, loss = 0.136}] # figures to compare with, digit by digit
    source = "…"                            # where they come from
    note = "…"                              # what is to be said of them
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from keyword import iskeyword
from typing import Any

from sim.catalog.registry import REQUIRED
from sim.study.example_model import Printed
from sim.study.factors import Key
from sim.study.parts import choices
from sim.study.values import Reader, Trouble, inside, integer, key, number, text

MOST_EPOCHS = 1_000_000
MOST_TRACED = 1000


def _single(reader: Reader) -> Reader:
    """One value of what else may be a list."""

    def read(value: Any) -> Any:
        found = reader(value)
        if len(found) != 1:
            raise Trouble(value, "is more than one: an example has one")
        return found[0]

    return read


def _rows(reader: Reader, depth: int, what: str) -> Reader:
    """Reads nested lists of ``depth`` levels into tuples."""

    def read(value: Any) -> Any:
        if not isinstance(value, list) or not value:
            raise Trouble(value, f"is not {what}")
        below = reader if depth == 1 else _rows(reader, depth - 1, what)
        return tuple(inside(f"[{place}]", below, entry) for place, entry in enumerate(value))

    return read


def _name(value: Any) -> str:
    """A parameter's name: letters, digits after them, and a part after _ if there is one."""
    if (
        not isinstance(value, str)
        or not re.fullmatch(r"[A-Za-z]+\d*(_[A-Za-z0-9]+)?", value)
        or len(value) > 20
        or iskeyword(value)
    ):
        raise Trouble(value, "is not a name such as w11, b3 or w1_21")
    return value


def _epochs(value: Any) -> tuple[int, ...]:
    """The epochs to be written out, ascending."""
    given = value if isinstance(value, list) else [value]
    if len(given) > MOST_TRACED:
        raise Trouble(len(given), f"epochs are more than {MOST_TRACED} to write out")
    found = [inside(f"[{place}]", integer(0, MOST_EPOCHS), epoch) for place, epoch in enumerate(given)]
    return tuple(sorted(set(found)))


def _words(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Trouble(value, 'is not a list of names like ["biases"]')
    return tuple(dict.fromkeys(inside(f"[{place}]", text, word) for place, word in enumerate(value)))


def _said(value: Any) -> dict[str, Any]:
    """Hyperparameters; the loader knows of which optimizer."""
    if not isinstance(value, dict) or not value:
        raise Trouble(value, "is no table of hyperparameters like {beta = 0.5}")
    return value


def _published(value: Any) -> tuple[Printed, ...]:
    if not isinstance(value, list):
        raise Trouble(value, "is not a list of tables like {epoch = 0, loss = 0.136}")
    return tuple(inside(f"[{place}]", _printed, row) for place, row in enumerate(value))


def _printed(value: Any) -> Printed:
    if not isinstance(value, dict) or "epoch" not in value or len(value) < 2:
        raise Trouble(value, "is not a table like {epoch = 0, loss = 0.136}")
    epoch = inside(".epoch", integer(0, MOST_EPOCHS), value["epoch"])
    names = [name for name in value if name != "epoch"]
    figures = ((name, inside(f".{key(name)}", _figure, value[name])) for name in names)
    return Printed(epoch, tuple(figures))


def _figure(value: Any) -> str:
    """A number as it was printed: in quotes where it ends in zeros."""
    try:
        digits = value if isinstance(value, str) else repr(number()(value))
        if Decimal(digits).is_finite():
            return digits
    except InvalidOperation:
        pass
    raise Trouble(value, "is not a finite number")


EXAMPLE: Mapping[str, Key] = {
    "source": Key(text, ""),
    "note": Key(text, ""),
    "layers": Key(_rows(integer(1, 1000), 1, "a list of layer sizes like [3, 2, 1]"), REQUIRED),
    "activation": Key(_single(choices("activation")), "sigmoid"),
    "output": Key(_single(choices("activation")), "linear"),
    "loss": Key(_single(choices("loss")), "half_squared_error"),
    "weights": Key(_rows(number(), 3, "a list of matrices, a row a unit"), REQUIRED),
    "biases": Key(_rows(number(), 2, "a list of rows, one a layer"), REQUIRED),
    "weight_names": Key(_rows(_name, 3, "a list of matrices of names, a row a unit"), None),
    "bias_names": Key(_rows(_name, 2, "a list of rows of names, one a layer"), None),
    "inputs": Key(_rows(number(), 2, "a list of samples, a row each"), REQUIRED),
    "targets": Key(_rows(number(), 2, "a list of targets, a row a sample"), REQUIRED),
    "optimizer": Key(choices("optimizer"), {"name": "sgd", "lr": 0.1}),
    "said": Key(_said, None),
    "epochs": Key(integer(1, MOST_EPOCHS), REQUIRED),
    "trace": Key(_epochs, None),
    "frozen": Key(_words, []),
    "published": Key(_published, []),
}
"""What an example may hold besides its name and its question; what is REQUIRED must be written."""

EXAMPLE_DEFAULTS: Mapping[str, Key] = {name: EXAMPLE[name] for name in ("optimizer", "epochs", "trace")}
"""Those that ``[defaults]`` may hold."""
