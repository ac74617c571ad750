"""All figures of all nights in one SQLite file: what is in it stays in it.

A night is appended in one transaction, so a process that is killed leaves the nights before and nothing
of its own; two that write at once wait for one another. A file that is anything else, or that is
damaged, is said to be so and left as it is. The view ``records`` has one row a figure
with all that is known of its night.
"""

from __future__ import annotations

import json
import math
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sim.bench.nightly.figures import Figure
from sim.errors import StudyError

APPLICATION = 0x6D616E79
"""Written into the file's head, where SQLite keeps whose it is."""
SCHEMA = 1
PATIENCE = 60.0
"""Seconds to wait for another process that is writing."""

TABLES = """
CREATE TABLE nights (
    night INTEGER PRIMARY KEY, began TEXT NOT NULL, revision TEXT NOT NULL, machine TEXT NOT NULL,
    kernels TEXT NOT NULL, study TEXT NOT NULL, versions TEXT NOT NULL, surroundings TEXT NOT NULL
);
CREATE TABLE figures (
    night INTEGER NOT NULL REFERENCES nights, name TEXT NOT NULL, kind TEXT NOT NULL, unit TEXT NOT NULL,
    value REAL, spread REAL, rounding REAL NOT NULL, "values" TEXT NOT NULL, word TEXT NOT NULL,
    PRIMARY KEY (night, name)
);
CREATE INDEX figures_by_name ON figures (name, night);
CREATE VIEW records AS
    SELECT night, began, revision, machine, kernels, study, versions, surroundings,
           name, kind, unit, value, spread, rounding, "values", word
    FROM figures JOIN nights USING (night) ORDER BY night, name;
"""


@dataclass(frozen=True)
class Night:
    """When, of what and on what a night's figures were measured."""

    began: str
    """UTC, ISO 8601."""
    revision: str
    """The commit, followed by ``+`` where files were changed since."""
    machine: str
    """The kind of machine: speeds of one kind can be compared."""
    kernels: str
    """Digest of what decides the generated code."""
    study: str
    """Digest of the study."""
    versions: dict[str, str]
    surroundings: dict[str, Any]
    """All that is known of the machine."""


@dataclass(frozen=True)
class Record:
    """A figure of a night and the word that was said of it then."""

    night: int
    about: Night
    figure: Figure
    word: str


class History:
    """The file; nothing is written before `append`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = self._read()

    @property
    def nights(self) -> list[tuple[int, Night]]:
        """All nights in the order in which they were appended."""
        return list({record.night: record.about for record in self.records}.items())

    @property
    def is_new(self) -> bool:
        """Whether there is nothing to compare with: no file, or an empty one."""
        return not self.records

    @property
    def _is_missing(self) -> bool:
        return not self.path.exists() or not self.path.stat().st_size

    def _read(self) -> list[Record]:
        """Raises StudyError, one line, for a file that is no history, is damaged or cannot be written."""
        if self.path.is_dir():
            raise StudyError(f"{self.path}: is a folder, not a history of nights")
        if self._is_missing:
            self._refuse_place()
            return []
        if not os.access(self.path, os.R_OK | os.W_OK):
            raise StudyError(f"{self.path}: cannot be read and written")
        with self._said_in_one_line("cannot be read"), closing(self._connect("rw")) as connection:
            connection.execute("BEGIN")  # from here on the file stays as it is, whoever waits to write
            if _is_empty(connection):
                return []
            self._examine(connection)
            return list(_records(connection))

    def _refuse_place(self) -> None:
        """Raise where no file could be made, before anything is measured for it."""
        folder = next(place for place in self.path.absolute().parents if place.exists())
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            raise StudyError(f"{self.path}: no file can be made in {folder}")

    def _connect(self, mode: str) -> sqlite3.Connection:
        place = f"file:{quote(str(self.path.absolute()))}?mode={mode}"
        return sqlite3.connect(place, uri=True, timeout=PATIENCE, isolation_level=None)

    @contextmanager
    def _said_in_one_line(self, problem: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as error:
            if isinstance(error, StudyError):
                raise
            said = " ".join(str(error).split())
            raise StudyError(
                f"{self.path}: {problem} as a history of nights ({said}); the file is left as it is, "
                "name another with --history"
            ) from error

    def _examine(self, connection: sqlite3.Connection) -> None:
        """Raise where the file is another program's, of another version or damaged."""
        (owner,) = connection.execute("PRAGMA application_id").fetchone()
        (schema,) = connection.execute("PRAGMA user_version").fetchone()
        if owner != APPLICATION:
            raise sqlite3.DatabaseError("it is another program's database")
        if schema != SCHEMA:
            raise sqlite3.DatabaseError(f"its version is {schema}, not {SCHEMA}")
        (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"it is damaged: {verdict}")

    def append(self, night: Night, judged: Sequence[tuple[Figure, str]]) -> int:
        """Add a night, all of it or nothing; returns its number. Makes the file where there is none."""
        with self._said_in_one_line("cannot be written"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect("rwc")) as connection:
                connection.execute("BEGIN IMMEDIATE")  # nobody else writes from here on
                self._found(connection)
                number = _insert(connection, night, judged)
                connection.execute("COMMIT")
        self.records += [Record(number, night, figure, word) for figure, word in judged]
        return number

    def _found(self, connection: sqlite3.Connection) -> None:
        """Make the tables where the file is new, in the caller's transaction."""
        if _is_empty(connection):
            for statement in filter(str.strip, TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        else:
            self._examine(connection)


def _is_empty(connection: sqlite3.Connection) -> bool:
    """Whether there is no table yet: the process that began the file was killed before it had appended."""
    return connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def _insert(connection: sqlite3.Connection, night: Night, judged: Sequence[tuple[Figure, str]]) -> int:
    plain = (night.began, night.revision, night.machine, night.kernels, night.study)
    told = (json.dumps(night.versions, sort_keys=True), json.dumps(night.surroundings, sort_keys=True))
    columns = "began, revision, machine, kernels, study, versions, surroundings"
    done = connection.execute(f"INSERT INTO nights ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?)", (*plain, *told))
    number = done.lastrowid
    if number is None:
        raise sqlite3.DatabaseError("no night was added")
    connection.executemany(
        "INSERT INTO figures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                number, figure.name, figure.kind, figure.unit, _real(figure.value), _real(figure.spread),
                figure.rounding, json.dumps(figure.values), word,
            )
            for figure, word in judged
        ],
    )  # fmt: skip
    return number


def _real(value: float) -> float | None:
    """SQLite has no NaN; the values themselves stand beside it, in JSON with NaN and Infinity."""
    return None if math.isnan(value) else value


def _records(connection: sqlite3.Connection) -> Iterator[Record]:
    nights = {
        number: Night(began, revision, machine, kernels, study, json.loads(versions), json.loads(known))
        for number, began, revision, machine, kernels, study, versions, known in connection.execute(
            "SELECT night, began, revision, machine, kernels, study, versions, surroundings FROM nights"
        )
    }
    rows = connection.execute(
        'SELECT night, name, kind, unit, rounding, "values", word FROM figures ORDER BY night, rowid'
    )
    for number, name, kind, unit, rounding, values, word in rows:
        figure = Figure(name, kind, unit, tuple(json.loads(values)), rounding)
        yield Record(number, nights[number], figure, word)
