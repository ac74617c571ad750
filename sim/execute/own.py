"""Whether what a user wrote compiles: found out before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sim.errors import StudyError, complaint
from sim.kernels import jit
from sim.kernels.parts import activation_kernel, optimizer_kernels
from sim.plan import Plan, Run
from sim.study import Choice, Study

LONGEST = 200
NOISE = (
    "Failed in",
    "During:",
    "File ",
    "- ",
    "[",
    "<",
    "def ",
    "This error",
    "Known signatures",
    "There are",
)
"""How lines of the compiler's messages begin that say nothing to the author of a rule."""


def check(plan: Plan) -> None:
    """Compile every activation and optimizer from outside the package; StudyError where one does not."""
    for run in {batch.runs[0].kernel_key(): batch.runs[0] for batch in plan.batches}.values():
        _check_run(run, plan.study)


def _check_run(run: Run, study: Study) -> None:
    real = jit.REAL[run.settings.precision]
    if run.activation.content:
        with compiling(run.activation, _place(run, study, "activation")):
            activation_kernel(run.activation.part, real)
    if run.optimizer.content:
        part = run.optimizer.part
        with compiling(run.optimizer, _place(run, study, "optimizer")):
            optimizer_kernels(part, part.rule(run.optimizer.settings), real)


def _place(run: Run, study: Study, key: str) -> str:
    """Where the study's file says it."""
    place = f"grid {run.grid!r}.{key}"
    if study.comparison is not None and key == "optimizer":
        entrants = [entrant.name for entrant in study.comparison.entrants]
        place = f"comparison.optimizer[{entrants.index(run.entrant)}].{key}"
    elif study.comparison is not None:
        problems = [problem.name for problem in study.problems]
        place = f"problem[{problems.index(run.grid)}] {run.grid!r}.{key}"
    return f"{study.source}: {place}"


@contextmanager
def compiling(choice: Choice, where: str) -> Iterator[None]:
    """What the compiler says against a part from outside the package, as a StudyError of one line."""
    try:
        yield
    except Exception as error:
        if not choice.content:
            raise
        problem = f"does not compile: {reason(error, choice.path)}"
        raise StudyError(complaint(where, choice.label, problem)) from None


def reason(error: Exception, path: str) -> str:
    """The line of the compiler's message that says what is wrong, and the line of the file it is about."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith(NOISE)] or [type(error).__name__]
    said = " ".join(useful[: 2 if useful[0].endswith(":") else 1])
    places = re.findall(r'File "([^"]*)", line (\d+)', plain)
    own = [number for file, number in places if path and Path(file).resolve() == Path(path)]
    where = f" (line {own[0]})" if own else ""
    return f"{said[:LONGEST]}{where}"
