"""The part of the report about worked examples: published figures beside ours, and every step written out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from sim.catalog.registry import Family
from sim.study.example_model import Example
from sim.views import derivation_told, saving, style, wording
from sim.views.chapters import Chapter, Draft, Part, figures_of, tables_of, written
from sim.views.example_records import NEAR_ULP, ExampleRecords, Training
from sim.views.registry import Drawing, Sheet

example_table = Family("example table", supplied=1)
example_figure = Family("example figure", supplied=1)

MARKDOWN = "derivation.md"
STYLE = """<style>
.derivation { margin: .8rem 0; } .derivation h4 { margin: 1rem 0 .2rem; }
.derivation summary { cursor: pointer; font-weight: 600; }
.derivation table { font-size: .84rem; }
.derivation td { border: 0; white-space: nowrap; padding: .3rem 1rem .3rem 0; }
.derivation td:last-child { font-size: .78rem; color: var(--soft); }
.derivation mtd { text-align: left; padding: .3em .3em; }
.derivation .failed { color: #c0392b; font-weight: 600; }
</style>"""


@dataclass(frozen=True, eq=False)
class Worked:
    """An example and its trainings: what a view of it sees."""

    example: Example
    trainings: list[Training]
    varying: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The example's name."""
        return self.example.name

    @property
    def shown(self) -> list[Training]:
        """Those that are written out: what the source's words say is not."""
        return [training for training in self.trainings if not training.said]

    def measured(self, *columns: str) -> bool:
        """Everything always is."""
        return True


def part(directory: Path, jobs: int = 1) -> Part:
    """The examples of a results folder, their tables, figures and derivations written."""
    records = ExampleRecords.read(directory)
    worked = [Worked(example, trainings) for example, trainings in records.examples]
    saving.write(directory / MARKDOWN, markdown(records.study.title, worked).encode())
    drafts = [
        Draft(partial(_words, one), figures_of(one, example_figure), tables_of(one, example_table))
        for one in worked
    ]
    chapters = written(drafts, directory, jobs)
    rows = [
        {
            "example": training.example.name,
            "optimizer": training.label,
            "epochs": training.example.epochs,
            "first loss": f"{training.losses[0]:.10g}",
            "last loss": f"{training.losses.iloc[-1]:.10g}",
            "printed": len(training.compared),
            "agree": sum(figure.agrees for figure in training.compared),
        }
        for one in worked
        for training in one.trainings
    ]
    summary = wording.count(len(worked), "worked example")
    return Part(summary, pd.DataFrame(rows), chapters)


def _words(worked: Worked) -> Chapter:
    traced = [found for training in worked.shown for found in training.derivations]
    epochs = "".join(derivation_told.page(found, opened=found is traced[0]) for found in traced)
    link = f'<p>The same as <a href="{MARKDOWN}">Markdown with LaTeX</a>.</p>'
    question = worked.example.question or worked.name
    return Chapter(worked.name, question, answer(worked), facts(worked.example), STYLE + epochs + link)


def markdown(title: str, worked: list[Worked]) -> str:
    """Every traced epoch of every example."""
    parts = [f"# {title}"]
    for one in worked:
        parts += [f"## {one.example.question or one.name}", answer(one), facts(one.example)]
        parts += [derivation_told.markdown(found) for training in one.shown for found in training.derivations]
    return "\n\n".join(part for part in parts if part) + "\n"


def answer(worked: Worked) -> str:
    """How many printed figures come out, and what becomes of them with what the source's words say."""
    parts = [_agreement(training) for training in worked.shown]
    said = next((training for training in worked.trainings if training.said), None)
    if said is not None and worked.shown:
        parts.append(_said(worked.shown[0], said))
    return " ".join(part for part in [*parts, worked.example.note] if part)


def _agreement(training: Training) -> str:
    if training.diverged:
        epoch = f"{training.row['diverged_at']:.0f}"
        return f"With {training.label} the loss left the finite numbers at epoch {epoch}."
    compared = training.compared
    if not compared:
        last = training.losses.iloc[-1]
        return f"With {training.label} the loss goes from {training.losses[0]:.6g} to {last:.6g}."
    agree = [figure for figure in compared if figure.agrees]
    full = [figure.units for figure in agree if figure.full]
    near = f", those of full length within {max(full):g} units in the last place" if full else ""
    total = wording.count(len(compared), "printed figure")
    come = wording.verb(len(compared), "come")
    text = f"With {training.label}, {len(agree)} of {total} {come} out{near}."
    others = [
        f"{figure.figure} of epoch {figure.epoch} is printed as {figure.printed}, ours is {figure.ours!r}"
        for figure in compared
        if not figure.agrees
    ]
    return f"{text} {wording.enumeration(others[:3])}{_more(others[3:])}." if others else text


def _more(hidden: list[str]) -> str:
    return f", and {len(hidden)} more" if hidden else ""


def _said(used: Training, said: Training) -> str:
    """Which of the two made the printed figures, from the records of both."""
    kept, other = dict(used.optimizer.parameters), dict(said.optimizer.parameters)
    changed = [name for name in kept if kept[name] != other[name]]
    words = wording.enumeration(f"{name} = {other[name]}" for name in changed)
    figures = wording.enumeration(f"{name} = {kept[name]}" for name in changed)
    counts = [sum(figure.agrees for figure in training.compared) for training in (used, said)]
    total = wording.count(len(used.compared), "printed figure")
    come = wording.verb(counts[0], "come")
    losses = [f"{training.losses.iloc[-1]:.6g}" for training in (used, said)]
    if counts[0] == counts[1]:
        verdict = "the printed figures do not tell which was used"
    else:
        verdict = f"its figures were made with {figures if counts[0] > counts[1] else words}"
    return (
        f"The source's words say {words}, but {verdict}: of {total}, {counts[0]} {come} out with {figures} "
        f"and {counts[1]} with {words}. The loss ends at {losses[0]} and {losses[1]}."
    )


def facts(example: Example) -> str:
    """What the network is and what it learns from."""
    shape = "–".join(map(str, example.layers))
    samples = wording.count(len(example.inputs), "sample")
    frozen = [example.parameters[place] for place in example.frozen_places]
    kept = f" Not trained: {', '.join(frozen)}." if frozen else ""
    source = f" Source: {example.source}." if example.source else ""
    epochs = wording.count(example.epochs, "epoch")
    return (
        f"{shape} units, hidden activation {example.activation.label}, output {example.output.label}, loss "
        f"{example.loss.label}, {samples}, {epochs} of one update.{kept}{source}"
    )


@example_table(
    title="Printed and computed",
    applies=lambda worked: any(training.compared for training in worked.trainings),
)
def printed(worked: Worked) -> Sheet:
    """Every printed figure beside that of each training that reached its epoch."""
    found = [{(one.epoch, one.figure): one for one in training.compared} for training in worked.trainings]
    rows = []
    for place in dict.fromkeys(place for figures in found for place in figures):
        first = next(figures[place] for figures in found if place in figures)
        row = {"epoch": first.epoch, "figure": first.figure, "printed": first.printed}
        for training, figures in zip(worked.trainings, found, strict=True):
            row |= {f"with {training.label}": repr(figures[place].ours) if place in figures else "–"}
        reached = place in found[0]
        row |= {"apart": f"{first.units:.3g}" if reached else "–"}
        row |= {"units of": "float64" if first.full else "last digit"}
        rows.append(row | {"agrees": "yes" if reached and first.agrees else "no"})
    frame = pd.DataFrame(rows)
    agree, verb = int((frame["agrees"] == "yes").sum()), wording.verb(len(frame), "agree")
    return Sheet(
        frame,
        f"{agree} of {len(frame)} {verb} with {worked.trainings[0].label}: within {NEAR_ULP:g} units in the "
        "last place of float64 where all digits are printed, else equal when rounded to the printed digits. "
        "A loss is of the forward pass before the epoch's update, parameters and states are those after it.",
    )


@example_table(
    title="Gradients three ways", applies=lambda worked: any(one.derivations for one in worked.shown)
)
def gradients(worked: Worked) -> Sheet:
    """The written-out gradient of each parameter beside back-propagation and central differences."""
    rows = [
        {
            "optimizer": training.label,
            "epoch": derivation.epoch,
            "parameter": line.left.removeprefix("partial(L, ").removesuffix(")"),
            "chain rule": repr(line.value),
            **{check.against: repr(check.value) for check in line.checks},
            "agree": "yes" if all(check.passed for check in line.checks) else "no",
        }
        for training in worked.shown
        for derivation in training.derivations
        for block in derivation.blocks
        for line in block.lines
        if len(line.checks) == 2
    ]
    frame = pd.DataFrame(rows)
    agree, total = int((frame["agree"] == "yes").sum()), wording.count(len(frame), "gradient")
    return Sheet(frame, f"{agree} of {total} {wording.verb(len(frame), 'agree')} in all three.")


@example_figure(title="Loss by epoch")
def loss_by_epoch(worked: Worked) -> Drawing:
    """The loss before each epoch's update, for each training."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(style.PAGE_WIDTH, 0.42 * style.PAGE_WIDTH), layout="constrained")
    axis = figure.add_subplot()
    colours = style.colours([training.label for training in worked.trainings])
    for training, colour in zip(worked.trainings, colours, strict=True):
        losses = training.losses[np.isfinite(training.losses)]
        dash = "--" if training.said else "-"
        axis.plot(losses.index, losses, color=colour, linestyle=dash, label=training.label)
    positive = all((training.losses.dropna() > 0).all() for training in worked.trainings)
    axis.set(yscale="log" if positive else "linear", xlabel="epoch", ylabel="loss")
    if worked.example.epochs > 100:
        axis.set_xscale("symlog", linthresh=1)
    axis.set_xlim(left=0)
    axis.legend(frameon=False, loc="lower left")
    ends = wording.enumeration(
        f"{training.losses.iloc[-1]:.6g} with {training.label}" for training in worked.trainings
    )
    caption = f"After {wording.count(worked.example.epochs, 'epoch')} the loss is {ends}."
    return Drawing(figure, caption)
