"""What the optimizers of a comparison are tried with, and the networks that each stage of it trains; pure.

Tuning: every optimizer × problem × trial on the tuning seeds. Target: the founding optimizers' best settings
on target seeds. Extension: trials beyond the edge of a range, on the tuning seeds again. Report: the best
setting and the untuned default on report seeds. Equal replicates share their draws whatever the stage.

A network's index is that of its place among all that could be asked for, so that it does not hang on what
other stages found; indices that nothing asked for stay unused.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sim.catalog.randomness import generator
from sim.errors import StudyError, complaint
from sim.plan import Batch, Plan, Run, batches_of, known_names, plan
from sim.study import Choice, Study, Target
from sim.study.comparison import TARGET, Axis, Comparison, Entrant, Problem
from sim.study.parts import parameter
from sim.study.resolve import Resolver, shape
from sim.study.values import Trouble

STAGES = ("tuning", "target", "extension", "report")


def trials_of(study: Study, entrant: Entrant) -> tuple[Choice, ...]:
    """The settings that an optimizer is tried with: the grid of its axes, or Sobol's points among them.

    The same on every problem; the points are scrambled by the study's seed (Sobol 1967; Owen 1995).
    """
    assert study.comparison is not None
    if entrant.sampler == "grid":
        rows: Iterable[tuple[Any, ...]] = itertools.product(*(axis.values for axis in entrant.search))
    else:
        rows = _sobol(study, entrant, study.comparison.trials)
    names = [axis.name for axis in entrant.search]
    return tuple(with_values(entrant.fixed, dict(zip(names, row, strict=True))) for row in rows)


def with_values(choice: Choice, values: Mapping[str, Any]) -> Choice:
    """The same part with other values of some parameters."""
    return replace(choice, parameters=tuple((name, values.get(name, old)) for name, old in choice.parameters))


def _sobol(study: Study, entrant: Entrant, count: int) -> list[tuple[Any, ...]]:
    from scipy.stats import qmc

    assert study.comparison is not None
    place = study.comparison.entrants.index(entrant)
    draws = generator(study.seed, "trials", place)
    points = qmc.Sobol(len(entrant.search), rng=draws).random_base2(max(count - 1, 1).bit_length())[:count]
    return [
        tuple(_at(entrant, axis, share) for axis, share in zip(entrant.search, point, strict=True))
        for point in points
    ]


def _at(entrant: Entrant, axis: Axis, share: float) -> Any:
    """The value of an axis at a share 0 ≤ share < 1 of the way along it."""
    if axis.scale is None:
        return axis.values[int(share * len(axis.values))]
    low, high = axis.values[0], axis.values[-1]
    value = low * (high / low) ** share if axis.scale == "log" else low + share * (high - low)
    return round(value) if isinstance(low, int) else float(f"{value:.6g}")


def wider(entrant: Entrant, tried: Iterable[Choice], best: Choice) -> tuple[Choice | None, tuple[str, ...]]:
    """The setting one step beyond the edges at which the best one lies, and the names of these parameters.

    An edge is the smallest or largest value tried of a parameter searched on a range. None where the best
    is at no edge, or where the optimizer's own limits end there.
    """
    tried, beyond, edges = list(tried), {}, []
    for axis in entrant.search:
        values, value = [choice.value(axis.name) for choice in tried], best.value(axis.name)
        if axis.scale is None or min(values) < value < max(values):
            continue
        edges.append(axis.name)
        side = 1 if value == max(values) else -1
        farther = axis.beyond(value, side)
        farther = round(farther) if isinstance(value, int) else farther
        if farther not in values and _allowed(entrant, axis.name, farther):
            beyond[axis.name] = farther
    return (with_values(best, beyond) if beyond else None), tuple(edges)


def _allowed(entrant: Entrant, name: str, value: float) -> bool:
    try:
        parameter(entrant.fixed.part, name)(value)
    except Trouble:
        return False
    return True


# --- networks ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """One setting of one optimizer on one problem, on all seeds of a stage."""

    problem: Problem
    entrant: Entrant
    stage: str
    setting: str
    """"trial", "tuned" or "default"."""
    trial: int
    """Its number among the trials; of a default the setting has none: -1."""
    optimizer: Choice
    level: float = float("nan")
    """The problem's target, where it is known."""


