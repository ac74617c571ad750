"""A user's own parts by file: they run as the catalog's do; what is wrong with one is a line that says so."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pandas as pd
import pytest

import sim
from sim.analysis.sensitivity import costs
from sim.catalog.own import own_part
from sim.catalog.registry import PartError
from sim.errors import StudyError
from sim.execute import own as execute_own
from sim.kernels import jit, parts
from sim.run import main
from sim.store import Store
from sim.study import Study
from sim.trials import plan_networks

ROOT = Path(__file__).parents[1]

ADAM = """
from sim import optimizer
from sim.catalog.mathematics import fma, sqrt

@optimizer(state=("m", "v"))
def mine(theta, g, m, v, step, lr=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = fma(1 - beta1, g - m, m)
    v = fma(1 - beta2, fma(g, g, -v), v)
    root = (1 - beta2**step) ** 0.5
    rate = lr / (1 - beta1**step) * root
    return fma(-rate, m / (sqrt(v) + epsilon * root), theta), m, v
"""
PAPER = """
@optimizer(state=("m", "v"))
def paper(theta, g, m, v, step, lr=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat = m / (1 - beta1**step)
    v_hat = v / (1 - beta2**step)
    return theta - lr * m_hat / (sqrt(v_hat) + epsilon), m, v
"""
ALL = """
import numpy as np
from sim import Table, activation, dataset, initializer, optimizer, surface

@optimizer(state=("velocity",), limits={"beta": __import__("sim.catalog.limits").catalog.limits.Range(0, 1)})
def mine(theta, g, velocity, lr=0.1, beta=0.5):
    velocity = beta * velocity + g
    return theta - lr * velocity, velocity

@activation()
def bent(x, k=1.0):
    share = 1 / (1 + k * abs(x))
    return x * share, share * share

@initializer()
def thin(draw, width=0.5):
    return width * draw.normal / np.sqrt(draw.fan_in)

@dataset()
def stripes(generator, rows=60):
    x = generator.uniform(-1, 1, (rows, 2))
    return Table(x, x.sum(axis=1) > 0, 2)

@surface(minima=((0, 0),))
def bowl(x, y, stretch=3.0):
    return x * x + stretch * y * y, 2 * x, 2 * stretch * y
"""


def grid(**keys: Any) -> dict[str, Any]:
    small = {"dataset": "moons", "samples": 40, "depth": 1, "width": 4, "steps": 12, "optimizer": mine()}
    return {"grid": [{"name": "g", "measure": ["train"], "checkpoints": 3, **small, **keys}]}


def mine(name: str = "mine", **parameters: Any) -> dict[str, Any]:
    return {"path": "own.py", "name": name, **parameters}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes own.py where the test runs; returns its path."""
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "own.py") -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


# --- in studies ------------------------------------------------------------------------------


def test_parts_of_every_kind_run_beside_those_of_the_catalog(written: Any) -> None:
    written(ALL)
    study = Study.load(
        {
            **grid(
                optimizer=[mine(lr=[0.1, 0.2], beta=0.9), "sgd"],
                activation=["tanh", mine("bent", k=[1.0, 2.0])],
                initializer=mine("thin", width=0.3),
                dataset=mine("stripes"),
                exclude=[{"activation": "tanh", "optimizer": mine()}],
            ),
            "descent": [
                {
                    "name": "walk",
                    "surface": mine("bowl", stretch=[1.0, 2.0]),
                    "optimizer": [mine(), "adam"],
                    "start": [[0.5, 0.5]],
                    "steps": 9,
                }
            ],
        }
    )
    assert Study.load(tomllib.loads(study.to_toml())) == study
    one, three = sim.run_study(study, jobs=1), sim.run_study(study, jobs=3)
    runs = one.runs
    pd.testing.assert_frame_equal(runs, three.runs)
    assert len(runs) == 2 * 2 + 1 * 3
    assert set(runs["activation"]) == {"tanh", "bent(path=own.py)", "bent(path=own.py, k=2)"}
    assert set(runs["optimizer"]) == {"sgd", "mine(path=own.py, beta=0.9)"}
    assert set(runs["initializer"]) == {"thin(path=own.py, width=0.3)"}
    assert set(runs["dataset"]) == {"stripes(path=own.py)"}
    assert runs["final_train_loss"].nunique() == len(runs)
    assert np.isfinite(runs["final_train_loss"]).all()
    assert set(one.walks["surface"]) == {"bowl(path=own.py, stretch=1)", "bowl(path=own.py, stretch=2)"}


def test_a_changed_file_is_another_study(written: Any, tmp_path: Path) -> None:
    written(ALL)
    study = Study.load(grid())
    with Store(tmp_path / "results", study, plan_networks(study, ())):
        pass
    (tmp_path / "elsewhere").mkdir()
    written(ALL, "elsewhere/own.py")
    moved = Study.load(grid(optimizer={**mine(), "path": "elsewhere/own.py"}))
    assert moved.digest() == study.digest()
    written(ALL.replace("0.5", "0.25"))
    changed = Study.load(grid())
    assert changed != study
    with pytest.raises(StudyError, match="different study"):
        Store(tmp_path / "results", changed, plan_networks(changed, ()))


def test_paths_start_at_the_folder_of_the_study(written: Any, tmp_path: Path) -> None:
    written(ALL)
    (tmp_path / "below").mkdir()
    text = Study.load(grid()).to_toml().replace(str(tmp_path / "own.py"), "../own.py")
    (tmp_path / "below" / "study.toml").write_text(text)
    chosen = Study.load(tmp_path / "below" / "study.toml").grids[0].factors["optimizer"][0]
    assert chosen.path == str(tmp_path / "own.py")


def test_a_part_keeps_its_content_in_another_process(written: Any) -> None:
    path = written(ALL)
    part = own_part("optimizer", path, "mine")
    load = f"import pickle; print(pickle.loads({pickle.dumps(part)!r}).content)"
    written(ALL + "\n#")
    asked = subprocess.run([sys.executable, "-c", load], cwd=ROOT, capture_output=True, text=True)
    assert "has changed since the study was loaded" in asked.stderr
    assert pickle.loads(pickle.dumps(part)) is part


# --- as fast, and the same --------------------------------------------------------------------


def trained(optimizer: Any, steps: int = 30, **given: Any) -> Any:
    draws = np.random.default_rng(1)
    weights = [draws.normal(size=shape) for shape in ((4, 3), (2, 4))]
    inputs, targets = draws.normal(size=(20, 3)), draws.integers(0, 2, 20)
    order = draws.integers(0, 20, (30, 5))[:steps]
    biases = [np.zeros(4), np.zeros(2)]
    return sim.train_arrays(inputs, targets, weights, biases, order, optimizer=optimizer, **given)


def test_a_copy_of_adam_trains_to_the_same_bytes(written: Any) -> None:
    written(ADAM)
    ours, theirs = trained("adam"), trained(mine())
    for name in ("weights", "biases"):
        for one, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            assert one.tobytes() == other.tobytes()
    assert list(theirs.state) == ["m", "v"]
    written(ADAM.replace("mine", "other") + PAPER.replace("paper", "mine"))
    assert np.allclose(trained(mine()).weights[0], ours.weights[0], rtol=1e-12)


TWO_FUNCTIONS = """
from sim.catalog.optimizers import Rule, optimizer

def _follow(theta, g, v, lr, beta):
    v = beta * v + g
    return theta - lr * (g + beta * v), v

@optimizer(rule=lambda settings: Rule(_follow, ("velocity",)))
def mine(step, lr=1e-3, beta=0.9):
    return lr, beta

def _by_length(kind, shape, theta, g, lr):
    norm = 0.0
    for i in range(g.size):
        norm += g[i] * g[i]
    for i in range(g.size):
        theta[i] -= lr * g[i] / (norm**0.5 + 1e-12)

@optimizer(rule=lambda settings: Rule(_by_length, layerwise=True))
def by_length(step, lr=0.1):
    return (lr,)
"""


def test_rules_may_be_written_as_those_of_the_catalog(written: Any) -> None:
    """In two functions; or for a whole tensor at once, here in steps of one length."""
    written(TWO_FUNCTIONS)
    for one, other in zip(trained("nesterov").weights, trained(mine()).weights, strict=True):
        assert np.allclose(one, other, rtol=1e-12)
    assert list(trained(mine()).state) == ["velocity"]
    before, after = (trained(mine("by_length", lr=lr)).weights[0] for lr in (0.0, 0.1))
    single = trained(mine("by_length", lr=0.1), steps=1).weights[0]
    assert np.linalg.norm(single - before) == pytest.approx(0.1, rel=1e-9)
    assert not np.allclose(after, single)


@pytest.mark.parametrize(("precision", "word"), [("float32", "float"), ("float64", "double")])
def test_it_is_vectorised_and_keeps_its_precision(
    written: Any, monkeypatch: pytest.MonkeyPatch, precision: str, word: str
) -> None:
    """Whole numbers, numbers of the file and helpers included."""
    path = written(
        "from sim import optimizer\nHALF = 0.5\ndef double(x):\n    return 2 * x\n"
        "@optimizer(state='m')\ndef mine(theta, g, m, step, lr=0.1):\n"
        "    m = HALF * m + g**2 / 3\n    return theta - lr * double(m) / (1 - HALF**step), m\n"
    )
    monkeypatch.setattr(jit, "kernel", lambda code, signature: numba.njit(signature, **jit.FLAGS)(code))
    part = own_part("optimizer", path, "mine")
    kernel = parts._update_kernel.__wrapped__(part, part.rule({}), jit.REAL[precision])
    code = kernel.inspect_llvm(kernel.signatures[0])
    assert re.search(rf"fmul <\d+ x {word}>", code)
    assert not re.search(r"call .*@(llvm\.)?pow", code)
    if precision == "float32":
        assert not re.search(r"f(mul|add|sub|div) (<\d+ x )?double", code)


CACHED = """
import sys
import numpy as np
from sim.catalog.own import own_part
from sim.kernels import jit, parts
part = own_part("optimizer", sys.argv[1], "mine")
kernels = parts.optimizer_kernels(part, part.rule({}), jit.REAL["float64"])[:2]
numbers, theta = np.zeros(16), np.ones(3)
kernels[0](1.0, np.array(list(part.parameters.values())), numbers)
kernels[1](np.zeros((1, 9), np.int64), theta, np.ones(3), np.zeros((2, 3)), numbers, 0.0)
print(sum(sum(kernel.stats.cache_hits.values()) for kernel in kernels), theta[0])
"""


def test_kernels_are_cached_and_a_changed_file_is_seen(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANYNETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def run(text: str) -> list[str]:
        asked = subprocess.run(
            [sys.executable, "-c", CACHED, written(text)], capture_output=True, text=True, cwd=tmp_path
        )
        assert asked.returncode == 0, asked.stderr
        return asked.stdout.split()

    plain = ADAM.replace("lr=1e-3", "lr=0.5")
    assert [run(plain), run(plain)] == [["0", "0.500000005"], ["2", "0.500000005"]]
    assert run(plain.replace("fma(-rate", "fma(rate")) == ["0", "1.499999995"]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_copy_of_adam_takes_no_longer_than_adam(written: Any, precision: str) -> None:
    """The update of 4096 parameters, in turn, the best of many; as the paper writes it, too."""
    path = written(ADAM + PAPER)
    chosen = {name: own_part("optimizer", path, name) for name in ("mine", "paper")}
    best: dict[str, float] = {}
    for _ in range(300):
        for name, part in {"adam": sim.optimizer["adam"], **chosen}.items():
            kernels = parts.optimizer_kernels(part, part.rule(part.bind()), jit.REAL[precision])
            table, numbers = np.zeros((1, 9), np.int64), np.zeros(16, precision)
            theta, gradient = np.ones(4096, precision), np.full(4096, 0.1, precision)
            state = np.zeros((2, 4096), precision)
            kernels[0](1.0, parts.encoded(part, part.bind()), numbers)
            start = time.perf_counter()
            for _ in range(50):
                kernels[1](table, theta, gradient, state, numbers, 0.0)
            best[name] = min(best.get(name, np.inf), (time.perf_counter() - start) / 50 / 4096 * 1e9)
    print(precision, {name: f"{spent:.3f} ns a parameter" for name, spent in best.items()})
    assert best["mine"] < 1.05 * best["adam"]
    assert best["paper"] < 1.25 * best["adam"]


def test_its_memory_is_told_and_no_cost_of_a_namesake(written: Any) -> None:
    written(ADAM.replace("mine", "adam"))
    study = Study.load(grid(optimizer=["adam", mine("adam")]))
    chosen = study.grids[0].factors["optimizer"]
    table = costs(["adam", "adam(path=own.py, beta1=0.5)"], own=chosen[1:])
    assert list(table["slots"]) == [2, 2]
    assert list(table["step_ns"].notna()) == [True, False]


# --- what is wrong, in a line --------------------------------------------------------------------

RULES = {
    "def mine(t, g, lr=0.1):\n return t - lr * gg\n": "NameError: name 'gg' is not defined .line 3",
    "def mien(t, g, lr=0.1):\n return t\n": "has no optimizer and no function 'mine'; did you mean 'mien'",
    "def mine(t, g, beta=0.1):\n return t - beta * g\n": "its first hyperparameter must be lr",
    "def mine(t, g, lr=0.1):\n return t, g\n": "returns 2 values; 1 are needed: θ",
    "import numpy as np\ndef mine(t, g, lr=0.1):\n return np.array([t, g])\n": "array of shape .2,. among θ",
    "def mine(t):\n return t\n": "must take a parameter and its gradient first",
    "def mine(t, g, velocity, lr=0.1):\n return t, velocity\n": "'velocity' is neither state, step nor lr",
    "def mine(t, g, *rest, lr=0.1):\n return t\n": "have no place among its arguments",
    "def mine(t, g, name=1.0):\n return t\n": "a parameter cannot be called 'name'",
    "@optimizer(state=('speed',))\ndef mine(t, g, sped, lr=0.1):\n return t, sped\n": (
        "state 'speed' is no argument of it; did you mean 'sped'.*line 2"
    ),
    "@optimizer(state=('a', 'b'))\ndef mine(t, g, b, a, lr=0.1):\n return t, b, a\n": "order: t, g, a, b",
    "@optimizer(state=('m',))\ndef mine(t, g, m, lr=0.1):\n return t - lr * m\n": "2 are needed: θ, m",
    "@optimizer()\nclass mine:\n pass\n": "must take a parameter",
    "mine = optimizer('mine')(lambda t, g, lr=0.1: t)\n": "is not a function of its own",
    "def mine(t, g, lr=0.1:\n": "is not Python: .*line 2",
    "import no_such_module\n": "ModuleNotFoundError",
    "import sys\nsys.exit(3)\n": "cannot be carried out: SystemExit: 3 .line 3",
    "import sim\n@sim.activation()\ndef mine(x):\n return x, 1\n": "holds 'mine' as activation, not as",
    "import own_helper\n@optimizer()\ndef mine(t, g, lr=0.1):\n return t\n": "imports own_helper.py",
}


@pytest.mark.parametrize(("text", "said"), RULES.items(), ids=range(len(RULES)))
def test_a_bad_rule_is_told_when_the_study_is_loaded(
    written: Any, text: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    written("", "own_helper.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    written("from sim import optimizer\n" + text)
    with pytest.raises(StudyError, match=said) as caught:
        Study.load(grid())
    assert "grid[0] 'g'.optimizer" in str(caught.value)
    assert "\n" not in str(caught.value)


OTHERS = {
    "slope at x = .* differences of its value say": ("activation", "(x):\n return x * x, x"),
    "two are needed: value, slope": ("activation", "(x):\n return x"),
    "write where.x > 0, a, b.": ("activation", "(x):\n return (x, 1.0) if x > 0 else (0.0, 0.0)"),
    "sim.catalog.mathematics": ("activation", "(x):\n return math.exp(x), math.exp(x)"),
    "at x = -5.* is not finite": ("activation", "(x):\n return np.log(x), 1 / x"),
    "weights of shape .4, 3. are needed": ("initializer", "(draw):\n return draw.normal.T"),
    "draws other weights": ("initializer", "(draw):\n return np.random.rand(*draw.shape)"),
    "read-only .line 5": ("initializer", "(draw):\n draw.normal[0] = 1"),
    "a Table.features, targets, classes. is needed": ("dataset", "(draws):\n return 3"),
    "has labels 1 … 4": ("dataset", "(draws):\n return Table([[1.0]] * 4, [1, 2, 3, 4], 3)"),
    "with targets .3, 1.": ("dataset", "(draws):\n return Table([[1.0]] * 4, [1, 2, 3])"),
    "draws other rows": ("dataset", "(draws):\n return Table(np.random.rand(9, 1), np.ones(9))"),
}
HEADER = "import math\nimport numpy as np\nfrom sim import Table\n"


@pytest.mark.parametrize(("kind", "text", "said"), [(*found, said) for said, found in OTHERS.items()])
def test_a_bad_part_of_another_kind_is_told_too(written: Any, kind: str, text: str, said: str) -> None:
    written(f"{HEADER}def mine{text}\n")
    with pytest.raises(StudyError, match=said) as caught:
        Study.load(grid(**{"optimizer": "sgd", kind: mine()}))
    assert f"grid[0] 'g'.{kind}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_slope_may_be_another_on_purpose(written: Any) -> None:
    step = "def mine(x):\n    return 1.0 * (x > 0), 1 / (1 + x * x)\n"
    written(f"from sim import activation\n@activation(surrogate=True)\n{step}")
    chosen = Study.load(grid(optimizer="sgd", activation=mine())).grids[0].factors["activation"][0]
    assert chosen.part.largest_slope() == 1.0


def test_parameters_are_checked_like_those_of_the_catalog(written: Any) -> None:
    written(ALL)
    for parameters, said in (
        ({"bta": 0.1}, "'bta' is not a parameter of mine; did you mean 'beta'"),
        ({"beta": 1.5}, "beta: 1.5 must be a finite number of at least 0 and at most 1"),
        ({"lr": 0}, "lr: 0 must be"),
        ({"path": "own.txt"}, "'own.txt' is not the path of a Python file"),
        ({"path": "none.py"}, "'none.py' cannot be read"),
    ):
        with pytest.raises(StudyError, match=said):
            Study.load(grid(optimizer={**mine(), **parameters}))


def test_two_files_of_one_name_cannot_share_a_label(written: Any, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    written(ALL)
    written(ALL + "#", "other/own.py")
    with pytest.raises(StudyError, match="rename a file"):
        Study.load(grid(optimizer=[mine(), {**mine(), "path": "other/own.py"}]))


def test_no_name_of_the_catalog_is_taken(written: Any) -> None:
    from sim.catalog.optimizers import optimizer

    written(ADAM.replace("mine", "adam"))
    before = optimizer["adam"]
    study = Study.load(grid(optimizer=["adam", mine("adam")]))
    assert optimizer["adam"] is before
    labels = [choice.label for choice in study.grids[0].factors["optimizer"]]
    assert labels == ["adam", "adam(path=own.py)"]
    assert len({run.kernel_key() for run in plan_networks(study, ()).runs}) == 2


DOES_NOT_COMPILE = """
def mine(theta, g, lr=0.1):
    if theta > 100:
        return theta + 'a'
    return theta - lr * g
"""


def test_what_does_not_compile_is_told_before_anything_is_written(
    written: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    written(DOES_NOT_COMPILE)
    (tmp_path / "study.toml").write_text(Study.load(grid()).to_toml())
    before = sorted(tmp_path.iterdir())
    assert main(["study.toml", "--quiet"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.search(r"grid 'g'.optimizer: 'mine.path=own.py.' does not compile: .*add.*\(line 4\)", said)
    assert sorted(tmp_path.iterdir()) == before


# --- decorated in Python -------------------------------------------------------------------------


@pytest.fixture
def registered() -> Any:
    """A rule registered in this module, and taken out of the family again."""

    def register(factor: float) -> Any:
        @sim.optimizer()
        def own_rule(theta, g, lr=0.1):  # type: ignore[no-untyped-def]
            return theta - lr * g * factor

        return own_rule

    yield register
    sim.optimizer._parts.pop("own_rule", None)


def test_a_decorated_function_is_known_by_name(registered: Any) -> None:
    registered(1.0)
    plain, ours = trained("sgd"), trained("own_rule")
    assert np.allclose(plain.weights[0], trained({"name": "own_rule", "lr": 1e-3}).weights[0], rtol=1e-12)
    assert not np.allclose(plain.weights[0], ours.weights[0])
    study = Study.load(grid(optimizer="own_rule"))
    assert Study.load(tomllib.loads(study.to_toml())).digest() == study.digest()
    registered(1.0)
    assert Study.load(grid(optimizer="own_rule")).digest() == study.digest()
    registered(2.0)  # as in a cell of a notebook that is changed
    assert Study.load(grid(optimizer="own_rule")).digest() != study.digest()
    assert not np.allclose(trained("own_rule").weights[0], ours.weights[0])
    with pytest.raises(PartError, match="was defined again since the study was loaded"):
        study.grids[0].factors["optimizer"][0].label  # noqa: B018


def test_a_name_of_the_catalog_cannot_be_registered() -> None:
    with pytest.raises(ValueError, match="'sgd' is registered twice"):

        @sim.optimizer("sgd")
        def another(theta, g, lr=0.1):  # type: ignore[no-untyped-def]
            return theta - lr * g


# --- one function, taken apart ---------------------------------------------------------------------


def test_what_a_step_has_in_common_is_computed_once_and_in_double_precision(written: Any) -> None:
    path = written(
        "from sim import optimizer\n@optimizer(state='m')\n"
        "def mine(theta, g, m, step, lr=0.1, beta=0.9, twice=True):\n"
        "    if twice:\n        rate = 2 * lr\n    else:\n        rate = lr\n"
        "    first = step == 1\n"
        "    scale = 3\n    scale = scale * lr\n"
        "    m = g if first else beta * m + (1 - beta) * g\n"
        "    return theta - rate * m / (1 - beta**step) + 0 * scale, m\n"
    )
    part = own_part("optimizer", path, "mine")
    rule = part.rule({})
    numbers = part.function(2.0, *part.parameters.values())
    assert 0.2 in numbers
    assert any(abs(number - 1 / 0.19) < 1e-14 for number in numbers)
    theta, m = rule.update(1.0, 0.5, 0.25, *numbers)
    expected = 0.9 * 0.25 + (1 - 0.9) * 0.5
    assert m == expected
    assert theta == pytest.approx(1.0 - 0.2 * expected / (1 - 0.9**2), rel=1e-15)
    assert execute_own.reason(ValueError('File "x", line 3'), "") == "ValueError"
