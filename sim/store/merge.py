"""All shards -> a Parquet file of each table, and a CSV file of the runs, in the order of the plan.

Runs are taken in windows of the plan, and each window becomes one row group: memory does not grow with the
study, and the bytes depend on the plan's runs alone, not on how they were batched or which finished first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from sim.store import shards


def files_of(tables: Iterable[str]) -> tuple[str, ...]:
    """The merged files in the order in which they come into being; the last says that all are there.

    The first table, which has a row a run, is written as CSV too.
    """
    first, *others = tables
    return (*(f"{name}.parquet" for name in reversed(others)), f"{first}.csv", f"{first}.parquet")


WINDOW_ROWS = 250_000
"""Rows of the largest table after which a window ends: 28 MB in memory."""

Where = dict[int, Path]
"""Index of each finished run -> its shard."""


def windows(runs: Sequence[Any]) -> Iterator[list[int]]:
    """Indices of consecutive runs, as many at a time as fill a window with rows."""
    window: list[int] = []
    expected = 0
    for run in runs:
        window.append(run.index)
        expected += run.rows
        if expected >= WINDOW_ROWS:
            yield window
            window, expected = [], 0
    if window:
        yield window


def gather(window: Sequence[int], where: Where, schemas: dict[str, pa.Schema]) -> dict[str, pa.Table]:
    """The records of a window's finished runs, in the order of runs, each table in one piece."""
    holding = dict.fromkeys(where[run] for run in window if run in where)
    found = [shards.rows(path, window[0], window[-1], schemas) for path in holding]
    return {
        name: _ordered(pa.concat_tables([schema.empty_table(), *(part[name] for part in found)]))
        for name, schema in schemas.items()
    }


def _ordered(table: pa.Table) -> pa.Table:
    """Rows by run; a run's own rows stand together in one shard and are in order already."""
    run = table["run"].to_numpy()
    if np.any(run[1:] < run[:-1]):
        table = table.take(pa.array(np.argsort(run, kind="stable")))
    return table.combine_chunks()  # how a column was chunked would show in the file's pages


def merge(folder: Path, runs: Sequence[Any], where: Where, schemas: dict[str, pa.Schema]) -> None:
    """Write the files beside their final names, then put them in place."""
    temporary = {name: folder / (name + shards.TEMPORARY) for name in files_of(schemas)}
    with ExitStack() as open_files:
        writers = {name: _writer(open_files, path, schemas) for name, path in temporary.items()}
        for window in windows(runs):
            tables = gather(window, where, schemas)
            for name, write in writers.items():
                write(tables[name.partition(".")[0]])
    for path in temporary.values():
        with path.open("rb") as file:
            os.fsync(file.fileno())  # the shards are removed next
    for name, path in temporary.items():
        path.replace(folder / name)


def _writer(open_files: ExitStack, path: Path, schemas: dict[str, pa.Schema]) -> Callable[[pa.Table], Any]:
    """What appends a table to the Parquet or CSV file ``path`` until ``open_files`` closes."""
    name, kind, *_ = path.name.split(".")
    schema = schemas[name]
    if kind == "csv":
        plain = pa.csv.WriteOptions(quoting_style="needed")
        writer = open_files.enter_context(pa.csv.CSVWriter(path, schema, write_options=plain))
        return lambda table: writer.write(_nan_as_null(table))
    repetitive = [field.name for field in schema if not pa.types.is_floating(field.type)]
    writer = open_files.enter_context(
        pq.ParquetWriter(path, schema, compression="zstd", use_dictionary=repetitive)
    )
    return lambda table: writer.write_table(table, row_group_size=max(len(table), 1))


def _nan_as_null(table: pa.Table) -> pa.Table:
    """NaN as null, which CSV shows as an empty cell."""
    columns = [
        pc.if_else(pc.is_nan(column), None, column) if pa.types.is_floating(column.type) else column
        for column in table.columns
    ]
    return pa.table(columns, schema=table.schema)
