"""The study file: what it expresses, what it refuses and in which words, that it survives being written."""

from __future__ import annotations

import copy
import itertools
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.errors import StudyError
from sim.plan import plan
from sim.study import Checkpoints, Choice, Study, Target

STUDIES = sorted((Path(__file__).parent.parent / "studies").glob("*.toml"))


def grid(**keys: Any) -> dict[str, Any]:
    return {"name": "one", "steps": 20, **keys}


def study(*grids: dict[str, Any], **keys: Any) -> Study:
    return Study.load({"title": "Test", "grid": list(grids), **keys})


def message(source: Any, *overrides: str) -> str:
    with pytest.raises(StudyError) as caught:
        plan(Study.load(source, overrides))
    assert "\n" not in str(caught.value)
    return str(caught.value)


RICH: dict[str, Any] = {
    "title": 'A "rich" one, ünïcode',
    "question": "Does every key survive?\tYes.",
    "seed": 7,
    "precision": "float32",
    "defaults": {"dataset": {"name": "parity", "bits": [3, 4]}, "depth": [0, 2], "epochs": 3, "width": 8},
    "grid": [
        {
            "name": "first",
            "question": "Which?",
            "samples": [50, "all"],
            "activation": ["tanh", {"name": "leaky_relu", "slope": [0.01, 0.1]}],
            "initializer": [
                "he_normal",
                {"name": "normal", "std": {"start": 0.001, "stop": 1.0, "num": 4, "scale": "log"}},
            ],
            "normalizer": ["none", "batch"],
            "residual": [False, True],
            "optimizer": [
                {"name": "sgd", "lr": [0.01, 0.1]},
                {"name": "momentum", "lr": 0.1, "form": "heavy_ball"},
                {"name": "adam", "lr": 0.001},
            ],
            "clipping": ["none", {"name": "norm", "limit": 1}],
            "batch_size": [10, "full"],
            "replicates": 2,
            "checkpoints": {"num": 3, "scale": "log"},
            "evaluate": "all",
            "measure": ["train", "gradients"],
            "target": [{"name": "learned", "metric": "train_accuracy", "value": 0.9}],
            "exclude": [
                {"activation": "leaky_relu", "depth": [2]},
                {"optimizer": {"name": "sgd", "lr": 0.1}},
            ],
            "include": [{"depth": 5, "activation": "relu"}],
        },
        {"name": "second", "steps": [20, 30], "dataset": "diabetes", "precision": "float64"},
    ],
}


def test_every_factor_becomes_a_tuple_in_the_order_of_the_table():
    first = Study.load(RICH).grids[0]
    assert list(first.factors)[:4] == ["dataset", "samples", "scaling", "depth"]
    assert "epochs" in first.factors
    assert "steps" not in first.factors
    assert first.factors["samples"] == (50, None)
    assert [choice.label for choice in first.factors["dataset"]] == ["parity(bits=3)", "parity"]
    stds = [choice.value("std") for choice in first.factors["initializer"] if choice.name == "normal"]
    assert stds == [0.001, 0.01, 0.1, 1.0]
    assert first.settings.targets == (Target("learned", "train_accuracy", 0.9),)
    assert first.settings.precision == "float32"
    assert first.settings.measure == ("gradients", "train")


def test_a_grids_own_key_wins_over_defaults_and_its_steps_over_their_epochs():
    second = Study.load(RICH).grids[1]
    assert second.factors["steps"] == (20, 30)
    assert "epochs" not in second.factors
    assert second.settings.precision == "float64"
    assert second.factors["width"] == (8,)


