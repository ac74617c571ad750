"""The kinds of work that a study may have, networks, walks, worked examples: who does which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.plan import Plan
    from sim.study import Study


@dataclass(frozen=True)
class Kind:
    """The stations of one kind of work, from its plan to its records; the report has chapters from all."""

    noun: str
    """What a run is called, in the plural."""
    done: str
    """What is said of runs that are finished."""
    plan: Callable[[Study, Sequence[str]], Any]
    check: Callable[[Any], object]
    """Raises StudyError for what can only be seen once something is compiled; before anything is written."""
    prepare: Callable[[Any], float]
    """Compiles what a plan names; the seconds that took."""
    following: Callable[[Any, Callable[[], Any]], Any]
    """Plan and what gives the records so far -> the plan with what these ask for, None where it ends."""
    execute: Callable[..., None]
    """Plan, batches, number of threads, what is done with the records of a batch, and with a failure."""


def kinds_of(study: Study) -> list[Kind]:
    """Every kind of work that the study has."""
    return [KINDS[noun]() for noun in study.parts]


def planned(study: Study, only: Sequence[str]) -> list[tuple[Kind, Any]]:
    """Every kind of work that is wanted, with its plan; raises StudyError for what cannot be planned."""
    plans = [(kind, kind.plan(study, only)) for kind in kinds_of(study)]
    return [(kind, plan) for kind, plan in plans if plan.batches]


def _networks() -> Kind:
    from sim import execute
    from sim.trials import plan_networks

    return Kind(
        "networks", "trained", plan_networks, execute.check, execute.prepare, _following, execute.execute
    )


def _following(plan: Plan, records: Callable[[], Any]) -> Plan | None:
    """The next stage of a comparison."""
    if not plan.stage:
        return None
    from sim.stages import following  # needs pandas

    return following(plan, records)


def _walks() -> Kind:
    from sim.descents import plan_descents
    from sim.execute.surfaces import execute_walks, prepare_walks

    return Kind("walks", "done", plan_descents, prepare_walks, prepare_walks, lambda *_: None, execute_walks)


def _examples() -> Kind:
    from sim.examples import plan_examples
    from sim.execute.examples import execute_examples, prepare_examples

    never = lambda *_: None  # noqa: E731
    return Kind("examples", "trained", plan_examples, never, prepare_examples, never, execute_examples)


KINDS: dict[str, Callable[[], Kind]] = {"networks": _networks, "walks": _walks, "examples": _examples}
"""What makes each kind; heavy modules are imported by those who need them."""
