"""Worked examples from plan to tables: the columns are those of :mod:`sim.store.example_columns`.

Trained by the kernels of every study, in float64.  What a step saw is not kept by them, so for every recorded
epoch training starts anew and stops there: equal arrays give equal bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from sim.catalog.normalizers import normalizer
from sim.examples import ExamplePlan, ExampleRun
from sim.execute.differences import central_differences
from sim.execute.threads import Done, Failed, execute
from sim.kernels import fleet as fleets
from sim.kernels import jit
from sim.kernels.arguments import Course, Data, Fleet, Notes, Room
from sim.plan import Batch

LAST_PLACES = 8
"""Errors of a computed activation or loss, in units in the last place; sums have one a term besides."""


@dataclass(frozen=True)
class ExampleRecords:
    """The five tables of a batch of examples."""

    examples: pa.Table
    losses: pa.Table
    steps: pa.Table
    states: pa.Table
    units: pa.Table


@dataclass(frozen=True)
class Look:
    """What the kernels say of a network at θ: its loss, gradient, activations and ∂L/∂z (samples, units)."""

    loss: float
    gradient: np.ndarray
    activations: np.ndarray
    deltas: np.ndarray


class Bench:
    """One training's network as the kernels take it."""

    def __init__(self, run: ExampleRun) -> None:
        self.run, example = run, run.example
        self.settings = dict(run.optimizer.parameters)
        self.architecture = fleets.Architecture.of(
            example.layers,
            len(example.inputs),
            run.optimizer.part,
            self.settings,
            activation=example.activation.part,
            normalizer=normalizer["none"],
            loss=example.loss.part,
            residual=False,
            precision="float64",
            output=example.output.part,
            output_settings=tuple(value for _, value in example.output.parameters),
        )
        rule = self.architecture.rule
        if rule.rest is not None:  # the weights its gradients are taken at, not those it is judged at
            self.architecture = replace(self.architecture, rule=replace(rule, rest=None))
        rows = np.arange(len(example.inputs), dtype=np.int32)
        self.data = Data(
            tables=fleets.sample_tables([np.array(example.inputs)], [np.array(example.targets)], "float64"),
            order=rows[None, None],
            sequence=rows,
            training=len(rows),
            evaluated=np.zeros(2, np.int64),
        )

    def fleet(self, thetas: np.ndarray) -> Fleet:
        """A network for each row of parameters."""
        member = fleets.Member(
            optimizer=self.settings, activation=dict(self.run.example.activation.parameters)
        )
        fleet = fleets.assemble(self.architecture, [member] * len(thetas))
        fleet.theta[:] = thetas
        return fleet

    def trained(self, epochs: int) -> tuple[Fleet, Notes]:
        """Parameters and state after so many epochs, and every epoch's loss."""
        example = self.run.example
        fleet = fleets.freeze(self.fleet(np.array([example.values])), example.frozen_places)
        notes = fleets.notes_for(self.architecture, 1, 0, layers=False, steps=epochs)
        self._go(fleet, notes, epochs, np.empty(0, np.int64))
        return fleet, notes

    def losses(self, thetas: np.ndarray) -> np.ndarray:
        """The loss of each row of parameters."""
        return self._look(thetas)[0]

    def look(self, theta: np.ndarray) -> Look:
        """Forward and backward once, without learning from it."""
        losses, room = self._look(theta[None])
        activations: list[np.ndarray] = []
        deltas: list[np.ndarray] = []
        plan, samples = self.architecture.layout, len(self.run.example.inputs)
        for number, layer in enumerate(plan.layers):
            outputs = number == len(plan.layers) - 1
            for place, found in ((layer.pre if outputs else layer.post, activations), (layer.delta, deltas)):
                block = room.work[place : place + layer.fan_out * plan.space.columns]
                found.append(block.reshape(layer.fan_out, -1)[:, :samples].T)
        return Look(float(losses[0]), room.gradient.copy(), np.hstack(activations), np.hstack(deltas))

    def differences(self, theta: np.ndarray, look: Look) -> tuple[np.ndarray, np.ndarray]:
        """∂L/∂θ by central differences, and how far they may be off."""
        return central_differences(self.losses, theta, self.rounding(theta, look))

    def rounding(self, theta: np.ndarray, look: Look) -> float:
        """How far rounding may carry the loss at θ: each sum's own error, passed on by ∂L/∂z.

        A sum of terms of size m = Σ |w a| + |b| is off by (terms + LAST_PLACES) · 2⁻⁵³ · m at most, a loss
        that takes outputs from one another by LAST_PLACES · 2⁻⁵³ times the largest.
        """
        example, place, unit = self.run.example, 0, 0
        below, error = np.abs(np.array(example.inputs)), LAST_PLACES * abs(look.loss)
        for _, fan_in, fan_out in example.connections():
            weights = theta[place : place + fan_in * fan_out].reshape(fan_out, fan_in)
            place += (fan_in + 1) * fan_out
            sizes = below @ np.abs(weights).T + np.abs(theta[place - fan_out : place])
            error += (fan_in + LAST_PLACES) * float(
                np.sum(np.abs(look.deltas[:, unit : unit + fan_out]) * sizes)
            )
            below = np.abs(look.activations[:, unit : unit + fan_out])
            unit += fan_out
        return 2.0**-53 * (error + LAST_PLACES * float(sizes.max(axis=1).mean()))

    def _look(self, thetas: np.ndarray) -> tuple[np.ndarray, Room]:
        notes = fleets.notes_for(self.architecture, len(thetas), 1, layers=False)
        room = self._go(self.fleet(thetas), notes, 0, np.zeros(1, np.int64))
        return notes.curves[:, 0, 0], room

    def _go(self, fleet: Fleet, notes: Notes, steps: int, checkpoints: np.ndarray) -> Room:
        return fleets.train(self.architecture, fleet, self.data, Course(steps, checkpoints), notes)


