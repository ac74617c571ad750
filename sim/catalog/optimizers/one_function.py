"""An optimizer written as one function, the way it stands in a paper::

    @optimizer(state=("velocity",))
    def my_rule(theta, g, velocity, step, lr=0.01, beta=0.9):
        velocity = beta * velocity + g
        return theta - lr * velocity / (1 - beta**step), velocity

It is taken apart into the two functions that an optimizer is (see :mod:`sim.catalog.optimizers`).
What depends on the number of the step and on hyperparameters alone, 1 − βᵗ here, is computed
once a step and in float64; a division by it is a multiplication by its inverse, which takes a
tenth of the time.  The rest is the rule, run over every parameter.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from types import FunctionType
from typing import Any

from sim.catalog.optimizers.family import Rule
from sim.catalog.registry import PartError, nearest
from sim.catalog.rewriting import FloatLiterals, definition, rebuilt

STEP = "step"
NUMERIC = (ast.BinOp, ast.Call, ast.IfExp, ast.UnaryOp, ast.Name, ast.Subscript, ast.Attribute)
"""Expressions that may be computed ahead; a comparison stays where it is, for its result is no number."""
OF_THEIR_OWN = (ast.For, ast.While, ast.FunctionDef, ast.Lambda, ast.ListComp, ast.GeneratorExp)
"""What is left as it stands: names within it may mean something else."""


@dataclass(frozen=True)
class Arguments:
    """The arguments of a rule in one function by what they are."""

    given: tuple[str, str]
    """What stands for θ and for g."""
    slots: tuple[str, ...]
    step: bool
    hyperparameters: dict[str, Any]


def arguments_of(function: Callable[..., Any], state: str | Sequence[str]) -> Arguments:
    """The arguments, sorted out; PartError for one that is nothing known."""
    slots = (state,) if isinstance(state, str) else tuple(state)
    described = list(inspect.signature(function).parameters.values())
    names, called = [entry.name for entry in described], function.__name__
    if any(entry.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD for entry in described):
        raise PartError(f"{called}: *, ** and / have no place among its arguments")
    if len(described) < 2:
        raise PartError(f"{called}: must take a parameter and its gradient first, then state, step, lr")
    for slot in slots:
        if slot not in names[2:]:
            raise PartError(f"{called}: state {slot!r} is no argument of it{_like(slot, names[2:])}")
    if tuple(names[2 : 2 + len(slots)]) != slots:
        order = ", ".join((*names[:2], *slots))
        raise PartError(f"{called}: the state must follow the gradient, in its order: {order}, …")
    rest = described[2 + len(slots) :]
    stepped = bool(rest) and rest[0].name == STEP
    hyperparameters = {entry.name: entry.default for entry in rest[stepped:]}
    for name, default in hyperparameters.items():
        if default is inspect.Parameter.empty and name != "lr":
            known = "is neither state, step nor lr, and a hyperparameter needs a default"
            raise PartError(f"{called}: argument {name!r} {known}{_like(name, [*slots, STEP, 'lr'])}")
    return Arguments((names[0], names[1]), slots, stepped, hyperparameters)


def _like(name: str, names: list[str]) -> str:
    like = nearest(name, names)
    return f"; did you mean {like!r}?" if like else ""


def taken_apart(function: Callable[..., Any], state: str | Sequence[str]) -> tuple[FunctionType, Rule]:
    """The function of the step's numbers and the rule."""
    arguments = arguments_of(function, state)
    tree = definition(function)
    first = {*arguments.given, *arguments.slots}
    varying = _varying(tree.body, first, {STEP, *arguments.hyperparameters})
    ahead = [statement for statement in tree.body if _is_ahead(statement, varying)]
    constant = {STEP, *arguments.hyperparameters, *_assigned(ahead)} - varying
    mover = _Mover(constant, varying, function)
    body = [mover.visit(entry) for entry in tree.body if entry not in ahead and not _is_text(entry)]
    if not arguments.slots:
        _return_tuples(body)
    needed = constant | {STEP, *arguments.hyperparameters}
    numbers = [name for name in _named(body) if name in needed or name in mover.moved]

    update = _function(tree, [*arguments.given, *arguments.slots, *numbers], FloatLiterals().visit, body)
    moved: list[ast.stmt] = [_assignment(name, value) for name, value in mover.moved.items()]
    returned = ast.Return(ast.Tuple([ast.Name(name, ast.Load()) for name in numbers], ast.Load()))
    fixed = _function(tree, [STEP, *arguments.hyperparameters], lambda node: node, [*ahead, *moved, returned])
    for made in (*moved, returned):
        ast.copy_location(made, tree.body[-1])
    constants = rebuilt(fixed, function)
    constants.__defaults__ = tuple(
        default for default in arguments.hyperparameters.values() if default is not inspect.Parameter.empty
    )
    constants.__doc__, constants.__annotations__ = function.__doc__, dict(function.__annotations__)
    return constants, Rule(rebuilt(update, function), arguments.slots)


