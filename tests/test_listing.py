"""The catalog in words: every part is there, with its equation, hyperparameters and state."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from sim.errors import StudyError
from sim.listing import FAMILIES, listing
from sim.study.choices import family

ENTRIES = [(word, name) for word, kind in FAMILIES.items() for name in family(kind)]


def joined(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("word", FAMILIES)
def test_every_part_is_listed_and_described(word: str) -> None:
    parts = family(FAMILIES[word])
    entries = listing(word).split("\n\n")
    assert [entry.splitlines()[0] for entry in entries] == list(parts)
    for entry, part in zip(entries, parts.values(), strict=True):
        assert joined(part.summary.replace("``", "")) in joined(entry)
        for name in part.parameters:
            assert name in entry


@pytest.mark.parametrize(("word", "name"), ENTRIES, ids=lambda value: value)
def test_every_entry_has_all_it_should(word: str, name: str) -> None:
    """Equation, hyperparameters with default and range, an optimizer's state, source; 80 letters a line."""
    part = family(FAMILIES[word])[name]
    full, short = (
        listing(word, name),
        next(e for e in listing(word).split("\n\n") if e.startswith(f"{name}\n")),
    )
    assert joined(part.summary.replace("``", "")) in joined(full)
    for text in (full, short):
        assert re.search(r"^ *source: \S", text, re.MULTILINE)
        assert max(map(len, text.splitlines())) <= 80
        if word == "optimizers":
            assert re.search(r"state per parameter: \d", text)
    if word in ("optimizers", "activations", "initializers", "biases", "losses", "schedules", "surfaces"):
        assert re.search("[=←~·√⌊()Φ₀1x]", short.split("\n", 1)[1])
    for parameter in part.parameters:
        said = next(line for line in full.splitlines() if line.startswith(f"  {parameter} "))
        assert re.search(r"(default \S+|required); (a |one of |text|true or false)", said)


def test_an_optimizer_in_full() -> None:
    short = next(entry for entry in listing("optimizers").split("\n\n") if entry.startswith("adamw\n"))
    assert "lr = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-08, weight_decay = 0.01" in joined(short)
    assert "state per parameter: 2 (first_moment, second_moment)" in short
    assert "source: Loshchilov & Hutter 2019" in short
    full = listing("optimizers", "adamw")
    assert "beta1              default 0.9; a finite number of at least 0 and below 1" in full
    assert "optax's has λ = 1e-4" in joined(full)
    assert "one of uncorrected, corrected" in listing("optimizers", "amsgrad")


@pytest.mark.parametrize(
    ("words", "message"),
    [(("optimizer",), "did you mean 'optimizers'"), (("optimizers", "adamww"), "did you mean 'adamw'")],
)
def test_unknown_words(words: tuple[str, ...], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        listing(*words)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    from sim.run import main

    assert main(["list"]) == 0
    assert "optimizers" in capsys.readouterr().out
    assert main(["list", "activations", "tanh"]) == 0
    assert capsys.readouterr().out.startswith("activation tanh\n")
    assert main(["list", "optimisers"]) == 2
    assert "did you mean 'optimizers'" in capsys.readouterr().err


def test_the_list_is_there_at_once() -> None:
    """Nothing that takes long is imported for it."""
    heavy = ("numba", "pandas", "pyarrow", "scipy", "sklearn", "seaborn")
    code = f"import sys; from sim.run import main; main(['list', 'optimizers', 'adamw']); heavy = {heavy}"
    code += "; print([name for name in heavy if name in sys.modules])"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert asked.stdout.splitlines()[-1] == "[]"
