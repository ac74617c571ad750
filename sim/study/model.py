"""What a study is once it has been read: frozen, validated, every default filled in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sim.study.choices import Choice

if TYPE_CHECKING:
    from sim.study.claims import Claim
    from sim.study.comparison import Comparison, Problem
    from sim.study.example_model import Example

METRICS = ("train_loss", "test_loss", "train_accuracy", "test_accuracy")
MEASURES = ("gradients", "activations", "updates", "train", "test")


@dataclass(frozen=True)
class Target:
    """A named level of a metric; the time until a network reaches it is a result."""

    name: str
    metric: str
    value: float

    @property
    def rising(self) -> bool:
        """True for an accuracy (reached at or above the value), False for a loss (at or below)."""
        return self.metric.endswith("accuracy")

    @property
    def split(self) -> str:
        """The rows it is measured on: ``train`` or ``test``."""
        return self.metric.partition("_")[0]


@dataclass(frozen=True)
class Checkpoints:
    """How many times a network is measured, and how these times are spaced."""

    num: int = 11
    scale: str = "linear"

    def steps(self, total: int) -> tuple[int, ...]:
        """``num`` different steps from 0 (untrained) to ``total`` (the end), both included."""
        if self.scale == "log":
            spaced = [0.0] + [total ** (i / max(self.num - 2, 1)) for i in range(self.num - 1)]
        else:
            spaced = [total * i / (self.num - 1) for i in range(self.num)]
        taken = [0]
        for index, step in enumerate(spaced[1:], start=1):
            still_to_come = self.num - 1 - index
            taken.append(min(max(round(step), taken[-1] + 1), total - still_to_come))
        taken[-1] = total
        return tuple(taken)


@dataclass(frozen=True)
class Settings:
    """How networks are measured and computed: the same for all networks of a grid."""

    precision: str = "float64"
    checkpoints: Checkpoints = Checkpoints()
    evaluate: int | None = 256  # None: all rows
    test_fraction: float = 0.2
    measure: tuple[str, ...] = MEASURES
    targets: tuple[Target, ...] = ()
    diverged_above: float = 1000.0


@dataclass(frozen=True)
class Grid:
    """A question and the factors whose product answers it.

    ``factors`` maps each factor, in the order of the product, to its values (Choices for parts);
    ``exclude`` and ``include`` are rows of factor -> values (see :mod:`sim.plan`).
    """

    name: str
    question: str
    factors: Mapping[str, tuple[Any, ...]]
    replicates: int
    settings: Settings
    exclude: tuple[Mapping[str, tuple[Any, ...]], ...] = ()
    include: tuple[Mapping[str, tuple[Any, ...]], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", MappingProxyType(dict(self.factors)))
        for rows in ("exclude", "include"):
            object.__setattr__(self, rows, tuple(MappingProxyType(dict(row)) for row in getattr(self, rows)))

    def __reduce__(self) -> tuple[Any, ...]:
        rows = (tuple(dict(row) for row in self.exclude), tuple(dict(row) for row in self.include))
        return Grid, (self.name, self.question, dict(self.factors), self.replicates, self.settings, *rows)


@dataclass(frozen=True)
class Published:
    """What others found: the share of starts that end at the best minimum, for one optimizer and budget."""

    optimizer: Choice
    steps: int
    share: float


@dataclass(frozen=True)
class Descent:
    """A question and the factors whose product answers it, on surfaces instead of networks.

    ``factors`` maps surface, optimizer, noise and steps to their values. ``start`` holds points with
    names, or ``map`` how many starts stand on each side of a grid over the domain. ``positions`` of each
    path are kept. Within ``radius`` of a known minimum a start has reached it; one whose gradient and
    last step are no longer than ``tolerance`` is at rest.  ``animate``: its paths are drawn moving too.
    """

    name: str
    question: str
    factors: Mapping[str, tuple[Any, ...]]
    start: tuple[tuple[str, tuple[float, ...]], ...]
    map: int | None
    replicates: int
    positions: int
    radius: float
    tolerance: float
    published: tuple[Published, ...] = ()
    animate: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", MappingProxyType(dict(self.factors)))

    @property
    def dimensions(self) -> int:
        """How many coordinates a start has."""
        return len(self.start[0][1]) if self.start else 2

    @property
    def starts(self) -> int:
        """How many starts each optimizer walks from."""
        return len(self.start) if self.map is None else self.map**2


@dataclass(frozen=True)
class Study:
    """A title, a seed; grids of networks, descents on surfaces, problems of a comparison: some, or all.

    ``source`` is the file it came from, for messages only.
    """

    title: str
    question: str
    seed: int
    grids: tuple[Grid, ...] = ()
    source: str = field(default="study", compare=False)
    descents: tuple[Descent, ...] = ()
    claims: tuple[Claim, ...] = ()
    problems: tuple[Problem, ...] = ()
    comparison: Comparison | None = None
    examples: tuple[Example, ...] = ()

    @property
    def parts(self) -> dict[str, dict[str, tuple[Any, ...]]]:
        """Every kind of work that the study has, by what its runs are called -> key of the file -> the parts.

        A kind is planned, executed and kept on its own (see :mod:`sim.kinds`).
        """
        kinds: dict[str, dict[str, tuple[Any, ...]]] = {
            "networks": {"grid": self.grids, "problem": self.problems},
            "walks": {"descent": self.descents},
            "examples": {"example": self.examples},
        }
        return {noun: parts for noun, parts in kinds.items() if any(parts.values())}

    def names_of(self, noun: str) -> list[str]:
        """Names of the parts of one kind of work, in the order of the file."""
        return [part.name for parts in self.parts.get(noun, {}).values() for part in parts]

    @property
    def names(self) -> list[str]:
        """Names of all parts."""
        return [name for noun in self.parts for name in self.names_of(noun)]

    @staticmethod
    def load(source: str | Path | Mapping[str, Any], overrides: Iterable[str] = ()) -> Study:
        """Read a study from a TOML file or a dict; raises StudyError with one line.

        ``overrides`` are ``KEY=VALUE`` as on the command line, e.g. ``defaults.steps=50``,
        ``grid.initialization.depth=[2, 4]``, ``seed=3``, or a bare factor for every grid: ``steps=30``.
        """
        from sim.study.load import load

        return load(source, tuple(overrides))

    def to_toml(self) -> str:
        """The study as resolved, every default written out; loads again to an equal Study."""
        from sim.study.write import to_toml

        return to_toml(self)

    def digest(self) -> str:
        """SHA-256 of all that changes results, in hex; comments and the order of keys do not count."""
        from sim.study.write import digest

        return digest(self)
