"""One night: measure, compare, append, draw, say."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sim.bench.nightly.figures import LEARNING, SPEED, START
from sim.bench.nightly.history import History, Night
from sim.bench.nightly.verdict import ACCEPTED, BAD, GAIN, NONE, Verdict, judge
from sim.bench.points import POINTS, Point
from sim.errors import StudyError

if TYPE_CHECKING:
    from sim.study import Study

FINE, REGRESSED, NOTHING = 0, 3, 4
"""Exit codes."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """What a night measures and where it is kept."""

    history: Path
    page: Path
    study: Path | None
    points: tuple[str, ...] = tuple(POINTS)
    repeats: int = 9
    jobs: int | None = None
    accept: bool = False


@dataclass(frozen=True)
class Outcome:
    """What is said of a night."""

    code: int
    headline: str
    verdicts: list[Verdict]
    troubles: list[str]
    number: int | None


def conduct(wishes: Wishes, say: Say) -> Outcome:
    """A night from measuring to the page.

    Raises StudyError, before anything is measured, for a history that cannot be used or a study that
    cannot be read; nothing is written then. A night that measured nothing is not appended.
    """
    history = History(wishes.history)
    study, told = _study(wishes.study) if wishes.study else (None, "")
    if history.is_new:
        say(f"{wishes.history}: there is no history yet, this night begins it")
    about = surroundings(told)
    troubles: list[str] = []
    verdicts: list[Verdict] = []
    if study:
        say(f"learning: {study.title}")
        verdicts += _tried("learning", lambda: _learning(study, wishes, about, history), troubles)
    if wishes.points:
        say(f"speed: points {', '.join(wishes.points)}")
        verdicts += _tried("speed", lambda: _speed(wishes, about, history, say), troubles)
    return _conclude(wishes, about, history, verdicts, troubles)


def _study(path: Path) -> tuple[Study, str]:
    """The study and the digest of its file."""
    from sim.bench.nightly.learning import fingerprint
    from sim.study import Study

    study = Study.load(path)
    if study.descents:
        raise StudyError(f"{path}: walks on surfaces; nights train networks alone")
    return study, fingerprint(path.read_text(encoding="utf-8"))


def _tried(what: str, measure: Callable[[], list[Verdict]], troubles: list[str]) -> list[Verdict]:
    """A part that cannot be measured is told, and does not keep the other from being measured."""
    try:
        return measure()
    except Exception as error:
        said = " ".join(str(error).split())
        troubles.append(f"{what} could not be measured: {type(error).__name__}: {said}")
        return []


def _learning(study: Study, wishes: Wishes, about: Night, history: History) -> list[Verdict]:
    from sim.bench.nightly.learning import measured
    from sim.bench.work import cores

    return judge(measured(study, wishes.jobs or cores()), about, history.records)


def _speed(wishes: Wishes, about: Night, history: History, say: Say) -> list[Verdict]:
    """Measured and judged; a point that is not as expected is measured again, and that counts.

    A disturbance of the machine seldom strikes twice, a slower kernel does.
    """
    from sim.bench.nightly.speed import entries, measure, point_of
    from sim.bench.work import Team

    chosen: list[Point] = [POINTS[name] for name in wishes.points]
    with Team(wishes.jobs) as team:
        contest = entries(team, chosen)
        verdicts = judge(measure(contest, wishes.repeats), about, history.records)
        odd = {point_of(v.figure.name) for v in verdicts if v.word in (*BAD, GAIN)}
        if not odd:
            return verdicts
        say(f"speed: points {', '.join(sorted(odd))} once more, for they are not as expected")
        again = measure([entry for entry in contest if entry.point.name in odd], wishes.repeats)
    second = {figure.name: figure for figure in again}
    return judge([second.get(v.figure.name, v.figure) for v in verdicts], about, history.records)


def surroundings(study: str) -> Night:
    """When, of what and on what is measured now."""
    from numba import config, types

    from sim.kernels.simd import lanes
    from sim.store.manifest import surroundings as known

    found = known()
    bits, forced = 32 * lanes(types.float32), config.CPU_NAME
    kind = f"{found['processor']}, {found['cores']} cores, {bits}-bit vectors"
    return Night(
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        revision=revision(),
        machine=f"{kind}, as {forced}" if forced else kind,
        kernels=found["kernel_digest"],
        study=study,
        versions=found["versions"],
        surroundings={"system": found["system"], "cores": found["cores"], "vector_bits": bits},
    )


def revision() -> str:
    """The commit, ``+`` behind it where files were changed since; "unknown" outside of a repository."""

    def git(*words: str) -> str:
        folder = Path(__file__).parents[3]
        return subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _conclude(
    wishes: Wishes, about: Night, history: History, verdicts: list[Verdict], troubles: list[str]
) -> Outcome:
    """Append what was found and draw it."""
    from sim.bench.nightly.page import draw

    if not verdicts:
        return Outcome(NOTHING, "nothing measured", [], troubles, None)
    if wishes.accept:
        verdicts = [replace(v, word=ACCEPTED) if v.word in (*BAD, GAIN) else v for v in verdicts]
    bad = any(verdict.word in BAD for verdict in verdicts) or bool(troubles)
    headline = summary(verdicts, troubles)
    number = history.append(about, [(verdict.figure, verdict.word) for verdict in verdicts])
    try:
        draw(wishes.page, headline, verdicts, about, history.records)
    except OSError as error:
        said = f"{wishes.page}: cannot write the page ({error.strerror}); night {number} is kept: {headline}"
        raise StudyError(said) from error
    return Outcome(REGRESSED if bad else FINE, headline, verdicts, troubles, number)


def summary(verdicts: Sequence[Verdict], troubles: Sequence[str]) -> str:
    """The night in one line."""
    from sim.views import wording

    counts = {
        "regression": sum(v.word in BAD for v in verdicts),
        "unmeasured part": len(troubles),
        "gain": sum(v.word == GAIN for v in verdicts),
        "accepted change": sum(v.word == ACCEPTED for v in verdicts),
    }
    told = [wording.count(number, name) for name, number in counts.items() if number] or ["as it was"]
    judged = sum(v.word not in ("", NONE) for v in verdicts)
    if not judged and not troubles:
        told = []
    for name, kinds in (("learning", (START, LEARNING)), ("speed", (SPEED,))):
        waiting = sum(v.word == NONE and v.figure.kind in kinds for v in verdicts)
        told += [f"no verdict yet on {wording.count(waiting, 'figure')} of {name}"] if waiting else []
    return f"{', '.join(told)}; {wording.count(judged, 'figure')} judged"