def test_a_study_cannot_be_changed():
    loaded = Study.load(RICH)
    with pytest.raises(AttributeError):
        loaded.seed = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        loaded.grids[0].factors["depth"] = (1,)  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "given_as", "label"),
    [
        ("initializer", {"name": "normal", "std": 0.01}, "normal(std=0.01)"),
        ("clipping", {"name": "norm", "limit": 1.0}, "norm(limit=1)"),
        ("optimizer", {"name": "adam", "lr": 0.5}, "adam"),
        ("optimizer", {"name": "momentum", "lr": 0.5, "form": "heavy_ball"}, "momentum(form=heavy_ball)"),
        ("activation", {"name": "leaky_relu", "slope": 0.3}, "leaky_relu(slope=0.3)"),
        ("activation", "tanh", "tanh"),
    ],
)
def test_labels_show_what_differs_from_the_defaults(kind: str, given_as: Any, label: str):
    (choice,) = study(grid(**{kind: given_as})).grids[0].factors[kind]
    assert choice.label == label
    assert list(choice.as_dict()) == ["name", *choice.part.parameters]


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ({"start": 0.0, "stop": 1.0, "num": 5}, (0.0, 0.25, 0.5, 0.75, 1.0)),
        ({"start": 0, "stop": 1, "num": 3}, (0.0, 0.5, 1.0)),
        ([0.1, {"start": 0.2, "stop": 0.3, "num": 2}], (0.1, 0.2, 0.3)),
        ({"start": 0.1, "stop": 5, "num": 1}, (0.1,)),
    ],
)
def test_ranges_of_numbers(written: Any, values: tuple[float, ...]):
    assert study(grid(weight_decay=written)).grids[0].factors["weight_decay"] == values


def test_ranges_of_integers_are_rounded_and_different():
    found = study(grid(depth={"start": 1, "stop": 8, "num": 20, "scale": "log"})).grids[0].factors["depth"]
    assert found == (1, 2, 3, 4, 5, 6, 7, 8)


@given(st.integers(1, 400), st.data())
def test_checkpoints_are_different_steps_from_the_untrained_network_to_the_end(total: int, data: Any):
    num = data.draw(st.integers(2, total + 1))
    steps = Checkpoints(num, data.draw(st.sampled_from(["linear", "log"]))).steps(total)
    assert len(steps) == num
    assert steps[0] == 0
    assert steps[-1] == total
    assert all(a < b for a, b in itertools.pairwise(steps))


