"""Study -> runs -> batches of runs that share kernel and shapes; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sim.study import Choice, Settings, Study


@dataclass(frozen=True)
class Run:
    """One network to train: every factor resolved. ``index`` is its position in the whole plan."""

    index: int
    grid: str
    replicate: int
    dataset: Choice
    samples: int | None
    scaling: Choice
    depth: int
    width: int
    activation: Choice
    initializer: Choice
    bias: Choice
    normalizer: Choice
    residual: bool
    dropout: float
    loss: Choice
    optimizer: Choice
    weight_decay: float
    clipping: Choice
    batch_size: int | None
    steps: int | None
    epochs: int | None
    settings: Settings


@dataclass(frozen=True)
class Batch:
    """Runs of one grid that share kernels and shapes, equal replicates next to each other."""

    number: int
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Plan:
    """All runs of a study, and the batches they are computed in."""

    study: Study
    runs: tuple[Run, ...]
    batches: tuple[Batch, ...]


def plan(study: Study, only: Iterable[str] = ()) -> Plan:
    raise NotImplementedError
