"""The catalog in words: every part is there, with its equation, hyperparameters and state."""

from __future__ import annotations

import pytest

from sim.errors import StudyError
from sim.listing import FAMILIES, listing
from sim.study.choices import family


@pytest.mark.parametrize("word", FAMILIES)
def test_every_part_is_listed_and_described(word: str) -> None:
    parts = family(FAMILIES[word])
    entries = listing(word).split("\n\n")
    assert [entry.splitlines()[0] for entry in entries] == list(parts)
    for entry, part in zip(entries, parts.values(), strict=True):
        assert part.summary.replace("``", "") in entry
        full = listing(word, part.name)
        assert part.summary in full
        for name in part.parameters:
            assert f"{name} " in full
            assert name in entry


def test_an_optimizer_in_full() -> None:
    short = next(entry for entry in listing("optimizers").split("\n\n") if entry.startswith("adamw\n"))
    assert "lr = 0.001, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-08, weight_decay = 0.01" in short
    assert "state per parameter: 2 (first_moment, second_moment)" in short
    assert "source: Loshchilov & Hutter 2019" in short
    full = listing("optimizers", "adamw")
    assert "beta1              default 0.9; a finite number of at least 0 and below 1" in full
    assert "optax's has λ = 1e-4" in full
    assert "one of uncorrected, corrected" in listing("optimizers", "amsgrad")


def test_every_optimizer_names_its_source() -> None:
    for entry in listing("optimizers").split("\n\n"):
        assert "source: " in entry, entry.splitlines()[0]


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
