"""A shard: the records of one batch, all or nothing.

A shard is one file that holds the three tables one after another as Arrow streams, not three Parquet
files: one rename then makes the batch finished, and reading a few of its runs costs a memory
map and no decoding, which the merge into the order of the plan does once for each window of runs.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from sim.store.columns import TABLES

if TYPE_CHECKING:
    from sim.plan import Batch

TEMPORARY = ".tmp"
"""How the name of a file ends until it is whole."""


def name_of(batch: Batch) -> str:
    """The shard's file name: made of the runs it holds, so that other batches never pass for this one."""
    indices = np.array([run.index for run in batch.runs], dtype="<i8")
    return f"{indices.min():08d}-{zlib.crc32(np.sort(indices).tobytes()):08x}.arrow"


def atomically(path: Path, write: Iterable[bytes]) -> None:
    """Write a file so that it is there whole or not at all, after a power failure too."""
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        with temporary.open("wb") as file:
            for piece in write:
                file.write(piece)
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write(path: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write the tables as one shard, in their order."""
    sink = pa.BufferOutputStream()
    for table in tables.values():
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
    atomically(path, [sink.getvalue()])


def rows(path: Path, first: int, last: int, names: Iterable[str] = TABLES) -> dict[str, pa.Table]:
    """The records of the runs ``first`` … ``last`` (both included) that a shard holds, copied into memory.

    ``names`` are its tables, in the order in which they were written.
    """
    found = {}
    with pa.memory_map(str(path)) as source:
        for name in names:
            table = pa.ipc.open_stream(source).read_all()
            run = table["run"].to_numpy()
            start, stop = np.searchsorted(run, first), np.searchsorted(run, last, side="right")
            found[name] = table.take(pa.array(np.arange(start, stop)))
    return found
