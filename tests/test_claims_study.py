"""Claims in a study file: what is read, which runs it selects, and the one line for each mistake."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from sim.errors import StudyError
from sim.run import main
from sim.study import Study
from sim.study.claim_cells import members_of

CLAIM: dict[str, Any] = {
    "name": "deeper",
    "sentence": "Deeper networks vanish more.",
    "on": "depths",
    "a": {"depth": 5},
    "b": {"depth": 2},
    "quantity": "log10_gradient_ratio",
    "direction": "lower",
    "matters": 0.5,
}
STUDY: dict[str, Any] = {
    "seed": 1,
    "defaults": {"dataset": "iris", "width": 4, "steps": 20, "replicates": 6},
    "grid": [
        {
            "name": "depths",
            "depth": [2, 5],
            "activation": ["tanh", "relu"],
            "optimizer": [
                {"name": "sgd", "lr": [0.01, 0.1, 1.0]},
                {"name": "adam", "lr": [0.001, 0.01], "bias_correction": [False, True]},
            ],
            "target": [{"name": "learned", "metric": "test_accuracy", "value": 0.8}],
        },
        {"name": "fewer", "depth": 5, "activation": ["tanh", "relu"], "replicates": 4, "measure": ["train"]},
        {"name": "shallow", "depth": 1, "dataset": ["iris", "diabetes"]},
    ],
    "descent": [
        {"name": "wells", "steps": 50, "start": [[0.5, 0.5], [-0.5, 0.5]], "optimizer": ["sgd", "adam"]}
    ],
    "claim": [CLAIM],
}


def study(**changes: Any) -> Study:
    """The study whose claim has these keys; None takes a key out."""
    table = copy.deepcopy(STUDY)
    claim = {**table["claim"][0], **changes}
    table["claim"] = [{name: value for name, value in claim.items() if value is not None}]
    return Study.load(table)


def test_a_claim_is_read_and_written_again():
    loaded = study(where={"activation": ["tanh"]}, by=["optimizer.lr"], checkpoint=-1)
    (claim,) = loaded.claims
    assert claim.sentence == "Deeper networks vanish more."
    assert claim.by == ("optimizer.lr",)
    assert Study.load(tomllib.loads(loaded.to_toml())) == loaded


def test_claims_judge_and_do_not_change_results():
    assert study(matters=3.0).digest() == study().digest()


def test_pairs_agree_in_all_that_the_sides_have_in_common():
    loaded = study()
    members = members_of(loaded, loaded.claims[0])
    assert len(members) == 2 * 2 * (3 + 4)
    pairs = {side: {member.pair for member in members if member.side == side} for side in "ab"}
    assert pairs["a"] == pairs["b"]
    assert len(pairs["a"]) == 14
    assert not any(name.startswith("depth") for pair in pairs["a"] for name, _ in pair)


def test_sides_of_one_optimizer_are_paired_over_its_other_parameters():
    sides = {s: {"optimizer": {"name": "adam", "bias_correction": s == "a"}} for s in "ab"}
    loaded = study(**sides, by=["optimizer.lr"])
    members = members_of(loaded, loaded.claims[0])
    names = {name for name, _ in members[0].pair}
    assert {"optimizer", "optimizer.lr", "optimizer.beta1", "depth"} <= names
    assert "optimizer.bias_correction" not in names


def test_sides_of_two_optimizers_share_no_learning_rate():
    loaded = study(a={"optimizer": "adam"}, b={"optimizer": "sgd"}, tuned="success")
    members = members_of(loaded, loaded.claims[0])
    assert not any(name.startswith("optimizer") for name, _ in members[0].pair)
    assert {member.rate for member in members if member.side == "b"} == {0.01, 0.1, 1.0}


def test_a_reference_is_not_among_what_is_told_against_it():
    relative = {"relative_to": {"depth": 2}, "a": {"activation": "relu"}, "b": {"activation": "tanh"}}
    loaded = study(**relative)
    members = members_of(loaded, loaded.claims[0])
    assert {dict(member.pair)["depth"] for member in members if member.reference} == {2}
    assert {dict(member.pair)["depth"] for member in members if not member.reference} == {5}
    assert not any(name == "depth" for member in members for name, _ in member.base)


WRONG = [
    ({"sentense": "x"}, "claim[0] 'deeper': 'sentense' is not a key here; did you mean 'sentence'?"),
    ({"sentence": None}, "'sentence' is missing"),
    ({"sentence": " "}, ".sentence: ' ' is empty"),
    ({"b": None}, "'b' and 'than': write exactly one of the two"),
    ({"than": 1.0}, "'b' and 'than': write exactly one of the two"),
    ({"on": "depth"}, ".on: 'depth' is neither a grid nor a descent of this study; did you mean 'depths'?"),
    ({"a": {"dept": 5}}, ".a: 'dept' is not a factor of grid 'depths'; did you mean 'depth'?"),
    ({"a": {"depth": 7}}, ".a.depth: '7' is no depth of grid 'depths' (choices: 2, 5)"),
    ({"a": {"activation": "rely"}}, ".a.activation: 'rely' names no activation; did you mean 'relu'?"),
    ({"a": {"optimizer": {"name": "sgd", "lr": 0.5}}}, "'sgd, lr=0.5' is no optimizer of grid 'depths'"),
    ({"a": {}}, ".a: {} names no factor"),
    ({"a": 3}, ".a: 3 is not a selection of runs"),
    ({"b": {"depth": 5}}, ".b: {'depth': 5} selects the same runs as a"),
    ({"b": {"depth": [2, 5]}}, ".b: {'depth': [2, 5]} shares 14 of its cells with a"),
    ({"where": {"depth": 2}}, ".where: 'depth' is chosen by a already"),
    ({"quantity": "final_test_acuracy"}, ".quantity: 'final_test_acuracy' is not a quantity of grid 'depths'"
     "; did you mean 'final_test_accuracy'?"),
    ({"quantity": "steps_to_lerned"}, "did you mean 'steps_to_learned'?"),
    ({"quantity": "path_length"}, "'path_length' is not a quantity of grid"),
    ({"direction": "up"}, ".direction: 'up' is not one of the choices (choices: higher, lower, neither)"),
    ({"matters": 0}, ".matters: 0 is not a finite number above 0"),
    ({"matters": None}, "'matters' is missing"),
    ({"by": ["depth"]}, ".by[0]: 'depth' is not what the two sides have in common"),
    ({"by": ["activatoin"]}, "did you mean 'activation'?"),
    ({"by": ["width"]}, ".by[0]: 'width' has one level here, 4"),
    ({"b": {"on": "fewer", "optimizer": "sgd"}, "quantity": "final_train_loss"},
     ".paired: True cannot be kept: a has 6 replicates, b has 4"),
    ({"b": {"on": "wells", "optimizer": "sgd"}}, ".b.on: 'wells' is a descent, a is of a grid"),
    ({"on": "fewer", "a": {"activation": "relu"}, "b": {"activation": "tanh"}},
     ".quantity: 'log10_gradient_ratio' needs 'gradients', which grid 'fewer' does not measure"),
    ({"on": "fewer", "a": {"activation": "relu"}, "b": {"activation": "tanh"}, "quantity": "success"},
     "needs a target, and grid 'fewer' has none"),
    ({"on": "shallow", "a": {"dataset": "iris"}, "b": {"dataset": "diabetes"}}, "needs 2 hidden layers"),
    ({"on": "shallow", "a": {"dataset": "iris"}, "b": {"dataset": "diabetes"}, "quantity":
      "final_test_accuracy"}, "is measured for classes only, and diabetes is a regression"),
    ({"checkpoint": 11}, ".checkpoint: 11 is more than grid 'depths' has: 0 … 10"),
    ({"checkpoint": 1, "quantity": "success"}, ".checkpoint: 1 is of no use to success"),
    ({"tuned": True}, ".tuned: True does not say which rate is best"),
    ({"tuned": "succes"}, "did you mean 'success'?"),
    ({"misset": 10.0}, ".misset: 10.0 needs tuned"),
    ({"tuned": "success", "misset": 7.0}, "no learning rate of a with neighbours 7 times lower and higher"),
    ({"compare": "wins", "direction": "neither"}, ".compare: 'wins' needs pairs"),
    ({"relative_to": {"activation": "elu"}}, ".relative_to.activation: 'elu' is no activation"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), WRONG, ids=[said[:40] for _, said in WRONG])
def test_a_mistake_is_one_line_that_names_the_place(changes, said):
    with pytest.raises(StudyError) as caught:
        study(**changes)
    line = str(caught.value)
    assert said in line
    assert line.startswith("study: claim[0] 'deeper'")
    assert "\n" not in line


def test_settings_without_a_partner_are_named():
    table = copy.deepcopy(STUDY)
    table["grid"][0]["exclude"] = [{"depth": 5, "activation": "relu"}]
    with pytest.raises(StudyError, match=r"paired: True cannot be kept: 7 of the 14 settings of b.*relu"):
        Study.load(table)
    table["claim"][0]["paired"] = False
    Study.load(table)


COMPARED = {
    "defaults": {"dataset": "iris", "width": 4, "steps": 20},
    "comparison": {
        "trials": 3, "tuning_seeds": 1, "target_seeds": 2, "report_seeds": 6, "founding": ["plain"],
        "optimizer": [
            {"name": "plain", "optimizer": {"name": "sgd"}, "default": {"lr": 0.01},
             "search": {"lr": {"start": 0.1, "stop": 10.0, "scale": "log"}}},
            {"name": "slow", "optimizer": {"name": "sgd"}, "default": {"lr": 0.001},
             "search": {"lr": {"start": 0.0001, "stop": 0.001, "scale": "log"}}},
        ],
    },
    "problem": [{"name": "flowers"}, {"name": "deeper_flowers", "depth": 3}],
}  # fmt: skip
ABOUT_THEM = {
    "name": "slower", "sentence": "The slow one is slower.", "on": "comparison", "a": {"optimizer": "slow"},
    "b": {"optimizer": "plain"}, "where": {"setting": "tuned"}, "quantity": "steps_to_target",
    "direction": "higher", "matters": 1, "by": ["problem"],
}  # fmt: skip


def test_claims_about_a_comparison_select_optimizers_problems_and_settings():
    loaded = Study.load({**COMPARED, "claim": [ABOUT_THEM]})
    members = members_of(loaded, loaded.claims[0])
    assert [dict(member.pair) for member in members if member.side == "a"] == [
        {"problem": name, "setting": "tuned"} for name in ("flowers", "deeper_flowers")
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"a": {"optimizer": "plane"}},
            ".a.optimizer: 'plane' is no optimizer of comparison 'comparison'; did you",
        ),
        (
            {"on": "flowers"},
            ".on: 'flowers' is neither a grid nor a descent of this study (choices: comparison)",
        ),
        (
            {"a": {"lr": 0.1}},
            ".a: 'lr' is not a factor of comparison 'comparison' (choices: problem, optimizer, s",
        ),
        ({"tuned": True}, ".tuned: True is what a comparison does by itself"),
        ({"quantity": "steps_to_learned"}, "did you mean 'steps_to_target'?"),
        ({"quantity": "test_loss_risen", "checkpoint": 3}, ".checkpoint: 3 is of no use to test_loss_risen"),
    ],
)
def test_mistakes_about_a_comparison(changes, said):
    with pytest.raises(StudyError) as caught:
        Study.load({**COMPARED, "claim": [{**ABOUT_THEM, **changes}]})
    assert said in str(caught.value)


def test_names_differ_and_claims_are_a_list():
    with pytest.raises(StudyError, match=r"claim\[1\] 'deeper'\.name: 'deeper' is the name of claim\[0\]"):
        Study.load({**STUDY, "claim": [CLAIM, CLAIM]})
    with pytest.raises(StudyError, match=r"study: claim: .* is not a list of claims: write \[\[claim\]\]"):
        Study.load({**STUDY, "claim": CLAIM})
    with pytest.raises(StudyError, match=r"study: claim\[0\]: 3 is not a table of keys"):
        Study.load({**STUDY, "claim": [3]})


def test_the_command_exits_with_2_and_writes_nothing(tmp_path, capsys):
    file = tmp_path / "wrong.toml"
    file.write_text(study().to_toml().replace('direction = "lower"', 'direction = "down"'))
    assert main([str(file), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {file}: claim[0] 'deeper'.direction: 'down'")
    assert not (tmp_path / "out").exists()


def test_the_shipped_claims_are_whole():
    loaded = Study.load(Path(__file__).parents[1] / "studies/claims.toml")
    assert len(loaded.claims) >= 25
    assert Study.load(tomllib.loads(loaded.to_toml())) == loaded
    for claim in loaded.claims:
        assert {member.side for member in members_of(loaded, claim)} == set(claim.sides)
