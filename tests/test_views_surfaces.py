"""Studies of surfaces as a whole: TOML, records, tables, figures, page, and what is said of bad input."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import sim
from sim.analysis import descent as analysis
from sim.catalog.optimizers import optimizer
from sim.catalog.surfaces import surface
from sim.descents import plan_descents
from sim.errors import StudyError
from sim.plan import plan
from sim.run import main
from sim.study import Study
from sim.views.surface_records import SurfaceRecords, short_names

STUDY = {
    "title": "small",
    "seed": 3,
    "defaults": {"steps": 60},
    "descent": [
        {
            "name": "paths",
            "start": {"far": [0.6, 1.9], "near": [-0.7, 0.3]},
            "optimizer": [{"name": "sgd", "lr": 0.02}, {"name": "adam", "lr": 0.05}],
        },
        {
            "name": "basins",
            "map": 101,
            "steps": [20, 60],
            "optimizer": [
                {"name": "sgd", "lr": 0.02},
                {"name": "adam", "lr": 0.05, "bias_correction": [True, False]},
            ],
            "published": [{"optimizer": "sgd", "steps": 60, "share": 0.5}],
        },
        {
            "name": "rates",
            "map": 7,
            "optimizer": [{"name": "sgd", "lr": [0.01, 0.1, 3.0]}, {"name": "rprop", "lr": [0.01, 0.1]}],
        },
        {
            "name": "noise",
            "map": 7,
            "noise": [0.0, 1.0],
            "replicates": 2,
            "optimizer": {"name": "sgd", "lr": 0.02},
        },
        {
            "name": "condition",
            "map": 5,
            "surface": [{"name": "ravine", "condition": [1, 10, 100]}],
            "optimizer": [{"name": "sgd", "lr": [0.01, 0.1, 1.0]}],
        },
        {
            "name": "everywhere",
            "map": 5,
            "surface": ["booth", "monkey_saddle", "rastrigin"],
            "optimizer": [{"name": name, "lr": 0.05} for name in ("sgd", "adam", "rprop")],
        },
        {
            "name": "explore",
            "map": 5,
            "positions": 10,
            "optimizer": [{"name": name, "lr": 0.05} for name in ("sgd", "adam", "rprop")],
        },
        {
            "name": "many",
            "start": [[1, 1, 1, 1]],
            "surface": {"name": "ravine", "condition": 10},
            "optimizer": {"name": "sgd", "lr": 0.1},
        },
    ],
}  # fmt: skip

FIGURES = {
    "paths_paths",
    "basins_basins",
    "rates_learning_rate",
    "noise_noise",
    "condition_condition",
    "everywhere_everywhere",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The small study, run by the command."""
    place = tmp_path_factory.mktemp("surfaces")
    (place / "small.toml").write_text(Study.load(STUDY).to_toml())
    assert main([str(place / "small.toml"), "--out", str(place / "out"), "--jobs", "2", "--quiet"]) == 0
    return place


def changed(**keys):
    """A study of one descent with other keys; None leaves a key out."""
    descent = {"name": "a", "start": {"far": [0.6, 1.9]}, "steps": 10, **keys}
    return {"descent": [{name: value for name, value in descent.items() if value is not None}]}


# --- the study ------------------------------------------------------------------------------------


def test_a_study_written_out_loads_again_to_an_equal_one(tmp_path):
    study = Study.load(STUDY)
    path = tmp_path / "again.toml"
    path.write_text(study.to_toml())
    again = Study.load(path)
    assert again.descents == study.descents
    assert again.digest() == study.digest()
    assert Study.load(STUDY, ("seed=4",)).digest() != study.digest()
    assert Study.load(STUDY, ("descent.paths.radius=0.2",)).digest() != study.digest()


def test_overrides_reach_descents():
    study = Study.load(STUDY, ("steps=7", "descent.noise.noise=[0, 2]", "descent.basins.start=[[0, 0]]"))
    assert all(descent.factors["steps"] == (7,) for descent in study.descents)
    assert study.descents[3].factors["noise"] == (0.0, 2.0)
    assert (study.descents[1].map, study.descents[1].starts) == (None, 1)


def test_every_stands_for_the_whole_catalog():
    (descent,) = Study.load(
        changed(surface="every", start={"at": [0.5, 0.5]}, optimizer={"name": "every", "lr": [0.1, 1.0]})
    ).descents
    assert [choice.name for choice in descent.factors["surface"]] == list(surface)
    assert [choice.name for choice in descent.factors["optimizer"]] == [
        name for name in optimizer for _ in range(2)
    ]


