"""The README's way to one's own optimizer, walked: its files are written, its studies run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import sim
from sim.run import main
from sim.study import Study

README = (Path(__file__).parents[1] / "README.md").read_text()
FILES = dict(re.findall(r"^```(?:python|toml) (\S+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))
SMALL = ("steps=8", "samples=60", "width=4", "depth=1", "checkpoints=2", "replicates=1", "measure=['test']")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the README."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_rule_has_ten_lines_at_most() -> None:
    assert set(FILES) == {"my_rule.py", "my_study.toml", "my_parts.py", "my_parts.toml"}
    assert len(FILES["my_rule.py"].strip().splitlines()) <= 10


def test_my_rule_runs_on_networks_and_surfaces(folder: Path) -> None:
    records = sim.run_study(sim.load_study("my_study.toml", *SMALL, "descent.surfaces.map=3"))
    labels = {"my_rule(path=my_rule.py)", "my_rule(path=my_rule.py, beta=0.5)", "adam"}
    assert set(records.runs["optimizer"]) == labels
    assert set(records.walks["optimizer"]) == {"my_rule(path=my_rule.py)", "adam"}


def test_my_parts_are_a_study(folder: Path) -> None:
    study = Study.load("my_parts.toml")
    assert [choice.label for choice in study.grids[0].factors["activation"]] == [
        "tanh",
        "bump(path=my_parts.py)",
        "bump(path=my_parts.py, width=2)",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["my_study", "my_parts"])
def test_the_command_of_the_readme_reports(folder: Path, name: str) -> None:
    assert f"-m sim.run {name}.toml" in README or name == "my_parts"
    assert main([f"{name}.toml", "--quiet"]) == 0
    page = (folder / "results" / name / "report.html").read_text()
    assert "path=my_" in page


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('("velocity",)', '("velocty",)', "state 'velocty' is no argument of it; did you mean 'velocity'"),
        (", velocity\n", "\n", "returns one value .float64.; 2 are needed: θ, velocity"),
        ("def my_rule", "def my_role", "did you mean 'my_role'"),
    ],
)
def test_mistakes_are_told_as_promised(folder: Path, before: str, after: str, said: str, capsys) -> None:  # type: ignore[no-untyped-def]
    text = FILES["my_rule.py"]
    place = text.rindex(before)
    (folder / "my_rule.py").write_text(text[:place] + after + text[place + len(before) :])
    assert main(["my_study.toml"]) == 2
    error = capsys.readouterr().err
    assert re.search(said, error)
    assert error.count("\n") == 1
    assert not (folder / "results").exists()
