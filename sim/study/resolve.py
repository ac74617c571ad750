"""What a cell's factors come to with its data set: rows, steps, the loss; and whether they fit it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from sim.catalog.datasets import natural_loss_of, outputs_of, shape_of
from sim.catalog.preparation import split
from sim.catalog.registry import UnknownName
from sim.catalog.tables import Shape, Table
from sim.errors import StudyError, complaint
from sim.study.choices import Choice
from sim.study.model import Grid

MOST_ROWS = 10_000_000


def steps_in(epochs: int, samples: int, batch_size: int) -> int:
    """Steps that pass over all rows ``epochs`` times; the last step of all may begin one epoch more."""
    return -(-epochs * samples // batch_size)


@lru_cache(maxsize=1024)
def shape(dataset: Choice) -> Shape:
    """Rows, features and classes of a chosen data set; raises ValueError where it cannot be made."""
    return shape_of(dataset.part, dict(dataset.parameters))


@lru_cache(maxsize=1024)
def outputs(dataset: Choice, loss: Choice) -> int:
    """How many outputs a network has; raises ValueError where the loss does not fit the data set."""
    return outputs_of(dataset.part, dict(dataset.parameters), loss.name)


@lru_cache(maxsize=1024)
def training_rows(rows: int, test_fraction: float, training: int = 0) -> int:
    """How many of a data set's rows the split leaves for training, by the rule of the split itself.

    ``training``: how many there are where the data set comes split.
    """
    if training:
        return training
    blank = Table(np.zeros((rows, 1)), np.zeros(rows))
    return len(split(blank, np.random.default_rng(0), test_fraction)[0])


class Resolver:
    """Turns the factors of a grid's cells into what a run does; equal questions are answered once."""

    def __init__(self, grid: Grid, where: str) -> None:
        self.settings, self.where = grid.settings, where
        self._known: dict[tuple[Any, ...], dict[str, Any]] = {}

    def __call__(self, factors: dict[str, Any]) -> dict[str, Any]:
        """The factors with ``loss``, ``samples``, ``batch_size``, ``steps`` and ``epochs`` resolved."""
        length = factors.get("steps"), factors.get("epochs")
        asked = factors["dataset"], factors["samples"], factors["loss"], factors["batch_size"], *length
        if asked not in self._known:
            self._known[asked] = self._resolved(*asked)
        self._check_full_batch(factors, self._known[asked])
        return {**factors, **self._known[asked]}

    def _resolved(
        self,
        dataset: Choice,
        samples: int | None,
        loss: Choice,
        batch_size: int | None,
        steps: int | None,
        epochs: int | None,
    ) -> dict[str, Any]:
        rows = self._training_rows(dataset)
        if samples is not None and samples > rows:
            problem = f"is more than the {rows} training rows of {dataset.label}"
            raise self._error("samples", samples, problem)
        samples = samples or rows
        if batch_size is not None and batch_size > samples:
            raise self._error(
                "batch_size", batch_size, f"is more than the {samples} training rows", ("full",)
            )
        batch_size = batch_size or samples
        loss = self._loss(dataset, loss)
        steps = steps or steps_in(epochs or 0, samples, batch_size)
        self._check_checkpoints(steps)
        return {"samples": samples, "loss": loss, "batch_size": batch_size, "steps": steps, "epochs": epochs}

    def _check_full_batch(self, factors: dict[str, Any], resolved: dict[str, Any]) -> None:
        """A line search compares losses: they must be of the same samples, with nothing dropped."""
        optimizer = factors["optimizer"]
        if not optimizer.part.traits.get("full_batch"):
            return
        if resolved["batch_size"] != resolved["samples"]:
            problem = f"is not the full batch, which {optimizer.name} needs"
            raise self._error("batch_size", resolved["batch_size"], problem, ("full",))
        if factors["dropout"] > 0.0:
            problem = f"changes the loss from step to step, and {optimizer.name} compares losses"
            raise self._error("dropout", factors["dropout"], problem, (0.0,))

    def _training_rows(self, dataset: Choice) -> int:
        try:
            rows, training = shape(dataset).rows, dataset.part.traits.get("training", 0)
            if rows > MOST_ROWS:
                raise ValueError(f"{rows} rows are more than {MOST_ROWS}")
            return training_rows(rows, self.settings.test_fraction, training)
        except (ValueError, UnknownName) as error:
            raise self._error("dataset", dataset.label, f"cannot be used: {error}") from None

    def _loss(self, dataset: Choice, loss: Choice) -> Choice:
        """``auto`` made the data set's natural loss; StudyError where loss or targets do not fit it."""
        if loss.name == "auto":
            loss = Choice("loss", natural_loss_of(dataset.part, dict(dataset.parameters)))
        try:
            outputs(dataset, loss)
        except ValueError as error:
            raise self._error("loss", loss.name, f"does not fit {dataset.label}: {error}") from None
        for index, target in enumerate(self.settings.targets):
            if target.rising and not shape(dataset).classes:
                problem = f"is measured for classes only, and {dataset.label} is a regression"
                raise self._error(
                    f"target[{index}].metric", target.metric, problem, ("train_loss", "test_loss")
                )
        return loss

    def _check_checkpoints(self, steps: int) -> None:
        num = self.settings.checkpoints.num
        if num > steps + 1:
            problem = (
                f"are more than {steps} steps allow: at most {steps + 1}, the untrained network included"
            )
            raise self._error("checkpoints", num, problem)

    def _error(self, key: str, value: object, problem: str, choices: object = None) -> StudyError:
        return StudyError(complaint(f"{self.where}.{key}", value, problem, choices))
