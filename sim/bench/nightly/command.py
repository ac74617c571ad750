"""The command ``python -m sim.bench nightly``; everything heavy is imported when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.bench.points import POINTS

if TYPE_CHECKING:
    from sim.bench.nightly.night import Outcome

ROOT = Path(__file__).parents[3]
HISTORY = Path("results/nights/history.sqlite")
NOTHING = "none"
SHOWN = 20
"""Lines of changes at most; the page has all."""


def _names(context: click.Context, parameter: click.Parameter, given: str | None) -> tuple[str, ...]:
    if given == NOTHING:
        return ()
    names = tuple(given.split(",")) if given else tuple(POINTS)
    for name in names:
        if name not in POINTS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(POINTS)}, {NOTHING}")
    return names


@click.command()
@click.option("--history", metavar="FILE", type=click.Path(path_type=Path), default=HISTORY,
              show_default=True, help="SQLite file of all nights; begun where there is none.")  # fmt: skip
@click.option("--page", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
              help="HTML page of the trends.  [default: beside the history]")  # fmt: skip
@click.option("--study", metavar="FILE", type=click.Path(path_type=Path),
              default=ROOT / "studies" / "nightly.toml",
              help=f"What is learned, or {NOTHING}.  [default: studies/nightly.toml]")  # fmt: skip
@click.option("--points", metavar="A,B,…", callback=_names,
              help=f"Reference points of speed, or {NOTHING}.  [default: all]")  # fmt: skip
@click.option("--repeats", metavar="N", type=click.IntRange(min=3), default=9, show_default=True,
              help="Measurements of each point; medians are compared.")  # fmt: skip
@click.option("--jobs", metavar="N", type=click.IntRange(min=1), help="Threads.  [default: one a core]")
@click.option("--accept", is_flag=True, help="What is not as it was is meant: later nights are compared "
              "with this one.")  # fmt: skip
def nightly_command(history: Path, page: Path | None, study: Path, **wishes: Any) -> int:
    """Measure what networks learn and how fast, compare it with the nights before, and keep it.

    Exit codes: 0 all is as it was, or nothing can be judged yet; 3 something learns differently, is slower,
    or is too fast to be true; 4 nothing could be measured; 2 the input is bad, a history that is
    damaged or none at all among it, which is left as it is.
    """
    from sim.bench.nightly.night import Wishes, conduct

    learned = None if str(study) == NOTHING else study
    chosen = Wishes(history, page or history.parent / f"{history.stem}.html", learned, **wishes)
    outcome = conduct(chosen, lambda line: click.echo(line, err=True))
    _tell(outcome, chosen)
    return outcome.code


def _tell(outcome: Outcome, wishes: Any) -> None:
    """What changed, and where the rest can be read."""
    from sim.bench.nightly.verdict import ACCEPTED, BAD, GAIN

    for line in outcome.troubles:
        click.echo(line, err=True)
    changes = [v for v in outcome.verdicts if v.word in (*BAD, GAIN, ACCEPTED)]
    for verdict in changes[:SHOWN]:
        click.echo(f"{verdict.word}: {verdict.figure.name}: {verdict.reason}")
    if len(changes) > SHOWN:
        click.echo(f"{len(changes) - SHOWN} more changes stand on the page")
    if outcome.number is None:
        click.echo(f"{outcome.headline}; {wishes.history} is left as it was")
    else:
        click.echo(f"night {outcome.number}: {outcome.headline}; {wishes.page}")
