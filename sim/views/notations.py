"""The notations formulas are written in: Unicode for a terminal, LaTeX, MathML for a page."""

from __future__ import annotations

import ast
import re
from functools import cache
from html import escape

from sim.views.formulas import ATOM, POWER, PRODUCT, Writer, Written

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η", "theta": "θ",
    "kappa": "κ", "mu": "μ", "pi": "π", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ", "psi": "ψ",
    "Sigma": "Σ", "Phi": "Φ", "lr": "η",
}  # fmt: skip
"""Names that stand for letters; the learning rate is written η."""
LATIN = {letter: name for name, letter in GREEK.items()} | {"η": "eta"}
NAMED = {"sigmoid": "σ", "Phi": "Φ", "density": "φ", "log": "ln"}
"""Functions that are written otherwise than they are called."""
SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
SUPERSCRIPT = str.maketrans("0123456789-−+()", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻⁺⁽⁾")


@cache
def taken_apart(name: str) -> tuple[str, str, str]:
    """Letter, lower index, upper index in brackets: "w1_21" is w, 21, 1."""
    found = re.fullmatch(r"([A-Za-z]+)(\d*)(?:_(\w+))?", name)
    if found is None:
        return name.replace("_", " "), "", ""
    letter, digits, tail = found[1], found[2], found[3] or ""
    if tail and not tail.isdigit():
        return name.replace("_", " "), "", ""
    return GREEK.get(letter, letter), tail or digits, digits if tail else ""


class Text(Writer):
    """Unicode in one line."""

    def scientific(self, mantissa: str, exponent: int) -> str:
        return f"{mantissa}·10{str(exponent).translate(SUPERSCRIPT)}"

    def symbol(self, name: str) -> str:
        letter, lower, upper = taken_apart(name)
        return letter + lower.translate(SUBSCRIPT) + (f"({upper})".translate(SUPERSCRIPT) if upper else "")

    def quotient(self, node: ast.BinOp) -> Written:
        return f"{self._at(node.left, PRODUCT)} / {self._at(node.right, POWER)}", PRODUCT

    def power(self, base: str, exponent: str) -> str:
        raised = exponent.translate(SUPERSCRIPT)
        return base + (raised if exponent.isdigit() else f"^({exponent})")

    def call(self, name: str, arguments: list[str]) -> str:
        if name == "exp":
            return f"exp({arguments[0]})"
        if name == "abs":
            return f"|{arguments[0]}|"
        if name == "sqrt":
            return f"√({arguments[0]})"
        return f"{NAMED.get(name, name)}({', '.join(arguments)})"

    def cases(self, yes: str, condition: str, no: str) -> str:
        return f"{yes} if {condition}, else {no}"

    def derivative(self, of: str, by: str) -> str:
        return f"∂{of}/∂{by}"

    def belonging(self, what: str, to: str) -> str:
        return f"{what}[{to}]"


class Latex(Writer):
    """LaTeX for mathematics, as Markdown renderers know it."""

    minus, times = "-", r" \cdot "

    def scientific(self, mantissa: str, exponent: int) -> str:
        return rf"{mantissa} \cdot 10^{{{exponent}}}"

    def symbol(self, name: str) -> str:
        letter, lower, upper = taken_apart(name)
        if letter in LATIN:
            letter = "\\" + LATIN[letter]
        elif len(letter) > 1:
            letter = rf"\text{{{letter}}}"
        return letter + (f"_{{{lower}}}" if lower else "") + (f"^{{({upper})}}" if upper else "")

    def operator(self, sign: str) -> str:
        return {"≥": r" \ge ", "≤": r" \le "}.get(sign, f" {sign} ")

    def quotient(self, node: ast.BinOp) -> Written:
        return rf"\frac{{{self.write(node.left)}}}{{{self.write(node.right)}}}", ATOM

    def power(self, base: str, exponent: str) -> str:
        return f"{base}^{{{exponent}}}"

    def bracket(self, inside: str) -> str:
        return rf"\left({inside}\right)"

    def call(self, name: str, arguments: list[str]) -> str:
        inside = ", ".join(arguments)
        if name == "exp":
            return rf"e^{{{inside}}}"
        if name == "abs":
            return rf"\left|{inside}\right|"
        if name == "sqrt":
            return rf"\sqrt{{{inside}}}"
        known = {"sigmoid": r"\sigma", "Phi": r"\Phi", "density": r"\varphi", "log": r"\ln"}
        plain = (
            rf"\{name}"
            if name in ("sin", "cos", "tanh", "max", "min")
            else rf"\operatorname{{{name.replace('_', ' ')}}}"
        )
        return rf"{known.get(name, plain)}\left({inside}\right)"

    def cases(self, yes: str, condition: str, no: str) -> str:
        return rf"\begin{{cases}}{yes} & {condition}\\{no} & \text{{else}}\end{{cases}}"

    def derivative(self, of: str, by: str) -> str:
        return rf"\frac{{\partial {of}}}{{\partial {by}}}"

    def belonging(self, what: str, to: str) -> str:
        return rf"{what}_{{{to}}}"


class MathML(Writer):
    """MathML, which browsers draw by themselves."""

    times = "<mo>·</mo>"

    def number(self, value: float) -> str:
        """Its sign is an operator, a power of ten a power."""
        text = super().number(value)
        if text.startswith("<"):
            return text
        sign, digits = ("<mo>−</mo>", text[1:]) if text.startswith("−") else ("", text)
        return f"{sign}<mn>{digits}</mn>"

    def scientific(self, mantissa: str, exponent: int) -> str:
        sign, digits = ("<mo>−</mo>", mantissa[1:]) if mantissa.startswith("−") else ("", mantissa)
        power = str(exponent).replace("-", "−")
        ten = f"<msup><mn>10</mn><mn>{power}</mn></msup>"
        return f"<mrow>{sign}<mn>{digits}</mn><mo>·</mo>{ten}</mrow>"

    def symbol(self, name: str) -> str:
        letter, lower, upper = taken_apart(name)
        base = f"<mi>{escape(letter)}</mi>"
        low, high = f"<mn>{lower}</mn>", f"<mrow><mo>(</mo><mn>{upper}</mn><mo>)</mo></mrow>"
        if lower and upper:
            return f"<msubsup>{base}{low}{high}</msubsup>"
        return f"<msub>{base}{low}</msub>" if lower else base

    def operator(self, sign: str) -> str:
        return f"<mo>{escape(sign)}</mo>"

    def quotient(self, node: ast.BinOp) -> Written:
        above, below = self.write(node.left), self.write(node.right)
        return f"<mfrac><mrow>{above}</mrow><mrow>{below}</mrow></mfrac>", ATOM

    def power(self, base: str, exponent: str) -> str:
        return f"<msup><mrow>{base}</mrow><mrow>{exponent}</mrow></msup>"

    def bracket(self, inside: str) -> str:
        return f"<mrow><mo>(</mo>{inside}<mo>)</mo></mrow>"

    def call(self, name: str, arguments: list[str]) -> str:
        inside = "<mo>,</mo>".join(arguments)
        if name == "exp":
            return f"<msup><mi>e</mi><mrow>{inside}</mrow></msup>"
        if name == "abs":
            return f"<mrow><mo>|</mo>{inside}<mo>|</mo></mrow>"
        if name == "sqrt":
            return f"<msqrt>{inside}</msqrt>"
        shown = NAMED.get(name, name)
        return f"<mi>{shown}</mi>{self.bracket(inside)}"

    def cases(self, yes: str, condition: str, no: str) -> str:
        rows = ((yes, condition), (no, "<mtext>else</mtext>"))
        cells = "".join(f"<mtr><mtd>{value}</mtd><mtd>{when}</mtd></mtr>" for value, when in rows)
        return f"<mrow><mo>{{</mo><mtable>{cells}</mtable></mrow>"

    def derivative(self, of: str, by: str) -> str:
        return f"<mfrac><mrow><mo>∂</mo>{of}</mrow><mrow><mo>∂</mo>{by}</mrow></mfrac>"

    def belonging(self, what: str, to: str) -> str:
        return f"<msub><mrow>{what}</mrow><mrow>{to}</mrow></msub>"
