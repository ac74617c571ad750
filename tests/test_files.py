"""The user's own table in each format, and every problem it can have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sim.catalog.datasets import Table, dataset, load, shape_of


@pytest.fixture
def frame() -> pd.DataFrame:
    values = np.random.default_rng(0).standard_normal((30, 2))
    return pd.DataFrame({"length": values[:, 0], "weight": values[:, 1], "wet": [True, False, True] * 10})


def saved(frame: pd.DataFrame, path: Path) -> str:
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        text = {name: str if frame[name].dtype in ("str", object) else None for name in frame}
        np.savez(path, **{name: np.asarray(frame[name], dtype=text[name]) for name in frame})
    return str(path)


def own(path: str, target: str = "y", task: str = "auto") -> Table:
    return load(dataset["table"], {"path": path, "target": target, "task": task}, 0, 0)


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npz"])
def test_a_table_in_each_format(frame: pd.DataFrame, tmp_path: Path, ending: str) -> None:
    kinds = frame.assign(y=np.array(["b", "a", "c"] * 10).astype(str))
    table = own(saved(kinds, tmp_path / f"kinds{ending}"))
    np.testing.assert_allclose(table.features, frame.to_numpy(dtype=float), rtol=1e-12)
    assert table.targets.tolist() == [1, 0, 2] * 10
    path = saved(frame.assign(y=np.linspace(0, 1, 30)), tmp_path / f"amounts{ending}")
    table = own(path)
    assert table.task == "regression"
    np.testing.assert_allclose(table.targets[:, 0], np.linspace(0, 1, 30))
    assert shape_of(dataset["table"], {"path": path, "target": "y"}) == (30, 3, 0)


def test_an_npz_of_a_matrix_and_its_targets(tmp_path: Path) -> None:
    features = np.random.default_rng(0).random((12, 5))
    np.savez(tmp_path / "x.npz", features=features, targets=np.arange(12) % 3)
    table = own(str(tmp_path / "x.npz"), "targets")
    np.testing.assert_array_equal(table.features, features)
    assert table.classes == 3


@pytest.mark.parametrize(
    ("target", "task", "classes"),
    [
        (np.arange(30) % 2, "auto", 2),
        (np.arange(30) % 2 == 0, "auto", 2),
        (np.arange(30) % 3 + 0.0, "auto", 3),
        (np.arange(30), "auto", 0),
        (np.arange(30) % 3, "regression", 0),
        (np.arange(30) % 3 + 0.5, "classification", 3),
    ],
)
def test_which_task_a_target_means(
    frame: pd.DataFrame, tmp_path: Path, target: np.ndarray, task: str, classes: int
) -> None:
    assert own(saved(frame.assign(y=target), tmp_path / "t.csv"), task=task).classes == classes


def test_a_changed_file_is_read_anew(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = saved(frame.assign(y=np.arange(30)), tmp_path / "t.csv")
    assert own(path).targets[0, 0] == 0.0
    saved(frame.assign(y=np.arange(30) + 5), tmp_path / "t.csv")
    assert own(path).targets[0, 0] == 5.0


def _damage(frame: pd.DataFrame, column: str, row: int, value: Any) -> pd.DataFrame:
    damaged = frame.astype({column: object})
    damaged.loc[row, column] = value
    return damaged


PROBLEMS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no such column": (lambda f: f.rename(columns={"y": "yy"}), "no column 'y'; did you mean 'yy'"),
    "text among the features": (lambda f: _damage(f, "weight", 4, "heavy"), "column 'weight' is not numeric"),
    "a gap": (
        lambda f: _damage(f, "weight", 4, None),
        "'weight' is missing, NaN or infinite in 1 row, .* data row 5",
    ),
    "infinite": (lambda f: _damage(f, "length", 0, np.inf), "'length' is missing, NaN or infinite in 1 row"),
    "a target missing": (lambda f: _damage(f, "y", 2, None), "target 'y' is missing in 1 row, .* data row 3"),
    "one class": (lambda f: f.assign(y="same"), "'y' has one class only, same"),
    "one value": (lambda f: f.assign(y=0.5), "'y' has one value only, 0.5"),
    "a class a row": (lambda f: f.assign(y=[f"k{i}" for i in range(30)]), "30 classes in 30 rows"),
    "too few rows": (lambda f: f.head(3), "3 rows are too few"),
    "only the target": (lambda f: f[["y"]], "no columns besides the target"),
    "a nameless column": (lambda f: f.reset_index(names=""), "column 1 has no name"),
}


@pytest.mark.parametrize("problem", PROBLEMS)
def test_problems_of_a_table(frame: pd.DataFrame, tmp_path: Path, problem: str) -> None:
    change, message = PROBLEMS[problem]
    labelled_frame = frame.assign(y=np.linspace(0, 1, 30) if problem == "a gap" else ["p", "q"] * 15)
    path = saved(change(labelled_frame), tmp_path / "t.csv")
    with pytest.raises(ValueError, match=message) as caught:
        own(path)
    assert path in str(caught.value)
    assert "\n" not in str(caught.value)


def test_problems_of_a_file(frame: pd.DataFrame, tmp_path: Path) -> None:
    saved(frame, tmp_path / "irises.csv")
    with pytest.raises(ValueError, match=r"no such file; did you mean 'irises.csv'"):
        own(str(tmp_path / "iris.csv"))
    (tmp_path / "t.txt").write_text("a,y\n1,2\n")
    with pytest.raises(ValueError, match=r"'\.txt' is no table format \(choices: \.csv, \.parquet, \.npz\)"):
        own(str(tmp_path / "t.txt"))
    for ending in (".csv", ".parquet", ".npz"):
        broken = tmp_path / f"broken{ending}"
        broken.write_bytes(b"" if ending == ".csv" else b"not a table")
        with pytest.raises(ValueError, match=f"broken{ending}: cannot be read as {ending[1:]}: "):
            own(str(broken))
    np.savez(tmp_path / "cube.npz", cube=np.zeros((4, 2, 2)), y=np.arange(4))
    with pytest.raises(ValueError, match="array 'cube' has 3 dimensions"):
        own(str(tmp_path / "cube.npz"))