def prepare_examples(plan: ExamplePlan) -> float:
    """Compile every kernel the plan names, or load it from the cache; the seconds that took."""
    before = jit.compile_seconds()
    for run in plan.runs:
        _ = Bench(run).architecture.kernels
    return jit.compile_seconds() - before


def execute_examples(
    plan: ExamplePlan, batches: Sequence[Batch], jobs: int, on_done: Done, on_failure: Failed
) -> None:
    """Train ``batches`` of the plan on ``jobs`` threads, as networks are trained."""
    execute(plan, batches, jobs, on_done, on_failure, train_examples)  # type: ignore[arg-type]


def train_examples(batch: Batch, seed: int) -> ExampleRecords:
    """Train all runs of a batch; nothing in them is drawn."""
    tables = [_records(run) for run in batch.runs]
    return ExampleRecords(
        **{
            name: pa.concat_tables([found[name] for found in tables])
            for name in ExampleRecords.__annotations__
        }
    )


def _records(run: Any) -> dict[str, pa.Table]:
    bench, example = Bench(run), run.example
    fleet, notes = bench.trained(example.epochs)
    diverged = int(notes.diverged[0])
    left = bench.look(fleet.theta[0]).loss
    losses = [*notes.losses[0], left if diverged < 0 else np.nan]
    recorded = [epoch for epoch in example.recorded if diverged < 0 or epoch < diverged]
    epochs = [_epoch(bench, epoch) for epoch in recorded]
    row = {
        "run": run.index,
        "example": example.name,
        "optimizer": run.optimizer.label,
        "lr": float(bench.settings.get("lr", np.nan)),
        "said": run.said,
        "epochs": example.epochs,
        "parameters": len(example.parameters),
        "frozen": len(example.frozen_places),
        "status": "finished" if diverged < 0 else "diverged",
        "diverged_at": np.nan if diverged < 0 else float(diverged),
    }
    times = pa.table({"run": [run.index] * len(losses), "epoch": range(len(losses)), "loss": losses})
    found = {"examples": pa.Table.from_pylist([row]), "losses": times}
    for name in ("steps", "states", "units"):
        rows = [{"run": run.index, **entry} for epoch in epochs for entry in epoch[name]]
        found[name] = pa.Table.from_pylist(rows)
    return found


def _epoch(bench: Bench, epoch: int) -> dict[str, list[dict[str, Any]]]:
    """The rows of one epoch: every unit and parameter before and after its update."""
    example, slots = bench.run.example, bench.architecture.slots
    (before, _), (after, _) = bench.trained(epoch), bench.trained(epoch + 1)
    theta, later = before.theta[0], after.theta[0]
    look, left = bench.look(theta), bench.look(later)
    slopes, errors = bench.differences(theta, look)
    frozen = set(example.frozen_places)
    steps = [
        {
            "epoch": epoch, "parameter": place, "name": name, "frozen": place in frozen,
            "before": theta[place], "gradient": look.gradient[place], "difference": slopes[place],
            "difference_error": errors[place], "after": later[place],
        }
        for place, name in enumerate(example.parameters)
    ]  # fmt: skip
    states = [
        {
            "epoch": epoch, "parameter": place, "slot": slot,
            "before": before.state[0, number, place], "after": after.state[0, number, place],
        }
        for place in range(len(steps))
        for number, slot in enumerate(slots)
    ]  # fmt: skip
    units = [
        {
            "epoch": epoch, "sample": sample, "unit": unit + 1,
            "activation": look.activations[sample, unit], "delta": look.deltas[sample, unit],
            "activation_after": left.activations[sample, unit],
        }
        for sample, unit in np.ndindex(look.activations.shape)
    ]  # fmt: skip
    return {"steps": steps, "states": states, "units": units}
