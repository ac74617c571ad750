"""Formulas as Python expressions: evaluated, and written in Unicode, LaTeX and MathML.

What may stand in a formula: numbers; symbols such as ``a3``, ``w11``, ``w1_21``, ``beta1``; ``+ - * / **``;
``x if c else y``; the functions of :data:`FUNCTIONS`; ``partial(L, a3)``, which is ∂L/∂a₃, and ``of(v, u1)``.
A symbol's letters may be a Greek letter's name, its digits are an index; ``w1_21`` is w₂₁ of layer 1.
"""

from __future__ import annotations

import ast
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from statistics import NormalDist

Values = Mapping[str, float]
"""Symbols → numbers; a derivative's name is what :func:`partial` makes of it."""


def _sigmoid(z: float) -> float:
    return 1.0 / (1.0 + math.exp(-z)) if z > 0 else math.exp(z) / (1.0 + math.exp(z))


def _exp(z: float) -> float:
    return math.exp(z) if z < 709.0 else math.inf


def _log_sum_exp(*exponents: float) -> float:
    """ln Σ eˣ, the largest taken out first, so that nothing overflows."""
    peak = max(exponents)
    return peak if math.isinf(peak) else peak + math.log(sum(math.exp(x - peak) for x in exponents))


FUNCTIONS: dict[str, Callable[..., float]] = {
    "exp": _exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "tanh": math.tanh,
    "sin": math.sin,
    "cos": math.cos,
    "erf": math.erf,
    "abs": abs,
    "max": max,
    "min": min,
    "sigmoid": _sigmoid,
    "Phi": lambda z: 0.5 * math.erfc(-z / math.sqrt(2.0)),
    "density": NormalDist().pdf,
    "sign": lambda x: (x > 0) - (x < 0),
}
CONSTANTS = {"pi": math.pi}
LOG_SUM_EXP = "log_sum_exp"
Functions = Mapping[str, Callable[..., float]]


def partial(of: str, by: str) -> str:
    """∂of/∂by as it stands in a formula."""
    return f"partial({of}, {by})"


@cache
def parsed(formula: str) -> ast.expr:
    """The formula's tree."""
    return ast.parse(formula, mode="eval").body


def evaluate(formula: str, values: Values, functions: Functions = FUNCTIONS) -> float:
    """The formula's value: inf where it overflows, NaN where it has none; ln Σ eˣ does not overflow."""
    tree = ast.fix_missing_locations(ast.Expression(_Shifted().visit(substituted(formula, values))))
    known = {**functions, **CONSTANTS, LOG_SUM_EXP: _log_sum_exp}
    try:
        return float(eval(compile(tree, "<formula>", "eval"), {"__builtins__": {}}, known))
    except OverflowError:
        return math.inf
    except (ZeroDivisionError, ValueError):
        return math.nan


def substituted(formula: str, values: Values) -> ast.expr:
    """The formula's tree with numbers in place of the symbols that have one."""
    found: ast.expr = _Numbers(values).visit(ast.parse(formula, mode="eval").body)
    return found


def renamed(formula: str, names: Mapping[str, str]) -> str:
    """The formula with other formulas in place of some symbols and derivatives."""
    return ast.unparse(_Formulas(names).visit(ast.parse(formula, mode="eval").body))


def symbols(formula: str) -> set[str]:
    """The symbols that stand in a formula."""
    return {node.id for node in ast.walk(parsed(formula)) if isinstance(node, ast.Name)}


class _Formulas(ast.NodeTransformer):
    """Puts formulas in place of symbols and derivatives."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return parsed(self.names[node.id]) if node.id in self.names else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        written = ast.unparse(node)
        if written in self.names:
            return parsed(self.names[written])
        if not written.startswith("partial("):
            node.args = [self.visit(argument) for argument in node.args]
        return node


class _Numbers(ast.NodeTransformer):
    """Puts numbers in place of symbols and derivatives."""

    def __init__(self, values: Values) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(self.values[node.id]) if node.id in self.values else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        written = ast.unparse(node)
        if written in self.values:
            return ast.Constant(self.values[written])
        if written.startswith("partial("):
            return node
        node.args = [self.visit(argument) for argument in node.args]
        return node


class _Shifted(ast.NodeTransformer):
    """Puts ln Σ eˣ in place of log(exp(x) + …), and exp(x − ln Σ eˣ) in place of exp(x) / (exp(x) + …)."""

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if ast.unparse(node.func) == "log" and (exponents := _exponents(node.args[0])):
            return ast.Call(ast.Name(LOG_SUM_EXP, ast.Load()), exponents, [])
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        self.generic_visit(node)
        above, below = _exponents(node.left), _exponents(node.right)
        if not isinstance(node.op, ast.Div) or len(above) != 1 or not below:
            return node
        whole = ast.Call(ast.Name(LOG_SUM_EXP, ast.Load()), below, [])
        return ast.Call(ast.Name("exp", ast.Load()), [ast.BinOp(above[0], ast.Sub(), whole)], [])


def _exponents(node: ast.expr) -> list[ast.expr]:
    """x, y and 0 of exp(x) + exp(y) + 1; nothing where another term, or no exponential, is among them."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "exp":
        return list(node.args)
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)):
        return []
    sides = [
        [ast.Constant(0.0)] if isinstance(side, ast.Constant) and side.value == 1 else _exponents(side)
        for side in (node.left, node.right)
    ]
    return [*sides[0], *sides[1]] if all(sides) else []


