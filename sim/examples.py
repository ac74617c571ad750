"""The plan of worked examples: study -> trainings -> batches; pure, and numbered as networks are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from sim.errors import StudyError
from sim.plan import Batch, known_names
from sim.study import Choice, Study
from sim.study.example_model import Example

EPOCH_FLOPS = 1e4
"""An epoch of a few units, told as multiplications and additions of matrix products that take as long."""


@dataclass(frozen=True)
class ExampleRun:
    """One training of an example: by the optimizer of its figures, or by what its source's words say."""

    index: int
    example: Example
    optimizer: Choice
    said: bool
    replicate: int = 0

    @property
    def grid(self) -> str:
        """The example's name."""
        return self.example.name

    @property
    def rows(self) -> int:
        """Rows of the largest table that this run fills."""
        slots = len(self.optimizer.part.rule(dict(self.optimizer.parameters)).slots)
        most = max(
            len(self.example.parameters) * max(slots, 1), len(self.example.inputs) * self.example.units
        )
        return max(self.example.epochs + 1, len(self.example.recorded) * most)

    @property
    def steps(self) -> int:
        """How many updates are made: one an epoch."""
        return self.example.epochs

    @property
    def flops(self) -> float:
        """Estimated work: training starts anew for every epoch that is recorded."""
        return EPOCH_FLOPS * (self.example.epochs + 2.0 * sum(self.example.recorded))


@dataclass(frozen=True)
class ExamplePlan:
    """The trainings of a study's examples, sorted by index, and the batches they are computed in."""

    study: Study
    runs: tuple[ExampleRun, ...]
    batches: tuple[Batch, ...]

    noun: ClassVar = "examples"

    @cached_property
    def flops(self) -> float:
        """Estimated work of all of them together."""
        return sum(batch.flops for batch in self.batches)


def plan_examples(study: Study, only: Iterable[str] = ()) -> ExamplePlan:
    """All trainings of a study's examples; ``only`` names the examples that are wanted, none means all."""
    wanted = known_names(study, only)
    runs: list[ExampleRun] = []
    for example in study.examples:
        for choice in example.optimizers:
            runs.append(ExampleRun(len(runs), example, choice, choice is example.said))
    kept = tuple(run for run in runs if run.grid in wanted)
    batches = tuple(Batch(run.index, (run,), run.flops) for run in kept)  # type: ignore[arg-type]
    return ExamplePlan(study, kept, batches)


def supersedes(study: Study, directory: Path) -> bool:
    """Whether the folder holds other examples than these and nothing else: they are had again in seconds."""
    written = directory / "study.toml"
    if list(study.parts) != [ExamplePlan.noun] or not written.is_file():
        return False
    try:
        earlier = Study.load(written)
    except StudyError:
        return False
    return list(earlier.parts) == [ExamplePlan.noun] and earlier.digest() != study.digest()