BAD = [
    ({"start": {"far": [0.6, 2.1]}}, r"far: \[0.6, 2.1\] lies outside the domain \[-2, 2\] of two_wells"),
    ({"start": {"far": [0.6]}}, "coordinates: two_wells has two"),
    ({"start": {"far": ["x", 1]}}, "'x' is not a finite number"),
    ({"start": {}}, "is no table of points"),
    ({"start": None}, "write start or map"),
    ({"map": 5}, "exactly one of the two"),
    ({"start": None, "map": 1}, "1 is not a whole number of 2"),
    ({"steps": 0}, "0 is not a whole number of 1"),
    ({"steps": None}, "'steps' is missing"),
    ({"noise": -1.0}, "-1.0 is not a finite number of at least 0"),
    ({"surface": "two_well"}, "names no surface; did you mean 'two_wells'"),
    ({"surface": {"name": "ravine", "condition": 0.5}}, "must be a finite number of at least 1"),
    ({"surface": {"name": "ravine", "kappa": 2}}, "'kappa' is not a parameter of ravine"),
    ({"optimizer": "adamm"}, "names no optimizer; did you mean 'adam'"),
    ({"stepps": 5}, "'stepps' is not a key here; did you mean 'steps'"),
    ({"published": [{"optimizer": "adam", "steps": 10, "share": 0.5}]}, "'adam' with these settings is not"),
    ({"surface": {"name": "mine", "path": "none.py"}}, "none.py' cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "said"), BAD)
def test_a_bad_study_is_one_line(keys, said):
    with pytest.raises(StudyError, match=said) as caught:
        Study.load(changed(**keys))
    assert "\n" not in str(caught.value)
    assert "descent[0] 'a'" in str(caught.value)


def contents(place):
    """Every file of a results folder but the manifest."""
    files = sorted(path for path in place.rglob("*") if path.is_file() and path.name != "manifest.json")
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in files}


MIXED = {
    "seed": 2,
    "defaults": {"steps": 8, "noise": 0.5, "dataset": "iris", "optimizer": {"name": "sgd", "lr": 0.1}},
    "grid": [{"name": "nets", "width": 4, "checkpoints": 3, "replicates": 2}],
    "descent": [
        {"name": "walk", "start": {"far": [0.6, 1.9]}, "positions": 4},
        {"name": "plain", "map": 3, "noise": 0, "optimizer": {"name": "every", "lr": 0.1}},
    ],
}


def test_networks_and_surfaces_stand_in_one_study(tmp_path, capsys):
    study = Study.load(MIXED)
    assert study.parts.keys() == {"networks", "walks"}
    assert Study.load(tomllib.loads(study.to_toml())) == study
    assert [run.steps for run in (*plan(study).runs, *plan_descents(study, ["walk"]).runs)] == [8, 8, 8]
    (tmp_path / "mixed.toml").write_text(study.to_toml())
    words = [str(tmp_path / "mixed.toml"), "--out", str(tmp_path / "out"), "--jobs", "2"]
    assert main([*words, "--dry-run"]) == 0
    assert "2 networks" in (said := capsys.readouterr().out)
    assert "walks, " in said
    assert main([*words, "--only", "plain"]) == 0  # one kind alone, then the rest
    assert not (tmp_path / "out" / "runs.parquet").exists()
    assert main(words) == 0
    assert "2 networks, 2 of them trained now; " in capsys.readouterr().out
    page = (tmp_path / "out" / "report.html").read_text()
    assert all(f'<section id="{name}">' in page for name in study.names)
    assert main([str(tmp_path / "mixed.toml"), "--out", str(tmp_path / "straight"), "--quiet"]) == 0
    left, right = (contents(tmp_path / name) for name in ("out", "straight"))
    assert left == right
    records = sim.run_study(study)
    assert (len(records.runs), set(records.walks["descent"])) == (2, {"walk", "plain"})
    assert main(["report", str(tmp_path / "out")]) == 0
    assert contents(tmp_path / "out") == right


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"defaults": {"stepz": 5}}, "defaults: 'stepz' is not a key here.*mean 'steps'.*width.*noise"),
        (
            {"grid": [{"name": "walk", "steps": 5}]},
            r"descent\[0\].name: 'walk' is the name of grid\[0\] already",
        ),
        ({"grid": [{"name": "nets", "steps": 5, "noise": 1}]}, r"grid\[0\] 'nets': 'noise' is not a key"),
        ({"grid": []}, "grid: .* would leave no network"),
    ],
)
def test_bad_keys_beside_each_other_are_one_line(change, said):
    with pytest.raises(StudyError, match=said):
        Study.load({**MIXED, **change})


def test_an_override_reaches_every_part_that_knows_it():
    study = Study.load(MIXED, ("steps=9", "width=5", "descent.walk.positions=2"))
    assert [descent.factors["steps"] for descent in study.descents] == [(9,), (9,)]
    assert (study.grids[0].factors["steps"], study.grids[0].factors["width"]) == ((9,), (5,))
    with pytest.raises(StudyError, match="not a grid or descent of this study"):
        plan(study, ["wolk"])