BAD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    (grid(dept=3), ("grid[0] 'one'", "'dept'", "did you mean 'depth'?")),
    (grid(depth="three"), ("grid[0] 'one'.depth", "'three'", "whole number")),
    (grid(depth=True), ("grid[0] 'one'.depth", "True")),
    (grid(depth=129), (".depth", "129", "0 … 128")),
    (grid(depth=[]), (".depth", "[]", "empty list")),
    (grid(depth=[2, 2]), (".depth[1]", "2", "twice")),
    (grid(activation="thanh"), (".activation", "'thanh'", "did you mean 'tanh'?", "sigmoid")),
    (grid(activation=["tanh", {"name": "rely"}]), (".activation[1].name", "'rely'", "'relu'")),
    (grid(activation=[]), (".activation", "empty list")),
    (grid(activation=3), (".activation", "3", "name")),
    (grid(activation={"name": "leaky_relu", "slop": 1}), (".activation", "'slop'", "'slope'")),
    (grid(activation=[{"name": "leaky_relu", "slope": [0.1, "x"]}]), (".activation[0].slope[1]", "'x'")),
    (grid(initializer="normal"), (".initializer.std", "'std'", "missing")),
    (grid(initializer={"name": "normal", "std": -1}), (".initializer.std", "-1", "0")),
    (grid(initializer={"name": "normal", "std": float("nan")}), (".std", "nan")),
    (grid(optimizer={"name": "sgd", "lr": -0.1}), (".optimizer.lr", "-0.1", "above 0")),
    (grid(optimizer={"name": "momentum", "lr": 0.1, "form": "emma"}), (".optimizer.form", "'emma'", "'ema'")),
    (
        grid(optimizer=[{"name": "sgd", "lr": [0.1, 0.2]}, {"name": "sgd", "lr": 0.1}]),
        (".optimizer[1]", "twice"),
    ),
    (grid(loss="binary_cross_entropy"), (".loss", "'binary_cross_entropy'", "10 classes")),
    (grid(loss="binary_cross_entropy", dataset="diabetes"), (".loss", "a regression")),
    (grid(loss="softmax_cross_entropy", dataset="diabetes"), (".loss", "a regression")),
    (grid(samples=2000), (".samples", "2000", "training rows of digits")),
    (grid(samples=50, batch_size=64), (".batch_size", "64", "50 training rows")),
    (grid(batch_size="whole"), (".batch_size", "'whole'", "full")),
    (grid(epochs=3), ("'epochs'", "exactly one")),
    (grid(checkpoints=22), (".checkpoints", "22", "at most 21")),
    (grid(checkpoints={"num": 3, "scale": "cubic"}), (".checkpoints.scale", "'cubic'", "linear, log")),
    (grid(checkpoints=1), (".checkpoints", "1")),
    (grid(dropout=1.0), (".dropout", "1.0", "below 1")),
    (grid(dropout=10**400), (".dropout", "finite")),
    (grid(residual="yes"), (".residual", "'yes'", "true")),
    (grid(residual=True, depth=1), (".residual", "two hidden layers")),
    (grid(precision="float16"), (".precision", "'float16'", "float32, float64")),
    (grid(measure=["gradient"]), (".measure[0]", "'gradient'", "'gradients'")),
    (
        grid(measure=["train"], target=[{"name": "a", "metric": "test_loss", "value": 1}]),
        ("test_loss", "measure"),
    ),
    (
        grid(dataset="diabetes", target=[{"name": "a", "metric": "test_accuracy", "value": 0.9}]),
        (".target[0].metric", "'test_accuracy'", "regression", "test_loss"),
    ),
    (
        grid(target=[{"name": "a", "metric": "acc", "value": 1}]),
        (".target[0].metric", "'acc'", "test_accuracy"),
    ),
    (grid(target=[{"name": "a b", "metric": "test_loss", "value": 1}]), (".target[0].name", "'a b'")),
    (
        grid(target=[{"name": "a", "metric": "test_accuracy", "value": 80}]),
        (".target[0].value", "80", "at most 1"),
    ),
    (grid(target=[{"name": "a", "metric": "test_loss", "value": 1}] * 2), (".target[1].name", "earlier")),
    (grid(weight_decay={"start": 1, "stop": 0, "num": 3}), (".weight_decay.start", "above the stop")),
    (
        grid(weight_decay={"start": 0, "stop": 1, "num": 3, "scale": "log"}),
        (".weight_decay.start", "above 0"),
    ),
    (grid(weight_decay={"start": 0, "stop": 1, "num": 0}), (".weight_decay.num", "0")),
    (grid(weight_decay={"start": 0, "stop": 1, "number": 3}), (".weight_decay", "'number'", "'num'")),
    (grid(weight_decay={"start": 0, "stop": 1}), (".weight_decay", "'num'", "missing")),
    (grid(exclude=[{"depth": 2}]), (".exclude", "every network")),
    (grid(exclude=[{}]), (".exclude[0]", "{}")),
    (grid(exclude=[{"dept": 2}]), (".exclude[0]", "'dept'", "'depth'")),
    (grid(exclude=[{"depth": []}]), (".exclude[0].depth", "empty list")),
    (grid(include=[{"actvation": "relu"}]), (".include[0]", "'actvation'", "'activation'")),
    (grid(include=[{"epochs": 3}]), (".include[0]", "'epochs'", "this grid")),
    (grid(exclude=[{"depth": 9}], include=[{"depth": 9}]), (".include[0]", "exclude leaves nothing")),
    (
        grid(dataset={"name": "table", "path": "no.csv", "target": "y"}),
        (".dataset.path", "no.csv", "not a file"),
    ),
    (grid(dataset={"name": "parity", "samples": 10**12}), (".dataset", "parity")),
    (grid(width=list(range(1, 4000)), depth=list(range(100)), replicates=100), ("39990000", "10,000,000")),
    ({"steps": 3}, ("grid[0]", "'name'", "missing")),
    ({"name": "one two", "steps": 3}, ("grid[0] 'one two'.name", "letters")),
    ({"name": "one"}, ("grid[0] 'one'", "'steps'", "missing")),
]


