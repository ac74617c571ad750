"""The project as a newcomer finds it: what stands at the top, what the README promises, what CI runs."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOP = {"pyproject.toml", "README.md", "CHANGELOG.md", "studies", "results", "tests", "sim"}


def sources() -> list[Path]:
    """Every text file that is part of the project."""
    folders = [ROOT / name for name in ("sim", "tests", "studies", ".ci", ".github")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    texts = {".py", ".toml", ".md", ".yml", ".html", ".css", ".json", ".csv", ""}
    files += [ROOT / name for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "results/README.md")]
    return [path for path in files if path.suffix in texts]


def command(marker: str) -> str:
    """The one command in the fenced block after ``<!-- marker -->``."""
    found = re.findall(rf"^<!-- {marker} -->\n```sh\n(.*?)\n```$", README, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"README.md must have one block after <!-- {marker} -->"
    return found[0]


def test_the_top_level_holds_what_it_should_and_no_more():
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} == TOP


@pytest.mark.parametrize("marker", ["main", "test"])
def test_readme_commands_are_one_line_from_nothing(marker):
    line = command(marker)
    assert "\n" not in line
    create, install, work = (shlex.split(part) for part in line.split("&&"))
    assert create == ["python3", "-m", "venv", ".venv"]
    assert install[:3] == [".venv/bin/pip", "install", "-e"]
    assert work[:2] == [".venv/bin/python", "-m"]
    extras = re.findall(r"\[(\w+)\]", install[3])
    assert set(extras) <= set(PROJECT["project"]["optional-dependencies"])
    for path in (word for word in work if "/" in word and not word.startswith(".venv")):
        assert (ROOT / path).exists(), path


def test_options_in_the_readme_exist():
    asked = subprocess.run(
        [sys.executable, "-m", "sim.run", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    known = set(re.findall(r"--[a-z-]+", asked.stdout))
    lines = [line for line in README.splitlines() if "-m sim.run" in line]
    assert len(lines) > 3
    assert set(re.findall(r"--[a-z-]+", "\n".join(lines))) <= known


def test_the_study_in_the_readme_is_a_study():
    from sim.plan import plan
    from sim.study import Study

    written = re.findall(r"^```toml\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert len(written) == 2  # a study, and a claim that may stand below it
    planned = plan(Study.load(tomllib.loads("\n".join(written))))
    assert planned.networks == 4 * 3 * 2 * 2 * 10


def test_the_python_of_the_readme_works(tmp_path):
    study = re.search(r"```toml\n(.*?)```", README, re.DOTALL)[1]
    (tmp_path / "my.toml").write_text(study.replace("steps = 300", "steps = 12"))
    code = "\n".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    assert "sim.run_study(" in code
    assert "sim.train_arrays(" in code
    code = code.replace('"replicates=3"', '"replicates=1", "depth=2", "width=4", "activation=\'tanh\'"')
    paths = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=paths).returncode == 0


def test_links_in_the_readme_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target


@pytest.mark.parametrize("marker", ["test"])
def test_ci_runs_the_command_of_the_readme(tmp_path, marker):
    """.ci/run in a copy of the project whose README and tools only say what they are called with."""
    project = tmp_path / "project"
    (project / ".ci").mkdir(parents=True)
    (project / ".ci/run").write_text((ROOT / ".ci/run").read_text())
    spoken = "\n".join(f'printf "#!/bin/sh\\necho ran {tool} \\$*" > .venv/bin/{tool}' for tool in TOOLS)
    replaced = README.replace(
        command(marker), f"mkdir -p .venv/bin\n{spoken}\nchmod +x .venv/bin/*\necho tested"
    )
    (project / "README.md").write_text(replaced)
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["bash", str(project / ".ci/run")], capture_output=True, text=True, cwd=tmp_path, env=plain
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stdout.splitlines() if line == "tested" or line.startswith("ran ")]
    assert said == ["tested", "ran ruff check .", "ran ruff format --check .", "ran mypy", "ran lint-imports"]
    assert sorted(path.name for path in project.iterdir()) == [".ci", ".git", "README.md"]


TOOLS = ("ruff", "mypy", "lint-imports")


def test_a_failing_command_fails_ci(tmp_path):
    project = tmp_path / "project"
    (project / ".ci").mkdir(parents=True)
    (project / ".ci/run").write_text((ROOT / ".ci/run").read_text())
    (project / "README.md").write_text(README.replace(command("test"), "false && true"))
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    done = subprocess.run(["bash", str(project / ".ci/run")], capture_output=True, text=True)
    assert done.returncode != 0
    assert "all passed" not in done.stdout


def test_versions_agree():
    version = PROJECT["project"]["version"]
    released = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == "Unreleased"
    assert all(entry == version for entry in released[1:2])
    try:
        assert importlib.metadata.version("manynets") == version
    except importlib.metadata.PackageNotFoundError:
        assert not (ROOT / ".venv").exists()  # a set-up project is an installed one


def test_the_oldest_python_is_the_same_everywhere():
    oldest = PROJECT["project"]["requires-python"].removeprefix(">=")
    digits = oldest.replace(".", "")
    assert PROJECT["tool"]["ruff"]["target-version"] == f"py{digits}"
    assert PROJECT["tool"]["mypy"]["python_version"] == oldest
    assert f"Python {oldest} or newer" in README
    assert oldest in (ROOT / ".github/workflows/ci.yml").read_text()


def test_nothing_names_a_machine_or_a_registry():
    address = re.compile(
        '(?<![\\w.])/(?:home|root|Users|opt|work)/\\w|https?://[^ )"]*(?:simple/|/packages/)'
    )
    files = sources()
    assert len(files) > 40
    for path in files:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            assert not address.search(line) or path == Path(__file__), (
                f"{path.relative_to(ROOT)}:{number}: {line}"
            )


def test_every_module_says_what_it_is_for():
    for path in [*(ROOT / "sim").rglob("*.py"), *(ROOT / "tests").glob("*.py")]:
        text = path.read_text()
        assert text.startswith('"""') or not text, path.relative_to(ROOT)


def test_what_runs_write_is_ignored():
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert "/results/*" in ignored
    assert "!/results/README.md" in ignored
