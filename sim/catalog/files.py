"""The user's own table: CSV, Parquet or NPZ, read by path with a target column.

Every problem a file can have is one ValueError of one line that names the file.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sim.catalog.registry import nearest
from sim.catalog.tables import Floats, Integers, Table

FEWEST_ROWS = 4
MOST_CLASSES_BY_ITSELF = 20


def digest(path: str) -> str:
    """SHA-256 of a file's bytes; ValueError where it is missing or no file."""
    if not Path(path).is_file():
        beside = [p.name for p in sorted(Path(path).parent.glob("*"))] if Path(path).parent.is_dir() else []
        like = nearest(Path(path).name, beside)
        raise ValueError(f"{path}: no such file" + (f"; did you mean {like!r}?" if like else ""))
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def read_table(path: str, target: str, task: str = "auto") -> Table:
    """The table in ``path`` with the column ``target`` to be predicted from all others.

    ``task`` "auto" means classification for text, true/false and whole numbers of at most
    20 different values, else regression. Classes are numbered in sorted order.
    """
    digest(path)
    frame = _read(path)
    if target not in frame.columns:
        like = nearest(target, list(frame.columns))
        hint = f"; did you mean {like!r}?" if like else ""
        raise ValueError(
            f"{path}: no column {target!r}{hint} (choices: {', '.join(map(str, frame.columns))})"
        )
    if len(frame) < FEWEST_ROWS:
        raise ValueError(f"{path}: {len(frame)} rows are too few, {FEWEST_ROWS} are needed")
    features = _features(path, frame.drop(columns=target))
    wanted = frame[target]
    if wanted.isna().any():
        raise ValueError(f"{path}: target {target!r} is missing in {_rows(wanted.isna().to_numpy())}")
    if task == "auto":
        task = "classification" if _looks_like_classes(wanted) else "regression"
    if task == "classification":
        labels, classes = _labels(path, wanted)
        return Table(features, labels, classes)
    return Table(features, _features(path, wanted.to_frame(), varies=True))


def _read(path: str) -> Any:
    import pandas

    readers: dict[str, Callable[[str], Any]] = {
        ".csv": pandas.read_csv,
        ".parquet": pandas.read_parquet,
        ".npz": _read_npz,
    }
    ending = Path(path).suffix.lower()
    if ending not in readers:
        raise ValueError(f"{path}: {ending!r} is no table format (choices: {', '.join(readers)})")
    try:
        frame = readers[ending](path)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path}: cannot be read as {ending[1:]}: {reason}") from error
    frame.columns = [str(name) for name in frame.columns]
    nameless = [name for name in frame.columns if name.startswith("Unnamed: ")]
    if nameless:
        # Most often a row number saved along with the table, which would give the answer away.
        raise ValueError(
            f"{path}: column {frame.columns.get_loc(nameless[0]) + 1} has no name; name it or remove it"
        )
    return frame


def _read_npz(path: str) -> Any:
    """Each 1-D array is a column; a 2-D one is as many, ``features[0]``, ``features[1]`` …"""
    import pandas

    columns: dict[str, Any] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for name, values in arrays.items():
            if values.ndim == 1:
                columns[name] = values
            elif values.ndim == 2:
                columns |= {f"{name}[{j}]": values[:, j] for j in range(values.shape[1])}
            else:
                raise ValueError(f"array {name!r} has {values.ndim} dimensions, 1 or 2 can be used")
    return pandas.DataFrame(columns)


def _rows(bad: np.ndarray[Any, Any]) -> str:
    count = int(bad.sum())
    return f"{count} row{'s' if count > 1 else ''}, the first is data row {int(np.argmax(bad)) + 1}"


def _features(path: str, frame: Any, varies: bool = False) -> Floats:
    from pandas.api.types import is_complex_dtype, is_numeric_dtype

    if not len(frame.columns):
        raise ValueError(f"{path}: no columns besides the target")
    for name in frame.columns:
        if not is_numeric_dtype(frame[name]) or is_complex_dtype(frame[name]):
            raise ValueError(
                f"{path}: column {name!r} is not numeric ({frame[name].dtype}, {frame[name].iloc[0]!r})"
            )
    values = np.column_stack(
        [frame[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in frame.columns]
    )
    for name, column in zip(frame.columns, values.T, strict=True):
        bad = ~np.isfinite(column)
        if bad.any():
            raise ValueError(f"{path}: column {name!r} is missing, NaN or infinite in {_rows(bad)}")
        if varies and np.ptp(column) == 0.0:
            raise ValueError(f"{path}: target {name!r} has one value only, {column[0]:g}")
    return values


def _looks_like_classes(wanted: Any) -> bool:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_bool_dtype(wanted) or not is_numeric_dtype(wanted):
        return True
    values = wanted.to_numpy(dtype=np.float64)
    return bool((values == np.round(values)).all()) and wanted.nunique() <= MOST_CLASSES_BY_ITSELF


def _labels(path: str, wanted: Any) -> tuple[Integers, int]:
    from pandas.api.types import is_numeric_dtype

    values = (
        wanted.to_numpy(dtype=np.float64)
        if is_numeric_dtype(wanted)
        else wanted.astype(str).to_numpy(dtype=str)
    )
    names, labels = np.unique(values, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"{path}: target {wanted.name!r} has one class only, {names[0]!s}")
    if 2 * len(names) > len(values):
        raise ValueError(
            f"{path}: target {wanted.name!r} has {len(names)} classes in {len(values)} rows; "
            "a class needs two rows on average (task = 'regression' where it is a quantity)"
        )
    return labels, len(names)