class Networks:
    """Turns what is asked into runs, numbered after the ``first`` ones of the grids."""

    def __init__(self, study: Study, first: int) -> None:
        assert study.comparison is not None
        self.study, self.rules, self.first = study, study.comparison, first
        self._cells: dict[str, dict[str, Any]] = {}

    def runs(self, asked: Iterable[Asked]) -> list[Run]:
        """The runs in the order of their indices."""
        return sorted((run for one in asked for run in self._of(one)), key=lambda run: run.index)

    def _of(self, asked: Asked) -> list[Run]:
        problem, cell = asked.problem, self._cell(asked.problem)
        targets = () if np.isnan(asked.level) else (Target(TARGET, problem.metric, asked.level),)
        settings = replace(problem.settings, targets=targets)
        first = self._index(asked)
        return [
            Run(
                first + place,
                problem.name,
                replicate,
                settings=settings,
                stage=asked.stage,
                entrant=asked.entrant.name,
                setting=asked.setting,
                trial=asked.trial,
                **{**cell, "optimizer": asked.optimizer},
            )
            for place, replicate in enumerate(seeds_of(self.rules, asked.stage))
        ]

    def _cell(self, problem: Problem) -> dict[str, Any]:
        """The problem's factors, resolved."""
        if problem.name not in self._cells:
            where = f"{self.study.source}: problem[{self.study.problems.index(problem)}] {problem.name!r}"
            factors = {name: values[0] for name, values in problem.grid.factors.items()}
            cell = Resolver(problem.grid, where)(factors)
            if problem.rising and not shape(cell["dataset"]).classes:
                wrong = f"is measured for classes only, and {cell['dataset'].label} is a regression"
                losses = ("train_loss", "test_loss")
                raise StudyError(complaint(f"{where}.metric", problem.metric, wrong, losses))
            self._cells[problem.name] = cell
        return self._cells[problem.name]

    def _index(self, asked: Asked) -> int:
        """The index of the first seed: stage, problem, optimizer, trial, seed, the last fastest."""
        rules, study = self.rules, self.study
        pair = study.problems.index(asked.problem) * len(rules.entrants) + rules.entrants.index(asked.entrant)
        nth = {
            "tuning": asked.trial,
            "target": 0,
            "extension": asked.trial - rules.trials,
            "report": int(asked.setting == "default"),
        }[asked.stage]
        most = dict(zip(STAGES, (rules.trials, 1, rules.extend, 2), strict=True))
        pairs, seeds = len(study.problems) * len(rules.entrants), len(seeds_of(rules, asked.stage))
        earlier = STAGES[: STAGES.index(asked.stage)]
        before = sum(pairs * most[stage] * len(seeds_of(rules, stage)) for stage in earlier)
        return self.first + before + (pair * most[asked.stage] + nth) * seeds


def seeds_of(rules: Comparison, stage: str) -> range:
    """The replicates of a stage; those of tuning, targets and report differ."""
    tuning, target = rules.tuning_seeds, rules.tuning_seeds + rules.target_seeds
    return {
        "tuning": range(tuning),
        "extension": range(tuning),
        "target": range(tuning, target),
        "report": range(target, target + rules.report_seeds),
    }[stage]


def tuning(study: Study, problems: Iterable[Problem]) -> list[Asked]:
    """The first stage: every trial of every optimizer on these problems."""
    assert study.comparison is not None
    tried = {entrant.name: trials_of(study, entrant) for entrant in study.comparison.entrants}
    return [
        Asked(problem, entrant, "tuning", "trial", trial, choice)
        for problem in problems
        for entrant in study.comparison.entrants
        for trial, choice in enumerate(tried[entrant.name])
    ]


def plan_networks(study: Study, only: Iterable[str] = ()) -> Plan:
    """The networks of all grids, and those of the comparison's first stage; ``only`` names what is wanted."""
    wanted = known_names(study, only)
    grids = plan(study, only)
    problems = [problem for problem in study.problems if problem.name in wanted]
    if not problems:
        return grids
    return with_runs(grids, "tuning", networks(study).runs(tuning(study, problems)))


def to_come(plan: Plan) -> tuple[list[tuple[Run, int]], int]:
    """What a comparison will train after its first stage, before anything is known.

    For each problem one of its runs, and how many like it set targets and are reported; then how many are
    trained beyond the edges of ranges, at most.
    """
    study, names = plan.study, {run.grid: run for run in plan.runs if run.stage}
    if study.comparison is None:
        return [], 0
    rules, later = study.comparison, []
    asked = [problem for problem in study.problems if problem.name in names]
    for problem in asked:
        more = 2 * len(rules.entrants) * rules.report_seeds
        more += len(rules.founding) * rules.target_seeds if problem.level is None else 0
        later.append((names[problem.name], more))
    return later, len(asked) * len(rules.entrants) * rules.extend * rules.tuning_seeds


def networks(study: Study) -> Networks:
    """What turns trials into runs; the grids' runs come first."""
    return Networks(study, len(plan(replace(study, problems=(), comparison=None)).runs) if study.grids else 0)


def with_runs(before: Plan, stage: str, runs: list[Run]) -> Plan:
    """The plan with the runs of a further stage, in batches of one problem each."""
    batches: list[Batch] = list(before.batches)
    first = max((batch.number for batch in batches), default=-1) + 1
    for _, group in itertools.groupby(runs, key=lambda run: run.grid):
        more = batches_of(list(group), first)
        batches += more
        first += len(more)
    together = tuple(sorted((*before.runs, *runs), key=lambda run: run.index))
    return replace(before, runs=together, batches=tuple(batches), stage=stage)
