"""The results folder of one study: what is done stays done."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from sim.errors import StudyError
from sim.store import manifest, shards
from sim.store.columns import ALL_TABLES, conform, schemas
from sim.store.merge import files_of, gather, merge

if TYPE_CHECKING:
    import pandas as pd

    from sim.descents import DescentPlan
    from sim.plan import Plan
    from sim.study import Study

RECORDS = {noun: files_of(tables) for noun, tables in ALL_TABLES.items()}
WRITTEN = (
    *(name for names in RECORDS.values() for name in names),
    "report.html",
    "derivation.md",
    "manifest.json",
    "timings.csv",
    "study.toml",
)
"""Files that studies leave in their folders; study.toml, the mark that the folder is one, goes last."""
DRAWN = {"tables": ("*.csv",), "figures": ("*.png", "*.svg", "*.gif")}
LOCK = ".lock"


class Unwritable(StudyError):
    """Records could not be written, on a full disk say; what was written before is safe."""


@contextmanager
def said_in_one_line(path: Path, kind: type[StudyError] = Unwritable) -> Iterator[None]:
    """What the system says against writing, as one line."""
    try:
        yield
    except OSError as error:
        raise kind(f"{path}: cannot write: {error.strerror or error}") from error


def refuse_foreign(directory: Path) -> None:
    """Raise StudyError where the folder holds something, but no study."""
    if directory.is_file():
        raise StudyError(f"{directory}: is a file, not a folder for results")
    held = {path.name for path in directory.iterdir()} - {LOCK} if directory.is_dir() else set()
    if held and not {"study.toml", "study.toml" + shards.TEMPORARY} & held:
        raise StudyError(f"{directory}: holds something other than results; name another folder with --out")


def refuse_others(directory: Path, study: Study) -> None:
    """Raise StudyError where the folder belongs to another study, or its open batches to other kernels."""
    mark = directory / "study.toml"
    if not mark.exists():
        return
    earlier = manifest.load(directory / "manifest.json")
    same_text = mark.read_text() == study.to_toml()  # a process was killed before its manifest
    if earlier.get("study_digest", same_text and study.digest()) != study.digest():
        raise StudyError(
            f"{directory}: holds results of a different study; name another folder with --out, "
            f"or start over with --fresh"
        )
    if not any((directory / "shards").glob("*/*.arrow")):
        return
    before, now = earlier.get("kernel_digest"), manifest.surroundings()["kernel_digest"]
    if before not in (None, now):
        raise StudyError(
            f"{directory}: its finished batches come from other kernels or another processor "
            f"({before}, now {now}); start over with --fresh"
        )


class Store:
    """Where the records of ``plan`` go; one process at a time may hold a folder.

    A study of several kinds has a plan for each: ``take_up`` turns to the next. Each kind keeps its own
    tables, shards and entry in the manifest. A folder of another study, or one that holds anything else,
    raises StudyError and is left alone; ``fresh`` removes what an earlier study wrote there, and only that.
    Use it as a context manager.
    """

    def __init__(
        self, directory: str | Path, study: Study, plan: Plan | DescentPlan, fresh: bool = False
    ) -> None:
        self.directory, self.study = Path(directory), study
        self._all_shards = self.directory / "shards"
        refuse_foreign(self.directory)
        with said_in_one_line(self.directory, StudyError):
            self.directory.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(self.directory)
            try:
                self._open(fresh)
                self.take_up(plan)
            except BaseException:
                self.close()
                raise

    def _open(self, fresh: bool) -> None:
        if fresh:
            self._clear()
        refuse_others(self.directory, self.study)
        self._sweep()
        shards.atomically(self.directory / "study.toml", [self.study.to_toml().encode()])
        if not self._all_complete:
            self.note(complete=False, **manifest.surroundings())

    def take_up(self, plan: Plan | DescentPlan) -> None:
        """Turn to the records of another plan of the same study."""
        self.plan = plan
        self.shards = self._all_shards / plan.noun
        self._schemas = schemas(self.study, plan.noun)
        self._shard_of = {batch.number: self.shards / shards.name_of(batch) for batch in plan.batches}
        if not self.complete:
            with said_in_one_line(self.directory, StudyError):
                self.shards.mkdir(parents=True, exist_ok=True)

    def _clear(self) -> None:
        """Remove what a study wrote, and folders that are empty then."""
        drawn = [
            path
            for folder, kinds in DRAWN.items()
            for kind in kinds
            for path in (self.directory / folder).glob(kind)
        ]
        for path in [*drawn, *(self.directory / name for name in WRITTEN)]:
            path.unlink(missing_ok=True)
        drawn_in = [self.directory / name for name in DRAWN]
        for folder in (*(self._all_shards / noun for noun in ALL_TABLES), *drawn_in, self._all_shards):
            _discard(folder)

    def _sweep(self) -> None:
        """Remove what a killed process left half done."""
        names = [self.directory / (name + shards.TEMPORARY) for name in WRITTEN]
        for path in [*names, *self._all_shards.glob("*/*" + shards.TEMPORARY)]:
            path.unlink(missing_ok=True)
        for folder in (*(self._retired(noun) for noun in ALL_TABLES), self._all_shards):
            _discard(folder)

    def _retired(self, noun: str) -> Path:
        """Where shards go once their records are merged."""
        return self.directory / f".{noun}"

    @property
    def complete(self) -> bool:
        """Whether all records of this kind are merged: then they are there and no shard is."""
        return self._is_complete(self.plan.noun)

    @property
    def _all_complete(self) -> bool:
        return all(self._is_complete(noun) for noun in self.study.parts)

    def _is_complete(self, noun: str) -> bool:
        return not (self._all_shards / noun).exists() and all(
            (self.directory / name).exists() for name in RECORDS[noun]
        )

    def done(self) -> set[int]:
        """Numbers of the batches whose records are safe."""
        if self.complete:
            return set(self._shard_of)
        kept = set(self.shards.glob("*.arrow"))
        return {number for number, shard in self._shard_of.items() if shard in kept}

    def save(self, number: int, records: Any) -> None:
        """Keep the tables of one batch, all of them or nothing."""
        tables = {name: conform(getattr(records, name), schema) for name, schema in self._schemas.items()}
        with said_in_one_line(self.shards):
            shards.write(self._shard_of[number], tables)

    def records(self) -> tuple[pd.DataFrame, ...]:
        """The first two tables of all that is done of the plan, before it is merged."""
        first_two = dict(list(self._schemas.items())[:2])
        where = self._where()
        runs = [run.index for run in self.plan.runs]
        return tuple(table.to_pandas() for table in gather(runs, where, first_two).values())

    @property
    def runs(self) -> int:
        """How many runs there are: what is planned, or, once all is merged, what is there."""
        if not self.complete:
            return len(self.plan.runs)
        return int(pq.read_metadata(self.directory / RECORDS[self.plan.noun][-1]).num_rows)

    def _where(self) -> dict[int, Path]:
        """Index of each finished run -> its shard."""
        done = self.done()
        return {
            run.index: self._shard_of[batch.number]
            for batch in self.plan.batches
            if batch.number in done
            for run in batch.runs
        }

    def finish(self, last: bool = True) -> None:
        """Merge what is done into the records; when that is all of this kind, with no stage to come after
        the plan (``last``), the shards go.

        Renaming their folder is the moment at which it is complete: before it everything can be merged
        again, after it nothing is missing.
        """
        if self.complete:
            return
        where = self._where()
        with said_in_one_line(self.directory):
            merge(self.directory, self.plan.runs, where, self._schemas)
            if last and len(where) == len(self.plan.runs) and self._plan_is_whole():
                retired = self._retired(self.plan.noun)
                self.shards.rename(retired)
                for folder in (retired, self._all_shards):
                    _discard(folder)
        counted = {"finished": len(where), "of": len(self.plan.runs), "status": self._statuses()}
        self.note(complete=self._all_complete, **{self.plan.noun: counted})

    def _statuses(self) -> dict[str, int]:
        """How many networks, or starts, ended in each status."""
        table = next((name for name, schema in self._schemas.items() if "status" in schema.names), None)
        if table is None:
            return {}
        status = pq.read_table(self.directory / f"{table}.parquet", columns=["status"])["status"]
        counted = {entry["values"]: entry["counts"] for entry in status.value_counts().to_pylist()}
        return dict(sorted(counted.items()))

    def _plan_is_whole(self) -> bool:
        return {run.grid for run in self.plan.runs} == set(self.study.names_of(self.plan.noun))

    def note(self, **entries: Any) -> None:
        """Put entries into the manifest, replacing those of the same name."""
        path = self.directory / "manifest.json"
        content = {"study_digest": self.study.digest(), **manifest.load(path), **entries}
        with said_in_one_line(path):
            shards.atomically(path, [json.dumps(content, indent=2).encode(), b"\n"])

    def note_session(self, **session: Any) -> None:
        """Add what one stretch of training took to the manifest's list of them."""
        earlier = manifest.load(self.directory / "manifest.json").get("sessions", [])
        self.note(sessions=[*earlier, session])

    def close(self) -> None:
        """Let other processes have the folder."""
        os.close(self._lock)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _lock(directory: Path) -> int:
    """Hold the folder until the descriptor is closed; the system lets go of it when the process dies."""
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StudyError(
            f"{directory}: another process is writing there; wait for it or name another folder"
        ) from None
    return descriptor


def _discard(folder: Path) -> None:
    """Remove the shards in a folder, and the folder where nothing else is in it."""
    if folder.is_dir():
        for path in folder.glob("*.arrow*"):
            path.unlink()
        if not any(folder.iterdir()):
            folder.rmdir()


def read(directory: str | Path, noun: str = "networks") -> tuple[pd.DataFrame, ...]:
    """The records of a results folder: of networks runs, curves, layers, of walks walks, ends, paths.

    Columns: :mod:`sim.store.columns`. Raises StudyError where the folder has none.
    """
    import pandas as pd

    folder = Path(directory)
    if not holds(folder, noun):
        problem = (
            "is not finished: run its study again" if (folder / "study.toml").exists() else "holds no results"
        )
        raise StudyError(f"{folder}: {problem}")
    return tuple(pd.read_parquet(folder / f"{name}.parquet") for name in ALL_TABLES[noun])


def holds(directory: str | Path, noun: str) -> bool:
    """Whether a folder has records of this kind of work."""
    return (Path(directory) / RECORDS[noun][-1]).exists()
