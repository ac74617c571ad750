"""What the report of a study of surfaces says and shows: equal minima, budgets, rates, moving pictures."""

from __future__ import annotations

import io
import re
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

import sim
from sim.catalog.optimizers import optimizer
from sim.catalog.surfaces import lowest, minima_of, surface
from sim.descents import plan_descents
from sim.execute.surfaces import execute_walks, prepare_walks
from sim.run import conduct, main
from sim.study import Study
from sim.views import report_surfaces, style
from sim.views.animation import Moving, animated
from sim.views.reading import rows
from sim.views.registry import applicable
from sim.views.surface_records import SurfaceRecords, descent_figure, descent_table

assert report_surfaces.part  # imported: views of surfaces are registered
FAR = {"far": [0.6, 1.9], "beside": [0.45, 0.8], "close": [-0.7, 0.3]}
STUDY = {
    "seed": 3,
    "defaults": {"steps": 100},
    "descent": [
        {
            "name": "paths",
            "start": FAR,
            "animate": True,
            "positions": 20,
            "optimizer": [{"name": "sgd", "lr": 0.02}, {"name": "rprop", "lr": 0.01}],
        },
        {
            "name": "all_paths",
            "start": FAR,
            "positions": 10,
            "optimizer": [
                {"name": "momentum", "lr": 0.02, "beta": [i / 20 for i in range(11)]},
                {"name": "sgd", "lr": [1e-4, 0.02]},
            ],
        },
        {
            "name": "rates",
            "map": 8,
            "optimizer": [
                {"name": "sgd", "lr": [0.002, 0.02, 0.2]},
                {"name": "adam", "lr": [0.003, 0.03, 0.3]},
            ],
            "published": [{"optimizer": {"name": "sgd", "lr": 0.002}, "steps": 500, "share": 0.5}],
        },
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return conduct(Study.load(STUDY), tmp_path_factory.mktemp("findings") / "out").directory


def drawn(folder, name, family, view):
    """One view of one descent, from the records."""
    (descent,) = (d for d in SurfaceRecords.read(folder).descents() if d.name == name)
    (part,) = (part for part in applicable(family, descent) if part.name == view)
    return part.function(descent)


def only(descent):
    return {"seed": 3, "descent": [{"name": "a", **descent}]}


# --- equally low minima ---------------------------------------------------------------------------


def test_minima_that_are_equally_low_are_all_the_best():
    found = {name: lowest(surface[name]) for name in surface}
    assert (found["himmelblau"], found["six_hump_camel"], found["two_wells"], found["rastrigin"]) == (
        4,
        2,
        1,
        1,
    )
    assert found["monkey_saddle"] == 0
    starts = {f"m{i}": list(minimum.at) for i, minimum in enumerate(minima_of(surface["six_hump_camel"]))}
    asked = only(
        {"surface": "six_hump_camel", "start": starts, "steps": 5, "optimizer": {"name": "sgd", "lr": 1e-3}}
    )
    ends = sim.run_study(asked).ends
    assert list(ends["nearest"]) == [0, 1, 2, 3, 4, 5]
    assert list(ends["best"]) == [True, True, False, False, False, False]
    away = sim.run_study({**asked, "descent": [{**asked["descent"][0], "radius": 1e-9, "steps": 1}]}).ends
    assert not away.loc[away["status"] != "reached", "best"].any()


def test_nothing_is_said_of_minima_that_are_not_known(tmp_path):
    walks = {"surface": "monkey_saddle", "steps": 5, "optimizer": {"name": "sgd", "lr": 1e-3}}
    study = {
        "descent": [{"name": "a", "start": {"here": [0.4, 0.5]}, **walks}, {"name": "b", "map": 3, **walks}]
    }
    page = (conduct(Study.load(study), tmp_path / "out").directory / "report.html").read_text()
    assert "no minimum is known" in page
    assert "1 walk from 1 chosen start, 1 replicate." in page
    assert "sgd ends lowest, at f = " in page
    assert "nobody reaches" not in page
    assert "reaches no minimum" not in page
    assert "reaches the minimum" not in page


BOWL = """
from sim import surface


@surface(domain=((-2, 2), (-1, 1)){known})
def bowl(x, y, condition=3.0):
    return x * x + condition * y * y, 2 * x, 2 * condition * y
"""
ASKED = {
    "basins": {"map": 51, "optimizer": [{"name": "sgd", "lr": 0.05}, {"name": "adam", "lr": 0.05}]},
    "rates": {"map": 5, "optimizer": {"name": "sgd", "lr": [0.001, 0.01, 0.1]}},
    "noise": {"map": 5, "noise": [0.0, 0.1], "optimizer": {"name": "sgd", "lr": 0.05}},
    "condition": {"map": 5, "condition": [1, 10, 100], "optimizer": {"name": "sgd", "lr": [0.001, 0.01]}},
}


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
def test_captions_and_axes_speak_of_rest_where_no_minimum_is_known(tmp_path, monkeypatch, known):
    (tmp_path / "bowl.py").write_text(BOWL.replace("{known}", ", minima=((0, 0),)" if known else ""))
    monkeypatch.chdir(tmp_path)
    descents = []
    for name, asked in ASKED.items():
        condition = {"condition": asked["condition"]} if "condition" in asked else {}
        rest = {key: value for key, value in asked.items() if key != "condition"}
        bowl = {"path": "bowl.py", "name": "bowl", **condition}
        descents.append({"name": name, "surface": bowl, "steps": 300, **rest})
    study = Study.load({"seed": 3, "descent": descents})
    records = sim.run_study(study)
    drawn = {}
    for one in SurfaceRecords(study, records.walks, records.ends, records.paths).descents():
        (view,) = applicable(descent_figure, one)
        drawing = view.function(one)
        words = [text.get_text() for text in drawing.figure.findobj(Text)]
        tables = [view.function(one).caption for view in applicable(descent_table, one)]
        drawn[view.name] = (drawing.caption, " ".join([drawing.caption, *words, *tables]))
    assert list(drawn) == ["basins", "learning_rate", "noise", "condition"]
    for caption, everything in drawn.values():
        assert ("No minimum of this surface is known" in caption) == (not known)
        assert ("rest" in everything) == (not known)
        said = set(re.findall(r"(?:best|poorer|a|the|no) (?:one|minim\w+)|[Mm]inimum:", everything))
        assert bool(said) == known, said
    assert ("sgd 100.0 % and adam 0.0 %" in drawn["basins"][0]) == (not known)
    assert known or "Without noise 100 % of the starts come to rest, with noise 0.1 0 %." in drawn["noise"][0]


# --- budgets and rates ----------------------------------------------------------------------------


PUBLISHED = [
    {"optimizer": "sgd", "steps": 500, "share": 0.5479},
    {"optimizer": "momentum", "steps": 200, "share": 0.5906},
    {"optimizer": "rmsprop", "steps": 300, "share": 0.6542},
    {"optimizer": {"name": "adam", "bias_correction": False}, "steps": 100, "share": 0.6682},
]


def test_the_ranking_turns_with_the_bias_correction(tmp_path):
    """The published comparison on a coarser map: the sentence is drawn from the records."""
    asked = only({
        "map": 51, "radius": 0.1, "steps": [100, 200, 300, 500, 1000], "published": PUBLISHED,
        "optimizer": [
            {"name": "sgd", "lr": 0.02},
            {"name": "momentum", "form": "heavy_ball", "lr": 0.01, "beta": 0.8},
            {"name": "rmsprop", "lr": 0.01, "epsilon": 1e-6},
            {"name": "adam", "lr": 0.01, "beta1": 0.7, "epsilon": 1e-6, "bias_correction": [False, True]},
        ],
    })  # fmt: skip
    directory = conduct(Study.load(asked), tmp_path / "out").directory
    sheet = drawn(directory, "a", descent_table, "published")
    assert "The ranking turns: adam, bias correction falls behind rmsprop." in sheet.caption
    assert sheet.frame["difference"].abs().max() < 0.02
    longest = pd.read_csv(directory / "tables" / "a_share.csv").query("steps == 1000").set_index("optimizer")
    shares = {
        label.partition("(")[2]: share for label, share in longest["share_best"].items() if "adam" in label
    }
    plain = next(share for told, share in shares.items() if "False" in told)
    corrected = next(share for told, share in shares.items() if "False" not in told)
    assert plain > longest.loc["rmsprop(epsilon=1e-06)", "share_best"] > corrected


def test_published_rates_stand_beside_the_best_ones(folder):
    sheet = drawn(folder, "rates", descent_table, "equal_budgets")
    sgd, adam = sheet.frame.to_dict("records")
    walks = pd.read_csv(folder / "tables" / "rates_share.csv").query("optimizer == 'sgd'").set_index("lr")
    assert (sgd["published"], sgd["published_steps"], sgd["published_rate"]) == (0.5, 500, 0.002)
    assert sgd["share_there"] == walks.loc[0.002, "share_best"]
    assert sgd["share_best"] == walks["share_best"].max() == walks.loc[sgd["best_rate"], "share_best"]
    assert np.isnan(adam["published"])
    assert "100 steps for everyone" in sheet.caption


def test_the_cost_of_missing_the_rate_is_that_of_a_decade(folder):
    sheet = drawn(folder, "rates", descent_table, "missing_the_rate")
    (sgd, _), walks = sheet.frame.to_dict("records"), pd.read_csv(folder / "tables" / "rates_share.csv")
    steps = walks.query("optimizer == 'sgd'").set_index("lr")["median_steps"]
    assert sgd["fastest_rate"] == 0.02
    assert sgd["median_steps"] == steps[0.02] == steps.min()
    assert (sgd["steps_at_tenth"], sgd["steps_at_tenfold"]) == (steps[0.002], steps[0.2])
    assert steps[0.002] > 2 * steps[0.02]
    assert sgd["decades_within_twice"] == 0


def test_captions_tell_who_arrives_and_by_which_way(folder):
    drawing = drawn(folder, "paths", descent_figure, "paths")
    ends = SurfaceRecords.read(folder).ends.query("run < 2")
    beside = ends[ends["start"] == 1]
    assert list(beside["best"]) == [False, True]
    assert "From beside, 1 of 2 optimizers (rprop) reaches the best minimum." in drawing.caption
    close = ends[ends["start"] == 2].set_index("run")["path_length"]
    shorter = ["sgd", "rprop"][int(close.idxmin())]
    assert (
        f"From close, all 2 optimizers reach the best minimum; the shortest path there is that of {shorter}"
        in (drawing.caption)
    )


@pytest.mark.slow
def test_a_fine_map_takes_seconds():
    """201 × 201 starts, 1,000 steps, the four founding optimizers: 0.9 s where nothing else runs."""
    optimizers = [{"name": name, "lr": 0.01} for name in ("sgd", "momentum", "rmsprop", "adam")]
    planned = plan_descents(
        Study.load(only({"map": 201, "steps": 1000, "tolerance": 0, "optimizer": optimizers}))
    )
    prepare_walks(planned)
    times, updates = [], []
    for _ in range(3):
        updates.clear()
        started = time.perf_counter()
        execute_walks(planned, planned.batches, 2, lambda _, found: updates.append(found.ends["steps"]), list)
        times.append(time.perf_counter() - started)
    assert sum(int(np.sum(steps)) for steps in updates) > 1.6e8
    assert np.median(times) < 10


# --- pictures -------------------------------------------------------------------------------------


def test_every_optimizer_has_its_line_at_its_best_rate(folder):
    drawing = drawn(folder, "all_paths", descent_figure, "paths")
    panels = [axis for axis in drawing.figure.axes if axis.get_visible()]
    assert len(panels) == 6  # twelve optimizers: two rows of six
    assert len(drawing.figure.legends) == 2
    walks = SurfaceRecords.read(folder)
    lines = [line for line in panels[-1].lines if len(line.get_xdata()) == 10]
    assert len(lines) == 6
    sgd = walks.walks.query("optimizer == 'sgd' and lr == 0.02 and descent == 'all_paths'")["run"].item()
    path = walks.paths.query(f"run == {sgd} and start == 2")
    assert any(np.array_equal(line.get_xdata(), path["x"]) for line in lines)


def test_an_animation_stands_beside_its_figure(folder, tmp_path):
    picture = Image.open(folder / "figures" / "paths_paths.gif")
    steps = SurfaceRecords.read(folder).paths.query("run == 0 and start == 0")["step"]
    assert picture.n_frames == len(steps) == 20
    first = np.asarray(picture.convert("RGB"), int)
    picture.seek(picture.n_frames - 1)
    last = np.asarray(picture.convert("RGB"), int)
    changed = np.abs(last - first).sum(axis=-1) > 60
    assert 100 < changed.sum() < 0.2 * changed.size
    assert '<a href="figures/paths_paths.gif">animation</a>' in (folder / "report.html").read_text()
    shutil.copytree(folder, tmp_path / "again")
    assert main(["report", str(tmp_path / "again")]) == 0
    for kind in ("gif", "png", "svg"):
        name = f"figures/paths_paths.{kind}"
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_only_what_asks_for_it_is_animated(folder):
    assert [path.name for path in (folder / "figures").glob("*.gif")] == ["paths_paths.gif"]
    still = {**STUDY, "descent": [{**STUDY["descent"][0], "animate": False}, *STUDY["descent"][1:]]}
    assert Study.load(still).digest() == Study.load(STUDY).digest()  # a picture more changes no record


def test_a_figure_is_left_as_it_was():
    figure = Figure(dpi=style.DPI)
    (line,) = figure.add_subplot().plot([0, 1, 2], [0, 1, 0])
    found = animated(figure, [Moving(line, np.array([0, 1, 5]), np.arange(3.0), np.array([0.0, 1.0, 0.0]))])
    assert Image.open(io.BytesIO(found)).n_frames == 3
    assert list(line.get_xdata()) == [0, 1, 2]
    assert (figure.dpi, line.get_animated(), figure.texts) == (style.DPI, False, [])


# --- the user's own -------------------------------------------------------------------------------


WRONG = [
    ("", "2 * x, y", "has the gradient .* differences of its value say"),
    ("MINIMA = ((1, 0),)\n", "2 * x, 2 * y", r"has the gradient \[2, 0\] at its minimum \[1, 0\]"),
]  # fmt: skip


@pytest.mark.parametrize(("above", "slopes", "said"), WRONG)
def test_a_gradient_that_is_not_that_of_the_value_ends_with_2(tmp_path, capsys, above, slopes, said):
    (tmp_path / "mine.py").write_text(f"{above}def mine(x, y):\n    return x * x + y * y, {slopes}\n")
    own = '{ path = "mine.py", name = "mine" }'
    (tmp_path / "s.toml").write_text(
        f'[[descent]]\nname = "a"\nsurface = {own}\nstart = [[0.5, 0.5]]\nsteps = 5\n'
    )
    assert main([str(tmp_path / "s.toml"), "--out", str(tmp_path / "out")]) == 2
    (printed,) = capsys.readouterr().err.strip().splitlines()
    assert pd.Series([printed]).str.contains(said).all(), printed
    assert not (tmp_path / "out").exists()


def test_kinks_are_no_wrong_gradient(tmp_path):
    (tmp_path / "mine.py").write_text(
        "MINIMA = ((0, 0),)\ndef mine(x, y):\n"
        "    return abs(x) + abs(y), x / max(abs(x), 1e-9), y / max(abs(y), 1e-9)\n"
    )
    own = '{ path = "mine.py", name = "mine" }'
    (tmp_path / "s.toml").write_text(
        f'[[descent]]\nname = "a"\nsurface = {own}\nstart = [[0.5, 0.5]]\nsteps = 50\n'
        'optimizer = { name = "sgd", lr = 0.03 }\n'
    )
    assert sim.run_study(tmp_path / "s.toml").ends["best"].all()


def test_rules_for_whole_tensors_take_a_point_as_a_vector():
    """Muon gives vectors to Adam, so on a surface it is Adam; LARS, LAMB and Shampoo look at the whole."""
    layerwise = [name for name, part in optimizer.items() if part.rule(part.bind(lr=0.1)).layerwise]
    assert {"lars", "lamb", "muon", "shampoo", "soap"} <= set(layerwise)
    asked = only({
        "start": [[0.6, 1.9]], "steps": 30,
        "optimizer": [{"name": "muon", "lr": 0.05, "epsilon": 1e-8}, {"name": "adam", "lr": 0.05}],
    })  # fmt: skip
    ends = sim.run_study(asked).ends
    assert ends["to_x"][0] == pytest.approx(ends["to_x"][1], rel=1e-9)


def test_large_counts_are_written_out():
    shown = rows(pd.DataFrame({"starts": [1_010_025, -7], "share": [1.5e6, 0.25]}))
    assert shown.cells == [["1,010,025", "1.50e6"], ["−7", "0.250"]]
