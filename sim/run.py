"""The command: study -> plan -> execute -> store -> report, and nothing else.

``python -m sim.run STUDY`` runs a study, ``… report DIR`` draws its report again, ``… list`` prints the
catalog. Exit codes: 0 all is well; 1 some batches failed or could not be kept, the rest is kept; 2 the input
is bad, nothing was written; 130 interrupted, what had finished is kept. Everything heavy is imported where it
is needed, so that ``--help`` answers at once.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from sim.command import carry_out
from sim.errors import StudyError

if TYPE_CHECKING:
    from sim.kinds import Kind
    from sim.plan import Batch
    from sim.store import Store
    from sim.study import Study

PROGRAM = "python -m sim.run"
SHOWN_FAILURES = 10


@dataclass(frozen=True)
class Outcome:
    """What came of a study: its folder, what it has and what was done of it now, what failed and why."""

    directory: Path
    told: tuple[str, ...]
    """A phrase for each kind of work: "36 networks, 12 of them trained now"."""
    seconds: float
    training: float
    """How many of these seconds went into training, on all threads at once."""
    failures: tuple[str, ...]


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def conduct(
    study: Study,
    directory: Path,
    jobs: int | None = None,
    only: Sequence[str] = (),
    fresh: bool = False,
    quiet: bool = True,
) -> Outcome:
    """Do what ``directory`` lacks of the study, merge the records, draw tables, figures and report.

    ``only`` names the parts to do, all if empty; ``fresh`` starts over. Raises StudyError for a folder
    that holds something else and Unwritable for a disk that is full.
    """
    from sim.kinds import planned
    from sim.store import Store
    from sim.store.timings import write as write_seconds
    from sim.views.aside import reporter

    started, jobs = time.perf_counter(), jobs or cores()
    with reporter(jobs) as build:
        work = planned(study, only)
        for kind, plan in work:
            kind.check(plan)
        with Store(directory, study, work[0][1], fresh) as store:
            done = [_carry_on(store, kind, plan, jobs, quiet) for kind, plan in work]
            failures = tuple(reason for one in done for reason in one.failures)
            if study.comparison:
                write_seconds(store.directory)
            if len(failures) < sum(len(plan.batches) for _, plan in work):
                _report(store.directory, quiet, build)
            training, seconds = sum(one.training for one in done), time.perf_counter() - started
            store.note(seconds={"all": round(seconds, 3), "training": round(training, 3)})
    return Outcome(store.directory, tuple(one.told for one in done), seconds, training, failures)


class Done(NamedTuple):
    """What came of one kind of work."""

    told: str
    training: float
    failures: tuple[str, ...]


def _carry_on(store: Store, kind: Kind, plan: Any, jobs: int, quiet: bool) -> Done:
    """Do what is missing of a plan, and of those that its records ask for."""
    now, last, seconds = 0, False, 0.0
    failures: Failures = ()
    store.take_up(plan)
    while not (last or failures or store.complete):
        plan, done = store.plan, store.done()
        if stage := getattr(plan, "stage", ""):
            _say(f"the comparison's {stage} stage", quiet)
        pending = [batch for batch in plan.batches if batch.number not in done]
        if pending:
            failures, took = _train(store, kind, plan, pending, jobs, quiet)
            seconds += took
        now += sum(len(batch.runs) for batch in pending) - sum(len(batch.runs) for batch, _ in failures)
        more = None if failures else kind.following(plan, store.records)
        last = more is None
        if more is not None:
            store.take_up(more)
    store.finish(last and not failures)
    told = f"{store.runs:,} {kind.noun}, {now:,} of them {kind.done} now"
    if store.runs == 1:
        told = f"1 {kind.noun.removesuffix('s')}, {now} {kind.done} now"
    return Done(told, seconds, tuple(_reason(kind, batch, error) for batch, error in failures))


def _report(directory: Path, quiet: bool, build: Callable[[Path], object]) -> None:
    """Draw all that the records of a folder show."""
    _say("drawing tables, figures and report", quiet)
    build(directory)


def _say(line: str, quiet: bool) -> None:
    """What is being done, for the stretches that the progress of training does not show."""
    if not quiet:
        click.echo(line, err=True)


Failures = tuple[tuple["Batch", BaseException], ...]


def _train(
    store: Store, kind: Kind, plan: Any, pending: Sequence[Batch], jobs: int, quiet: bool
) -> tuple[Failures, float]:
    """Train the pending batches into the store: what failed, and the seconds it took.

    The manifest gets a session even if it is cut short.
    """
    from sim.progress import Progress
    from sim.store.timings import Timings

    began = datetime.now(UTC).isoformat(timespec="seconds")
    _say("compiling kernels, or loading those of an earlier run", quiet)
    compiling = kind.prepare(plan)
    started = time.perf_counter()
    failures: list[tuple[Batch, BaseException]] = []
    times = Timings()
    networks, work = sum(len(batch.runs) for batch in pending), sum(batch.flops for batch in pending)
    with Progress(networks, work, quiet, noun=kind.noun) as progress:

        def keep(batch: Batch, records: Any) -> None:
            store.save(batch.number, records)
            times.add(batch, getattr(records, "seconds", 0.0))
            progress.advance(len(batch.runs), batch.flops)

        try:
            kind.execute(plan, pending, jobs, keep, lambda batch, error: failures.append((batch, error)))
        finally:
            seconds = time.perf_counter() - started
            store.note_session(
                began=began,
                jobs=jobs,
                compile_seconds=round(compiling, 3),
                train_seconds=round(seconds, 3),
                **{
                    kind.noun: progress.finished,
                    f"{kind.noun}_per_second": round(progress.finished / seconds, 3),
                },
                timings=times.rows(),
                failures=[_reason(kind, batch, error) for batch, error in failures],
            )
    return tuple(failures), seconds


def _reason(kind: Kind, batch: Batch, error: BaseException) -> str:
    """A failed batch in one line."""
    said = " ".join(str(error).split())
    return (
        f"batch {batch.number} of {batch.runs[0].grid!r} ({len(batch.runs)} {kind.noun} from "
        f"run {batch.runs[0].index}): {type(error).__name__}: {said}"
    )


def _asked(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep what an option that stands for ``--set`` asks for."""
    if value is not None:
        context.meta.setdefault(PROGRAM, {})[option.name] = value


