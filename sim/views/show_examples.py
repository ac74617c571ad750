"""Worked examples in the terminal: the derivation of every traced epoch, and what came of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sim.views import derivation_told
from sim.views.example_records import ExampleRecords
from sim.views.report_examples import Worked, answer, facts

if TYPE_CHECKING:
    from rich.console import Console


def show(directory: Path, console: Console | None = None) -> None:
    """Print the examples of a results folder."""
    from rich import console as consoles
    from rich.panel import Panel
    from rich.text import Text

    console = console or consoles.Console(highlight=False)
    for example, trainings in ExampleRecords.read(directory).examples:
        worked = Worked(example, trainings)
        console.print(Panel(Text(facts(example)), title=Text(example.question or example.name)))
        for training in worked.shown:
            console.print(Text(f"\n{training.label}", style="bold"))
            for derivation in training.derivations:
                derivation_told.show(derivation, console)
        console.print(Text(answer(worked)))
        console.print()
