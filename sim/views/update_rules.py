"""An optimizer's update written out: read from the very function that the kernels compile."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sim.study import Choice
from sim.views.formulas import evaluate, renamed, substituted

PARAMETER, GRADIENT = "theta", "g"


@dataclass(frozen=True)
class Assignment:
    """``target`` becomes what ``formula`` says."""

    target: str
    formula: str
    returned: bool = False
    """Whether it stands in the return: nothing sees it in this step."""


@dataclass(frozen=True)
class UpdateRule:
    """What an elementwise optimizer does to one parameter in one step."""

    choice: Choice

    @cached_property
    def rule(self) -> Any:
        """The rule its settings choose."""
        return self.choice.part.rule(self.choice.settings)

    @cached_property
    def names(self) -> list[str]:
        """What the rule's arguments are called: θ, g, the slots, the numbers of the step."""
        return [PARAMETER, GRADIENT, *list(inspect.signature(self.rule.update).parameters)[2:]]

    @property
    def slots(self) -> dict[str, str]:
        """Slot → what the rule calls it."""
        if not self.rule.elementwise:
            return {slot: slot for slot in self.rule.slots}
        return dict(zip(self.rule.slots, self.names[2:], strict=False))

    def numbers(self, step: int) -> dict[str, float]:
        """What stays the same over a step (1, 2, …), by name."""
        if not self.rule.elementwise:
            return {}
        part, choices = self.choice.part, self.choice.part.traits.get("choices", {})
        settings = self.choice.settings
        plain = [choices[name].index(value) if name in choices else value for name, value in settings.items()]
        values = part.function(float(step), *map(float, plain))
        return dict(zip(self.names[2 + len(self.rule.slots) :], map(float, values), strict=False))

    @cached_property
    def assignments(self) -> tuple[Assignment, ...]:
        """The update line by line; empty where no formulas tell it, as for rules of whole tensors."""
        if not self.rule.elementwise:
            return ()
        try:
            source = textwrap.dedent(inspect.getsource(self.rule.update))
            return tuple(self._lines(ast.parse(source).body[0]))
        except (OSError, SyntaxError, TypeError, _Unwritable):
            return ()

    def _lines(self, function: Any) -> list[Assignment]:
        own = [argument.arg for argument in function.args.args[:2]]
        as_told = dict(zip(own, (PARAMETER, GRADIENT), strict=True))

        def formula(node: ast.expr) -> str:
            return renamed(_formula(node), as_told)

        found: list[Assignment] = []
        for statement in function.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                target = statement.targets[0].id
                found.append(Assignment(as_told.get(target, target), formula(statement.value)))
            elif isinstance(statement, ast.Return) and isinstance(statement.value, ast.Tuple):
                targets = [PARAMETER, *self.slots.values()]
                for target, value in zip(targets, statement.value.elts, strict=True):
                    if not (isinstance(value, ast.Name) and as_told.get(value.id, value.id) == target):
                        found.append(Assignment(target, formula(value), returned=True))
                return found
            elif not isinstance(statement, ast.Expr):
                raise _Unwritable
        raise _Unwritable

    def carried_out(self, values: Mapping[str, float]) -> Iterator[tuple[Assignment, ast.expr, float]]:
        """Line by line: the formula with the numbers that stand there by then, and its value."""
        seen = dict(values)
        for line in self.assignments:
            value = evaluate(line.formula, seen)
            yield line, substituted(line.formula, seen), value
            if not line.returned:
                seen[line.target] = value


class _Unwritable(Exception):
    """A statement or an expression that no formula can say."""


def _formula(node: ast.expr) -> str:
    return ast.unparse(_Plain().visit(node))


class _Plain(ast.NodeTransformer):
    """Kernels' functions as the operations they are."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = ast.unparse(node.func).rpartition(".")[2]
        if name == "fma":
            return _multiply_add(*node.args)
        if name == "where":
            condition, yes, no = node.args
            return ast.IfExp(condition, yes, no)
        known = {"maximum": "max", "minimum": "min", "absolute": "abs", "sqrt": "sqrt", "sign": "sign"}
        if name not in known:
            raise _Unwritable
        return ast.Call(ast.Name(known[name], ast.Load()), node.args, [])

    def generic_visit(self, node: Any) -> Any:
        known = (
            ast.Call, ast.Name, ast.Load, ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop,
            ast.Compare, ast.cmpop, ast.IfExp,
        )  # fmt: skip
        if not isinstance(node, known):
            raise _Unwritable
        return super().generic_visit(node)


def _multiply_add(a: ast.expr, b: ast.expr, c: ast.expr) -> ast.expr:
    """c + a·b, or c − a·b where a begins with a minus."""
    if isinstance(a, ast.UnaryOp) and isinstance(a.op, ast.USub):
        return ast.BinOp(c, ast.Sub(), ast.BinOp(a.operand, ast.Mult(), b))
    return ast.BinOp(c, ast.Add(), ast.BinOp(a, ast.Mult(), b))
