"""A derivation as a reader takes it in: in a terminal, as Markdown with LaTeX, on the page with MathML."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from sim.views.derivation import Block, Check, Derivation, Line
from sim.views.formulas import Writer
from sim.views.notations import Latex, MathML, Text
from sim.views.wording import verb

if TYPE_CHECKING:
    from rich.console import Console

SHORT = 8
"""Significant digits of numbers inside steps; values are told in full."""
NARROW = 76
"""Letters of a terminal's line up to which a line's steps stand beside one another."""
PASSED, FAILED = "✓", "✗"


def sides(line: Line, kind: type[Writer]) -> list[str]:
    """What a line says its left side is: steps, then the value."""
    steps, whole = kind(SHORT), kind()
    found = [steps.write(step) for step in line.steps]
    value = [] if line.value is None else [whole.number(line.value)]
    return [side for place, side in enumerate(found) if side not in found[:place] + value] + value


def told(check: Check) -> str:
    """A check in a few letters: passed, against what, how far apart."""
    apart = f" ({check.difference:.0e})" if check.difference else ""
    if check.passed:
        return f"{PASSED} {check.against}{apart}"
    return f"{FAILED} {check.against} gives {check.value!r}{apart}"


def verdict(derivation: Derivation) -> str:
    """How many checks passed, and how far apart the two sides were at most, by what they were against."""
    found = []
    for against in dict.fromkeys(check.against for check in derivation.checks):
        checks = [check for check in derivation.checks if check.against == against]
        passed = sum(check.passed for check in checks)
        most, error = (max(getattr(check, name) for check in checks) for name in ("difference", "error"))
        told = f"{against}: {passed} of {len(checks)} {verb(len(checks), 'agree')}, at most {most:.0e} apart"
        found.append(told + f", of up to {error:.0e} that rounding and step explain" * (error > 0))
    return "Checked against " + "; ".join(found) + "."


# --- terminal -----------------------------------------------------------------------------


def show(derivation: Derivation, console: Console) -> None:
    """Print one epoch."""
    from rich.rule import Rule
    from rich.text import Text as Styled

    console.print(Rule(f"epoch {derivation.epoch}", style="bold"))
    for block in derivation.blocks:
        console.print(Styled(f"\n{block.title}", style="bold cyan"))
        if block.note:
            console.print(Styled(f"  {block.note}"), soft_wrap=True)
        for line in block.lines:
            for part, style in _terminal(line):
                console.print(Styled(part, style=style), end="", soft_wrap=True)
            console.print()
    console.print(Styled(f"\n{verdict(derivation)}\n", style="italic"), soft_wrap=True)


def _terminal(line: Line) -> Iterator[tuple[str, str]]:
    """The pieces of a line with their styles; a long one has a row for each step."""
    left, found = f"  {Text().write(line.left)}", sides(line, Text)
    between = f" {line.sign} " if len(left + " = ".join(found)) <= NARROW else None
    yield left, ""
    for place, side in enumerate(found):
        sign = line.sign if place == 0 else "="
        row = f" {sign} " if place == 0 or between else f"\n{' ' * len(left)} = "
        last = line.value is not None and place == len(found) - 1
        yield row, ""
        yield side, "bold" if last else ""
    if line.note:
        yield f"   {line.note}", "dim"
    for check in line.checks:
        yield f"   {told(check)}", "green" if check.passed else "bold red"


# --- Markdown -----------------------------------------------------------------------------


def markdown(derivation: Derivation) -> str:
    """One epoch as Markdown; formulas are LaTeX between dollars."""
    parts = [f"### Epoch {derivation.epoch}"]
    for block in derivation.blocks:
        parts += [f"#### {block.title}", *([block.note] if block.note else []), *map(_latex, block.lines)]
    return "\n\n".join([*parts, verdict(derivation)])


def _latex(line: Line) -> str:
    found = sides(line, Latex)
    signs = [r"\leftarrow" if line.sign == "←" else "=", *["="] * len(found)]
    rows = [f"&{sign} {side}" for sign, side in zip(signs, found, strict=False)]
    body = r" \\ ".join([f"{Latex().write(line.left)} {rows[0]}", *rows[1:]]) if rows else line.left
    after = [line.note] * bool(line.note) + [told(check) for check in line.checks]
    formula = rf"$$\begin{{aligned}} {body} \end{{aligned}}$$"
    return formula + (f"\n\n{', '.join(after)}" if after else "")


# --- page ---------------------------------------------------------------------------------


def page(derivation: Derivation, opened: bool) -> str:
    """One epoch as HTML that folds away; formulas are MathML."""
    body = "".join(_section(block) for block in derivation.blocks)
    head = f"<summary>Epoch {derivation.epoch}, written out</summary>"
    opening = f'<details class="derivation"{" open" if opened else ""}>'
    return f'{opening}{head}{body}<p class="facts">{escape(verdict(derivation))}</p></details>'


def _section(block: Block) -> str:
    note = f"<p>{escape(block.note)}</p>" if block.note else ""
    lines = "".join(map(_mathml, block.lines))
    return (
        f'<h4>{escape(block.title)}</h4>{note}<div class="scroll"><table><tbody>{lines}</tbody></table></div>'
    )


def _mathml(line: Line) -> str:
    found = sides(line, MathML)
    signs = [line.sign, *["="] * len(found)]
    rows = [
        f"<mtr><mtd>{MathML().write(line.left) if place == 0 else ''}</mtd>"
        f"<mtd><mo>{sign}</mo></mtd><mtd>{side}</mtd></mtr>"
        for place, (sign, side) in enumerate(zip(signs, found, strict=False))
    ]
    formula = f'<math><mtable displaystyle="true">{"".join(rows)}</mtable></math>'
    checks = "<br>".join(
        f'<span class="{"passed" if check.passed else "failed"}">{escape(told(check))}</span>'
        for check in line.checks
    )
    return f"<tr><td>{formula}</td><td>{escape(line.note)}{checks}</td></tr>"