def _value(node: ast.Constant) -> float:
    """The number that stands in a tree."""
    assert isinstance(node.value, (int, float))
    return node.value


def _signed(node: ast.expr) -> bool:
    """Whether it is written beginning with a sign."""
    if isinstance(node, ast.Constant):
        return _value(node) < 0
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
        return _signed(node.left)
    return isinstance(node, ast.UnaryOp)


def _without_sign(node: ast.expr) -> ast.expr:
    """What stands behind the sign."""
    if isinstance(node, ast.Constant):
        return ast.Constant(-_value(node))
    if isinstance(node, ast.UnaryOp):
        return node.operand
    assert isinstance(node, ast.BinOp)
    return ast.BinOp(_without_sign(node.left), node.op, node.right)


# Precedence of what stands around an operand: a looser operand gets brackets.
SUM, PRODUCT, SIGN, POWER, ATOM = range(1, 6)
Written = tuple[str, int]


class Writer(ABC):
    """Writes a tree; what a notation needs is in its methods.  ``digits`` shortens numbers."""

    def __init__(self, digits: int = 17) -> None:
        self.digits = digits

    def write(self, node: ast.expr | str) -> str:
        """The whole formula."""
        return self._of(parsed(node) if isinstance(node, str) else node)[0]

    def number(self, value: float) -> str:
        """A number: as short as it can be at 17 digits, else so many significant digits."""
        if float(value).is_integer() and abs(value) < 1e6:
            return str(int(value)).replace("-", self.minus)
        text = repr(float(value)) if self.digits >= 17 else f"{value:.{self.digits}g}"
        mantissa, _, exponent = text.partition("e")
        mantissa = mantissa.replace("-", self.minus)
        return self.scientific(mantissa, int(exponent)) if exponent else mantissa

    # What notations differ in.
    minus, times = "−", " · "

    @abstractmethod
    def scientific(self, mantissa: str, exponent: int) -> str:
        """Mantissa times a power of ten."""

    @abstractmethod
    def symbol(self, name: str) -> str:
        """A symbol by its name."""

    @abstractmethod
    def quotient(self, node: ast.BinOp) -> Written:
        """A quotient."""

    @abstractmethod
    def power(self, base: str, exponent: str) -> str:
        """base to the exponent, the base in brackets already where it needs them."""

    @abstractmethod
    def call(self, name: str, arguments: list[str]) -> str:
        """A function of arguments."""

    @abstractmethod
    def cases(self, yes: str, condition: str, no: str) -> str:
        """One of two values."""

    def bracket(self, inside: str) -> str:
        """In brackets."""
        return f"({inside})"

    def operator(self, sign: str) -> str:
        """A sign between two operands."""
        return f" {sign} "

    # The tree.
    def _of(self, node: ast.expr) -> Written:
        if isinstance(node, ast.Constant):
            value = _value(node)
            compound = value < 0 or "e" in f"{value:.{min(self.digits, 17)}g}"
            return self.number(value), SIGN if compound else ATOM
        if isinstance(node, ast.Name):
            return self.symbol(node.id), ATOM
        if isinstance(node, ast.UnaryOp):
            return self.operator(self.minus).strip() + self._unsigned(node.operand, PRODUCT), SIGN
        if isinstance(node, ast.BinOp):
            return self._binary(node)
        if isinstance(node, ast.IfExp):
            return self.cases(*(self.write(part) for part in (node.body, node.test, node.orelse))), SUM
        if isinstance(node, ast.Compare):
            sign = {ast.Gt: ">", ast.Lt: "<", ast.GtE: "≥", ast.LtE: "≤", ast.Eq: "="}[type(node.ops[0])]
            return self.write(node.left) + self.operator(sign) + self.write(node.comparators[0]), SUM
        assert isinstance(node, ast.Call)
        return self._call(node)

    def _at(self, node: ast.expr, least: int) -> str:
        """An operand, in brackets where it binds less tightly than ``least``."""
        written, binds = self._of(node)
        return written if binds >= least else self.bracket(written)

    def _binary(self, node: ast.BinOp) -> Written:
        kind = type(node.op)
        if kind in (ast.Add, ast.Sub):
            sign = "+" if kind is ast.Add else self.minus
            if kind is ast.Add and _signed(node.right):
                without = self._at(_without_sign(node.right), PRODUCT)
                return self._at(node.left, SUM) + self.operator(self.minus) + without, SUM
            return self._at(node.left, SUM) + self.operator(sign) + self._unsigned(node.right, PRODUCT), SUM
        if kind is ast.Mult:
            return self._at(node.left, PRODUCT) + self.times + self._unsigned(node.right, PRODUCT), PRODUCT
        if kind is ast.Div:
            return self.quotient(node)
        return self.power(self._at(node.left, ATOM), self.write(node.right)), POWER

    def _unsigned(self, node: ast.expr, least: int) -> str:
        """An operand that follows a sign: in brackets where it begins with one too."""
        written, binds = self._of(node)
        return self.bracket(written) if binds < least or _signed(node) else written

    def _call(self, node: ast.Call) -> Written:
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in ("partial", "of"):
            of, by = (self.write(argument) for argument in node.args)
            return self.derivative(of, by) if name == "partial" else self.belonging(of, by), ATOM
        return self.call(name, [self.write(argument) for argument in node.args]), ATOM

    def derivative(self, of: str, by: str) -> str:
        """∂of/∂by."""
        raise NotImplementedError

    def belonging(self, what: str, to: str) -> str:
        """What belongs to a parameter: v of u1."""
        raise NotImplementedError
