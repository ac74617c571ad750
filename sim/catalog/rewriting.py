"""A function's source, rewritten: what the compiler would do badly with code as people write it.

The text is that of the file (or cell) the function stands in; lines keep their numbers, so that
whatever is wrong with it is said of the line its author knows.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from types import FunctionType
from typing import Any

from sim.catalog.registry import PartError


def definition(function: Callable[..., Any]) -> ast.FunctionDef:
    """The function's syntax tree; PartError where its text cannot be read."""
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        raise PartError(
            f"{function.__name__}: its source cannot be read; write it into a file or a notebook"
        ) from None
    found = next((node for node in tree.body if isinstance(node, ast.FunctionDef)), None)
    if found is None:
        raise PartError(f"{function.__name__}: is not a function of its own (def {function.__name__}(…):)")
    ast.increment_lineno(tree, first - 1)
    found.decorator_list = []
    return found


def rebuilt(tree: ast.FunctionDef, function: Callable[..., Any]) -> FunctionType:
    """The function of a changed syntax tree, among the names that ``function`` sees, without defaults."""
    tree.args.defaults = []
    tree.returns = None
    for argument in tree.args.args:
        argument.annotation = None
    module = ast.fix_missing_locations(ast.Module([tree], []))
    seen = {**function.__globals__, **inspect.getclosurevars(function).nonlocals}
    names: dict[str, Any] = {}
    exec(compile(module, function.__code__.co_filename, "exec", dont_inherit=True), seen, names)
    made: FunctionType = names[tree.name]
    made.__module__ = function.__module__
    return made


class FloatLiterals(ast.NodeTransformer):
    """Whole numbers made floats: to the compiler, 2 · x of a float32 x is float64, 2.0 · x is not.

    Exponents and indices stay whole.
    """

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.copy_location(ast.Constant(float(node.value)), node) if type(node.value) is int else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        node.left = self.visit(node.left)
        if not isinstance(node.op, ast.Pow):
            node.right = self.visit(node.right)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        return node

    def visit_For(self, node: ast.For) -> ast.AST:
        node.body = [self.visit(statement) for statement in node.body]
        return node


def with_float_literals(function: Callable[..., Any]) -> FunctionType:
    """A copy of a function whose whole numbers are floats."""
    made = rebuilt(FloatLiterals().visit(definition(function)), function)
    made.__defaults__, made.__doc__ = function.__defaults__, function.__doc__
    made.__annotations__ = dict(function.__annotations__)
    return made