def _settings(asked: Mapping[str, Any]) -> list[str]:
    """The same as ``KEY=VALUE``; epochs first, for they clear an earlier trace."""
    return [f"{name}={asked[name] if name == 'epochs' else f'[{asked[name]}]'}" for name in sorted(asked)]


@click.command(
    epilog=f"{PROGRAM} report DIR draws tables, figures and report of DIR again from its records; "
    f"{PROGRAM} list prints the catalog."
)
@click.argument("study")
@click.option("--out", metavar="DIR", help="Results folder.  [default: results/<study>]")
@click.option(
    "--jobs",
    metavar="N",
    type=click.IntRange(min=1),
    help="Threads that train and processes that draw.  [default: one a core]",
)
@click.option(
    "--dry-run", is_flag=True, help="Say what would be done and how long it would take; write nothing."
)
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Change the study: seed=3, "
              "defaults.steps=50, grid.NAME.depth=[2,4].")  # fmt: skip
@click.option(
    "--only", metavar="NAME", multiple=True, help="Do this grid or descent alone; may be given several times."
)
@click.option("--epochs", type=click.IntRange(min=1), expose_value=False, callback=_asked, metavar="N",
              help="Train so many epochs: --set epochs=N.")  # fmt: skip
@click.option("--trace", expose_value=False, callback=_asked, metavar="N,N",
              help="Epochs of worked examples to write out, from 0: --set trace=[N,N].")  # fmt: skip