@pytest.mark.parametrize(("bad", "words"), BAD, ids=[str(index) for index in range(len(BAD))])
def test_what_is_wrong_with_a_grid_is_said_in_one_line(bad: dict[str, Any], words: tuple[str, ...]):
    line = message({"title": "Test", "grid": [bad]})
    assert line.startswith("study: grid")
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"grid": [grid()], "sed": 3}, ("study", "'sed'", "did you mean 'seed'?")),
        ({"grid": [grid()], "seed": -1}, ("seed", "-1")),
        ({"grid": []}, ("grid", "empty list")),
        ({"grid": grid()}, ("grid", "[[grid]]")),
        ({"grid": [3]}, ("grid[0]", "3", "table")),
        ({}, ("'grid'", "missing")),
        ({"grid": [grid(), grid()]}, ("grid[1].name", "'one'", "grid[0]")),
        ({"grid": [grid()], "defaults": {"depht": 3}}, ("defaults", "'depht'", "'depth'")),
        ({"grid": [grid()], "defaults": {"depth": -3}}, ("defaults.depth", "-3")),
        ({"grid": [grid()], "defaults": {"steps": 3, "epochs": 3}}, ("defaults", "exactly one")),
        ({"grid": [grid()], "defaults": 3}, ("defaults", "3", "table")),
        ({"grid": [grid(depth=-1, width=0)]}, ("depth", "(and 1 more)")),
        ({"grid": [grid(**{"a\nb": 1})]}, ("a", "is not a key")),
    ],
)
def test_what_is_wrong_with_a_study_is_said_in_one_line(bad: dict[str, Any], words: tuple[str, ...]):
    line = message(bad)
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"title = \n", ("line 1", "column 9")),
        (b"title = '\xff'", ("UTF-8", "byte 9")),
        (b"seed = " + b"[" * 5000, ("nested",)),
        (b"seed = " + b"1" * 5000, ("not TOML",)),
        (b"[[grid]]\nname = 'a'\nsteps = 1979-05-27\n", ("steps", "whole number")),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, content: bytes, words: tuple[str, ...]):
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    line = message(path)
    assert line.startswith(str(path))
    for word in words:
        assert word in line


def test_no_file_and_a_folder(tmp_path: Path):
    assert "No such file" in message(tmp_path / "none.toml")
    assert "is a folder" in message(tmp_path)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_projects_studies_load_and_survive_being_written(path: Path):
    assert_round_trip(Study.load(path))


def assert_round_trip(loaded: Study):
    again = Study.load(tomllib.loads(loaded.to_toml()))
    assert again == loaded
    assert again.to_toml() == loaded.to_toml()
    assert again.digest() == loaded.digest()


def test_a_rich_study_survives_being_written():
    assert_round_trip(Study.load(RICH))


def test_numpy_numbers_and_tuples_are_as_good_as_pythons():
    assert study(grid(depth=(np.int64(2), 3), dropout=np.float64(0.5))) == study(
        grid(depth=[2, 3], dropout=0.5)
    )


def test_the_digest_sees_results_and_nothing_else(tmp_path: Path):
    one, two = tmp_path / "one.toml", tmp_path / "two.toml"
    one.write_text(
        "title = 'a'\nseed = 3\n[[grid]]\nname = 'g'\nsteps = 9\ncheckpoints = 3\nweight_decay = 1\n"
    )
    two.write_text("seed = 3 # why\n[[grid]]\ncheckpoints = 3\nsteps = 9\nname = 'g'\nweight_decay = [1.0]\n")
    assert Study.load(one).digest() == Study.load(two).digest()
    digests = {
        Study.load(one, [change]).digest()
        for change in ("seed=4", "steps=8", "width=31", "precision=float32")
    }
    digests |= {
        Study.load(one, [change]).digest() for change in ("evaluate=9", "replicates=2", "grid.g.name=h")
    }
    assert len(digests | {Study.load(one).digest()}) == 8


def test_a_table_is_found_beside_its_study_and_its_bytes_count(tmp_path: Path):
    def written(folder: str, content: str) -> Study:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "x.csv").write_text(content)
        path = tmp_path / folder / "study.toml"
        path.write_text(
            "[[grid]]\nname = 'g'\nsteps = 9\nbatch_size = 4\ncheckpoints = 2\n"
            "dataset = {name = 'table', path = 'x.csv', target = 'y'}\n"
        )
        return Study.load(path)

    rows = "a,y\n" + "".join(f"{i}.5,{i % 2}\n" for i in range(20))
    first = written("here", rows)
    assert first.grids[0].factors["dataset"][0].value("path") == str(tmp_path / "here" / "x.csv")
    assert "path=x.csv" in first.grids[0].factors["dataset"][0].label
    assert plan(first).runs[0].samples == 16
    digest = first.digest()
    assert written("there", rows).digest() == digest
    assert written("here", rows + "7.5,1\n").digest() != digest