def _function(
    tree: ast.FunctionDef, names: Sequence[str], change: Callable[[Any], Any], body: list[Any]
) -> ast.FunctionDef:
    made = ast.parse(f"def {tree.name}({', '.join(names)}): pass").body[0]
    assert isinstance(made, ast.FunctionDef)
    made.body = [change(statement) for statement in body]
    return ast.copy_location(made, tree)


def _assignment(name: str, value: ast.expr) -> ast.Assign:
    return ast.copy_location(ast.Assign([ast.Name(name, ast.Store())], value, None), value)


def _return_tuples(body: Sequence[ast.stmt]) -> None:
    """A rule without state may return θ alone."""
    for statement in body:
        if isinstance(statement, ast.Return) and statement.value is not None:
            alone = not isinstance(statement.value, ast.Tuple)
            statement.value = ast.Tuple([statement.value], ast.Load()) if alone else statement.value
            ast.copy_location(statement.value, statement)
        if isinstance(statement, ast.If):
            _return_tuples([*statement.body, *statement.orelse])


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _varying(body: Sequence[ast.stmt], first: set[str], known: set[str]) -> set[str]:
    """Names whose value differs from parameter to parameter, or that get a value more than once."""
    varying, seen = set(first), set(known)
    for statement in body:
        for name in set(_assigned([statement])):
            (varying if name in seen else seen).add(name)
    while True:
        found = {name for entry in body if not _is_ahead(entry, varying) for name in _assigned([entry])}
        if found <= varying:
            return varying
        varying |= found


def _is_ahead(statement: ast.stmt, varying: set[str]) -> bool:
    """Whether a whole statement can be carried out once a step."""
    if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.If, ast.For, ast.While)):
        return False
    inside = list(ast.walk(statement))
    values = [node.value for node in inside if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value]
    if any(isinstance(value, (ast.Compare, ast.BoolOp)) or _is_not(value) for value in values):
        return False
    named = {node.id for node in inside if isinstance(node, ast.Name)}
    return not named & varying and not any(isinstance(node, ast.Return) for node in inside)


def _is_not(value: ast.expr) -> bool:
    return isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.Not)


def _assigned(statements: Iterable[ast.stmt]) -> list[str]:
    inside = [node for statement in statements for node in ast.walk(statement)]
    return [node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def _named(statements: Iterable[ast.AST]) -> list[str]:
    inside = [node for statement in statements for node in ast.walk(statement)]
    return list(dict.fromkeys(node.id for node in inside if isinstance(node, ast.Name)))


class _Mover(ast.NodeTransformer):
    """Takes out of the rule the largest expressions that are the same for all parameters."""

    def __init__(self, constant: set[str], varying: set[str], function: Callable[..., Any]) -> None:
        self.constant, self.varying = constant, varying
        self.outside = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
        self.moved: dict[str, ast.expr] = {}

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.expr) and self._may_move(node):
            name = next((name for name, known in self.moved.items() if _same(known, node)), None)
            name = name or f"_number_{len(self.moved) + 1}"
            self.moved.setdefault(name, node)
            return ast.copy_location(ast.Name(name, ast.Load()), node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and self._is_number(node.right):
            inverse = ast.copy_location(ast.BinOp(ast.Constant(1.0), ast.Div(), node.right), node)
            node = ast.copy_location(ast.BinOp(node.left, ast.Mult(), inverse), node)
        return self.generic_visit(node)

    def _is_number(self, node: ast.expr) -> bool:
        """Whether an expression is a number of the step."""
        return self._may_move(node) or (isinstance(node, ast.Name) and node.id in self.constant)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, OF_THEIR_OWN):
            return node  # what is computed in a loop may depend on its round
        if isinstance(node, ast.Call):
            node.args = [self.visit(argument) for argument in node.args]  # the function itself stays
            return node
        return super().generic_visit(node)

    def _may_move(self, node: ast.expr) -> bool:
        if not isinstance(node, NUMERIC) or _is_not(node):
            return False
        names = [entry for entry in ast.walk(node) if isinstance(entry, ast.Name)]
        if any(isinstance(entry.ctx, ast.Store) or entry.id in self.varying for entry in names):
            return False
        if isinstance(node, (ast.Name, ast.Attribute)):
            return isinstance(self._value(node), Real)
        return any(entry.id in self.constant for entry in names)

    def _value(self, node: ast.expr) -> Any:
        """The number that a name from outside stands for, such as math.pi; None for one of the function."""
        if isinstance(node, ast.Attribute):
            return getattr(self._value(node.value), node.attr, None)
        if isinstance(node, ast.Name) and node.id not in self.constant:
            return self.outside.get(node.id)
        return None


def _same(one: ast.expr, other: ast.expr) -> bool:
    return ast.dump(one) == ast.dump(other)