@click.option("--fresh", is_flag=True, help="Start over: remove what an earlier study wrote into the folder.")
@click.option("--quiet", is_flag=True, help="Show errors and nothing else.")
def study_command(
    study: str,
    out: str | None,
    jobs: int | None,
    dry_run: bool,
    overrides: tuple[str, ...],
    only: tuple[str, ...],
    fresh: bool,
    quiet: bool,
) -> int:
    """Do all that STUDY, a TOML file, asks for, and report what was found.

    What has finished is kept: after an interruption the same command goes on from there.
    """
    from sim.study import Study

    asked = click.get_current_context().meta.get(PROGRAM, {})
    loaded = Study.load(study, [*overrides, *_settings(asked)])
    if out == "":
        raise StudyError("--out: '' names no folder")
    directory = Path(out) if out else Path("results") / Path(study).stem
    from sim.examples import supersedes

    fresh = fresh or supersedes(loaded, directory)
    if dry_run:
        from sim.forecast import forecast

        _check_folder(directory, loaded, fresh)
        click.echo(forecast(loaded, only, jobs or cores(), directory))
        return 0
    return _carry_out(loaded, directory, jobs, only, fresh, quiet)


def _check_folder(directory: Path, study: Study, fresh: bool) -> None:
    """Raise StudyError for a folder that would be refused."""
    from sim.store import refuse_foreign, refuse_others

    refuse_foreign(directory)
    if not fresh:
        refuse_others(directory, study)


def _carry_out(
    study: Study, directory: Path, jobs: int | None, only: Sequence[str], fresh: bool, quiet: bool
) -> int:
    """Conduct the study and say how it ended; the exit code."""
    from sim.store import Unwritable

    kept = f"finished batches are kept in {directory}; the same command goes on from there"
    try:
        outcome = conduct(study, directory, jobs, only, fresh, quiet)
        if study.examples and not (quiet or outcome.failures):
            from sim.views.show_examples import show

            show(outcome.directory)
        return _conclude(outcome, quiet)
    except KeyboardInterrupt:
        click.echo(f"interrupted: {kept}", err=True)
        return 130
    except Unwritable as error:
        click.echo(f"error: {error}; {kept}", err=True)
        return 1


def _conclude(outcome: Outcome, quiet: bool) -> int:
    """Name what failed, point to the report; the exit code."""
    from sim.progress import duration

    for reason in outcome.failures[:SHOWN_FAILURES]:
        click.echo(f"failed: {reason}", err=True)
    hidden = len(outcome.failures) - SHOWN_FAILURES
    if hidden > 0:
        click.echo(f"failed: {hidden} more batches, named in {outcome.directory / 'manifest.json'}", err=True)
    if outcome.failures:
        click.echo("the rest is kept; the same command tries the failed batches again", err=True)
    elif not quiet:
        page = outcome.directory / "report.html"
        spent = f"in {duration(outcome.seconds)}, {duration(outcome.training)} of it training"
        click.echo(f"{'; '.join(outcome.told)}, {spent}: {page}")
    return 1 if outcome.failures else 0


@click.command()
@click.argument("directory", metavar="DIR")
def report_command(directory: str) -> int:
    """Draw tables, figures and report of the results folder DIR again from its records alone."""
    from sim.views import report

    report.build(directory, cores())
    click.echo(Path(directory) / "report.html")
    return 0


@click.command()
@click.argument("family", required=False)
@click.argument("name", required=False)
def list_command(family: str | None, name: str | None) -> int:
    """Print what the catalog holds: its families, one FAMILY (optimizers, activations …), or NAME in full."""
    from sim.listing import listing

    click.echo(listing(family, name))
    return 0


COMMANDS = {"report": report_command, "list": list_command}
"""What the first word may be besides a study."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out the command line; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    word = words[0] if words and words[0] in COMMANDS else None
    command, program = (COMMANDS[word], f"{PROGRAM} {word}") if word else (study_command, PROGRAM)
    return carry_out(command, words[1:] if word else words, program)


if __name__ == "__main__":
    ended = main()
    gc.freeze()  # the process ends anyway: looking for garbage in all that was imported takes half a second
    sys.exit(ended)