@pytest.mark.parametrize(
    ("override", "grid_name", "factor", "values"),
    [
        ("defaults.width=[4, 5]", "first", "width", (4, 5)),
        ("grid.first.depth=[2,4]", "first", "depth", (2, 4)),
        ("steps=30", "first", "steps", (30,)),
        ("steps = 30", "second", "steps", (30,)),
        ("epochs=4", "second", "epochs", (4,)),
        ("grid.first.steps=30", "first", "steps", (30,)),
        ("defaults.steps=30", "first", "steps", (30,)),
        ("defaults.steps=30", "second", "steps", (20, 30)),
        ("grid.second.dataset=wine", "second", "dataset", (Choice("dataset", "wine"),)),
        ("dataset='wine'", "second", "dataset", (Choice("dataset", "wine"),)),
        ("defaults.dataset.bits=5", "first", "dataset", None),
    ],
)
def test_overrides(override: str, grid_name: str, factor: str, values: tuple[Any, ...] | None):
    source = copy.deepcopy(RICH)
    del source["grid"][0]["target"], source["grid"][0]["samples"]
    grids = {grid.name: grid for grid in Study.load(source, [override]).grids}
    found = grids[grid_name].factors[factor]
    assert found == values if values else [choice.value("bits") for choice in found] == [5]


def test_overrides_of_the_whole_study_leave_the_source_as_it_was():
    before = copy.deepcopy(RICH)
    assert Study.load(RICH, ["seed=3", "title=Two words", "precision=float64"]).title == "Two words"
    assert Study.load(RICH, ["seed=3"]).seed == 3
    assert {g.settings.precision for g in Study.load(RICH, ["precision=float64"]).grids} == {"float64"}
    assert {g.replicates for g in Study.load(RICH, ["replicates=5"]).grids} == {5}
    assert before == RICH


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("stesp=30", ("--set stesp=30", "'stesp'", "did you mean 'steps'?")),
        ("defaults.dept=30", ("'dept'", "'depth'")),
        ("grid.frist.depth=3", ("'frist'", "did you mean 'first'?")),
        ("grid.first.dpeth=3", ("'dpeth'", "'depth'")),
        ("grid.first=3", ("no key",)),
        ("gird.first.depth=3", ("'gird'", "'grid'")),
        ("grid=3", ("'grid'",)),
        ("depth", ("'depth'", "KEY=VALUE")),
        ("depth=-1", ("defaults.depth", "-1", "0 … 128")),
        ("grid.first.depth.start=3", ("depth",)),
        ("depth=1\nseed=2", ("depth",)),
    ],
)
def test_overrides_that_cannot_be_used(override: str, words: tuple[str, ...]):
    line = message(RICH, override)
    for word in words:
        assert word in line


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**400), 10**400),
    st.integers(-2, 40),
    st.floats(),
    st.text(max_size=6),
    st.sampled_from(["tanh", "all", "auto", "full", "start", "float32", "log", "none"]),
    st.just([]),
    st.just({}),
    st.builds(object),
    st.binary(max_size=3),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "start", "stop", "num", "lr", "depth", "path"]) | st.text(max_size=3),
            inner,
        )
    ),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [path, *(place for key, entry in entries for place in places(entry, (*path, key)))]


def mutated(source: dict[str, Any], data: Any) -> dict[str, Any]:
    """The source with a value replaced, a key removed or a key renamed at one place."""
    changed = copy.deepcopy(source)
    *above, last = data.draw(st.sampled_from(places(changed)[1:]))
    holder: Any = changed
    for key in above:
        holder = holder[key]
    how = data.draw(st.sampled_from(["replace", "remove", "rename"]))
    if how == "replace" or not isinstance(holder, dict):
        holder[last] = data.draw(VALUES)
    else:
        value = holder.pop(last)
        if how == "rename":
            holder[data.draw(st.text(max_size=5) | st.sampled_from(places(changed)).map(str))] = value
    return changed


def loaded_or_refused(source: Any, *overrides: str) -> Study | None:
    """The study, or None where it is refused in one line of a length that can be read."""
    try:
        return Study.load(source, overrides)
    except StudyError as error:
        line = str(error)
    assert line.isprintable()
    assert len(line) < 2000
    return None


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_mutilated_study_loads_or_complains_in_one_line(data: Any):
    source = RICH
    for _ in range(data.draw(st.integers(1, 3))):
        source = mutated(source, data)
    found = loaded_or_refused(source)
    if found is not None:
        assert_round_trip(found)


@settings(max_examples=100, deadline=None)
@given(
    st.text(max_size=20)
    | st.from_regex(r"(seed|defaults\.\w+|grid\.first\.\w+|steps)=.{0,9}", fullmatch=True)
)
def test_any_override_loads_or_complains_in_one_line(text: str):
    loaded_or_refused(RICH, text)