OWN = [
    ("def mine(x, y:\n", "is not Python"),
    ("def mine(x, y):\n    return x + 'a', y, y\n", "cannot be carried out"),
    ("def mine(x, y):\n    return x\n", "returns one value .* 3 are needed"),
    ("def mine(x, y):\n    return 'a', 'b', 'c'\n", r"one value \(str\) among f, .* must be a number"),
    ("def mine(x, y):\n    return eval('x'), y, y\n", "does not compile"),
    ("def mine(x, y):\n    return (x - 9) ** 0.5, 1.0, 1.0\n", "not finite at 1 starts"),
    ("def mine(x, y):\n    return x, (x - x) / (x - x), y\n", r"at 1 starts, the first at \[0.6, 1.9\]"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), OWN)
def test_a_surface_that_cannot_be_used_ends_with_2_and_nothing_written(tmp_path, capsys, text, said):
    (tmp_path / "mine.py").write_text(text)
    own = '{ path = "mine.py", name = "mine" }'
    (tmp_path / "s.toml").write_text(
        f'[[descent]]\nname = "a"\nsurface = {own}\nstart = {{ far = [0.6, 1.9] }}\nsteps = 10\n'
    )
    assert main([str(tmp_path / "s.toml"), "--out", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err.strip().splitlines()
    assert len(printed) == 1
    assert pd.Series(printed).str.contains(said).all(), printed
    assert not (tmp_path / "out").exists()


def test_an_own_surface_runs_like_any_other(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from numba import njit\nDOMAIN = ((-1, 3), (-1, 1))\nMINIMA = ((1, 0),)\n"
        "@njit\ndef mine(x, y, stretch=2.0):\n"
        "    return (x - 1) ** 2 + stretch * y * y, 2 * (x - 1), 2 * stretch * y\n"
    )
    text = (
        '[[descent]]\nname = "a"\nmap = 5\nsteps = 200\n'
        'surface = { path = "mine.py", name = "mine", stretch = 3 }\noptimizer = { name = "sgd", lr = 0.1 }\n'
    )
    (tmp_path / "s.toml").write_text(text)
    records = sim.run_study(tmp_path / "s.toml")
    assert (records.ends["status"] == "reached").all()
    assert list(records.walks["surface"]) == ["mine(path=mine.py, stretch=3)"]
    before = Study.load(tmp_path / "s.toml").digest()
    (tmp_path / "mine.py").write_text((tmp_path / "mine.py").read_text() + "\n# changed\n")
    assert Study.load(tmp_path / "s.toml").digest() != before


# --- records --------------------------------------------------------------------------------------


def test_records_hold_every_start_of_every_walk(folder):
    planned = plan_descents(Study.load(STUDY))
    records = SurfaceRecords.read(folder / "out")
    assert list(records.walks["run"]) == [run.index for run in planned.runs]
    assert len(records.ends) == planned.starts
    assert set(records.ends["status"]) == {"reached", "not_reached", "diverged"}
    manifest = json.loads((folder / "out" / "manifest.json").read_text())
    assert manifest["complete"] is True
    assert manifest["walks"]["finished"] == len(planned.runs)
    assert sum(manifest["walks"]["status"].values()) == planned.starts
    assert len(records.paths) == 2 * 2 * 61 + 3 * 25 * 10 + 61
    last = records.paths.groupby(["run", "start"], sort=False).last().reset_index()
    joined = last.merge(records.ends, on=["run", "start"])
    assert np.array_equal(joined["x"], joined["to_x"])
    assert np.allclose(joined["value_x"], joined["value_y"], rtol=1e-12)


def test_equal_studies_give_equal_bytes(folder, tmp_path):
    path = folder / "small.toml"
    assert main([str(path), "--out", str(tmp_path / "one"), "--jobs", "1", "--quiet"]) == 0
    names = ["walks.csv", "walks.parquet", "ends.parquet", "paths.parquet", "report.html"]
    for name in [*names, *(f"tables/{table.name}" for table in (tmp_path / "one/tables").iterdir())]:
        assert (tmp_path / "one" / name).read_bytes() == (folder / "out" / name).read_bytes(), name


def test_without_a_folder_the_same_is_returned(folder):
    records = sim.run_study(STUDY)
    pd.testing.assert_frame_equal(records.ends, SurfaceRecords.read(folder / "out").ends)


def test_a_part_first_and_the_rest_later(folder, tmp_path):
    path, out = str(folder / "small.toml"), tmp_path / "out"
    assert main([path, "--out", str(out), "--only", "noise", "--quiet"]) == 0
    assert set(pd.read_parquet(out / "walks.parquet")["descent"]) == {"noise"}
    assert main([path, "--out", str(out), "--quiet"]) == 0
    assert (out / "ends.parquet").read_bytes() == (folder / "out" / "ends.parquet").read_bytes()


def test_a_dry_run_writes_nothing(folder, tmp_path, capsys):
    assert main([str(folder / "small.toml"), "--dry-run", "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "basins" in said
    assert f"{2 * 2 + 6 * 101**2 + 5 * 49 + 4 * 49 + 9 * 25 + 9 * 25 + 3 * 25 + 1:,} starts" in said
    assert not (tmp_path / "out").exists()


def test_noise_is_the_same_for_every_optimizer_and_another_for_every_replicate():
    asked = changed(
        surface={"name": "ravine", "condition": 1}, start={"at": [0.5, 0.5]}, steps=1, noise=1.0,
        replicates=2,
        optimizer=[{"name": "sgd", "lr": 0.1}, {"name": "momentum", "form": "heavy_ball", "lr": 0.1}],
    )  # fmt: skip
    ends = sim.run_study(asked).ends
    assert np.array_equal(ends["to_x"][:2], ends["to_x"][2:])
    assert ends["to_x"][0] != ends["to_x"][1]


# --- evidence -------------------------------------------------------------------------------------


def made_up(times, poorer=()):
    """One walk whose starts reach a minimum after these steps, NaN for never; some reach a poorer one."""
    times = np.array(times, float)
    runs = pd.DataFrame({"run": [0], "surface": "s", "optimizer": "o", "lr": 0.1, "noise": 0.0, "steps": 50})
    ends = pd.DataFrame({
        "run": 0, "start": range(len(times)), "steps": 50, "steps_to_reach": times, "path_length": 2.0,
        "status": np.where(np.isnan(times), "not_reached", "reached"),
        "best": ~np.isnan(times) & ~np.isin(range(len(times)), poorer),
    })  # fmt: skip
    return runs, ends


def test_starts_that_never_arrive_count_in_shares_and_medians():
    nan = np.nan
    (walk,) = analysis.by_walk(*made_up([10, 20, 30, nan, nan], [1])).to_dict("records")
    assert (walk["starts"], walk["reached"], walk["best"]) == (5, 3, 2)
    assert walk["share_best"] == 0.4
    assert walk["share_best_low"] < 0.4 < walk["share_best_high"]
    assert walk["median_steps"] == 30
    assert analysis.by_walk(*made_up([10, 20, nan, nan]))["median_steps"][0] == np.inf
    assert analysis.by_walk(*made_up([10, 20, 30, nan]))["median_steps"][0] == 30


def test_the_best_rate_is_flagged_at_the_edge():
    walks = pd.DataFrame({
        "surface": "s", "optimizer": list("aaabbbc"), "lr": [1, 2, 3, 1, 2, 3, 1], "noise": 0.0, "steps": 5,
        "share_best": [0.5, 0.9, 0.9, 1.0, 0.1, 0.1, 1.0], "median_steps": [1, 9, 8, 1, 1, 1, 1.0],
    })  # fmt: skip
    best = analysis.tuned(walks)
    assert list(best["lr"]) == [3, 1, 1]
    assert list(best["edge"]) == [True, True, False]


def test_short_names_say_only_what_differs():
    optimizers = Study.load(STUDY).descents[1].factors["optimizer"]
    assert list(short_names(optimizers).values()) == [
        "sgd",
        "adam, bias correction",
        "adam, no bias correction",
    ]


# --- the page -------------------------------------------------------------------------------------


def test_every_figure_and_table_is_drawn(folder):
    out = folder / "out"
    assert {path.stem for path in (out / "figures").glob("*.png")} == FIGURES
    tables = {path.stem for path in (out / "tables").glob("*.csv")}
    assert {"paths_from_each_start", "basins_published", "rates_best_learning_rate", "basins_share"} <= tables
    page = (out / "report.html").read_text()
    assert all(name in page for name in FIGURES)
    assert "nan" not in page.split("</style>")[1].replace("base64", "").lower().split("data:image")[0]
    shares = pd.read_csv(out / "tables" / "basins_published.csv")
    assert list(shares["published"]) == [0.5]
    assert shares["difference"][0] == pytest.approx(shares["share_best"][0] - 0.5)


def test_the_page_is_drawn_again_from_the_records_alone(folder, tmp_path):
    shutil.copytree(folder / "out", tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "figures")
    assert main(["report", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "report.html").read_bytes() == (folder / "out" / "report.html").read_bytes()


def test_the_shipped_study_asks_what_it_should():
    study = Study.load(Path(__file__).parents[1] / "studies" / "surfaces.toml")
    planned = plan_descents(study)
    assert planned.flops < 3e12  # about a minute on two cores: walks stop where they come to rest
    assert {row.share for descent in study.descents for row in descent.published} == {
        0.5479,
        0.5906,
        0.6542,
        0.6682,
    }
