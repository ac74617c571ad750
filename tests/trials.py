"""What optimizers are tried on, and in which settings: shared by the tests and the script that asks oracles.

A trial pairs one setting of ours with the oracle's name for it, ``torch:Adam`` or ``optax:adam``; rules that
neither has follow the authors' ``schedulefree`` and ``pytorch_optimizer``, a released collection.

What oracles do that is not imitated, because it looks like an oversight or cannot be compared:

* optax's ``rprop`` applies the step it computed one call before (optax issue 1725); PyTorch's is followed.
* PyTorch's ``LBFGS`` keeps a pair for a step it did not make when it stops for want of a downward direction
  and is called again, and its ``max_eval`` bounds the searches of a call together, not each.  Called where
  the gradient is small enough it goes home; called later where it is not, it pairs the last step it made
  with the gradient there, ours with the gradient where the step ended.
* optax's ``schedule_free_*`` begin a warm-up with a step of 0; the authors' package does not.
* PyTorch's ``Muon`` rounds to bfloat16 inside, optax's gives the other parameters Nesterov's Adam without a
  choice: Muon is compared with optax layer by layer, and with PyTorch's formula in plain NumPy.
* ``pytorch_optimizer``'s ``SOAP`` rounds its basis to float32 and takes what LAPACK makes of a null space;
  SOAP is compared with the paper's algorithm in plain NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

STEPS = 200
Array = np.ndarray


@dataclass(frozen=True)
class Trial:
    """One optimizer in one setting, ours and the oracle's; ``lr`` overrides by problem."""

    name: str
    ours: dict[str, Any]
    oracle: str
    settings: dict[str, Any] = field(default_factory=dict)
    weight_decay: float = 0.0
    decoupled: bool = False
    clipping: Any = "none"
    lr: dict[str, float] = field(default_factory=dict)
    widths: tuple[int, ...] = (5, 7, 3)
    alike: dict[str, int] = field(default_factory=dict)
    """How many steps of a problem can be compared, if not all."""

    @property
    def searches(self) -> bool:
        """Whether it compares losses, needs the full batch and decides itself how often to ask."""
        return bool(self.ours["name"] == "lbfgs")

    @property
    def apart(self) -> bool:
        """Whether parameters are evaluated elsewhere than where gradients are taken."""
        return bool(self.ours["name"].startswith("schedule_free"))

    @property
    def flat(self) -> bool:
        """Whether it is tried on the quadratic and Rosenbrock's function too, and not on a network alone."""
        return self.widths == (5, 7, 3)

    @property
    def library(self) -> str:
        """``torch``, ``optax``, ``schedulefree`` or ``pytorch_optimizer``."""
        return self.oracle.partition(":")[0]

    def rate(self, problem: str) -> dict[str, float]:
        """The learning rate on a problem, if it is not the default."""
        return {"lr": self.lr[problem]} if problem in self.lr else {}

    def choice(self, problem: str) -> dict[str, Any]:
        """Our optimizer as a study writes it."""
        return {**self.ours, **self.rate(problem)}


SLOW = {"quadratic": 0.02, "rosenbrock": 2e-4, "network": 0.1}
"""Rates at which gradient descent and its like get somewhere."""
FAST = {"quadratic": 0.004, "rosenbrock": 0.001, "network": 0.02}
"""The same for rules whose steps are about lr long."""
SIGNS = {**FAST, "network": 0.002}
"""For rules that follow signs: near a minimum every step is one of two, and rounding tips the balance."""

DECAYED = {"weight_decay": 0.05, "clipping": {"name": "norm", "limit": 0.5}}
CUT = {"weight_decay": 0.02, "clipping": {"name": "value", "limit": 0.1}}

ADAM = {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-4}
ADAM_TORCH = {"betas": (0.8, 0.95), "eps": 1e-4}
ADAM_OPTAX = {"b1": 0.8, "b2": 0.95, "eps": 1e-4}


def _trials() -> list[Trial]:
    found = [
        Trial("sgd", {"name": "sgd"}, "torch:SGD"),
        Trial("sgd_decayed", {"name": "sgd"}, "torch:SGD", lr=SLOW, **DECAYED),
        Trial(
            "heavy_ball", {"name": "momentum", "form": "heavy_ball"}, "torch:SGD", {"momentum": 0.9}, lr=SLOW
        ),
        Trial(
            "heavy_ball_dampened",
            {"name": "momentum", "form": "heavy_ball", "beta": 0.8, "dampening": 0.3},
            "torch:SGD",
            {"momentum": 0.8, "dampening": 0.3},
            lr=SLOW,
            **CUT,
        ),
        Trial("ema", {"name": "momentum"}, "torch:SGD", {"momentum": 0.9, "share": 0.1}, lr=SLOW),
        Trial("trace", {"name": "momentum", "form": "heavy_ball"}, "optax:sgd", {"momentum": 0.9}, lr=SLOW),
        Trial("nesterov", {"name": "nesterov"}, "torch:SGD", {"momentum": 0.9, "nesterov": True}, lr=SLOW),
        Trial(
            "nesterov_decayed",
            {"name": "nesterov", "beta": 0.7},
            "torch:SGD",
            {"momentum": 0.7, "nesterov": True},
            lr=SLOW,
            **DECAYED,
        ),
    ]
    for name, ours, settings in (
        ("rmsprop", {}, {}),
        ("rmsprop_rho", {"rho": 0.9, "epsilon": 1e-3}, {"alpha": 0.9, "eps": 1e-3}),
        (
            "rmsprop_momentum",
            {"momentum": 0.6, "rho": 0.9, "epsilon": 1e-2},
            {"momentum": 0.6, "alpha": 0.9, "eps": 1e-2},
        ),
        ("rmsprop_centered", {"centered": True, "epsilon": 1e-3}, {"centered": True, "eps": 1e-3}),
        (
            "rmsprop_centered_momentum",
            {"centered": True, "momentum": 0.5, "rho": 0.9, "epsilon": 0.1},
            {"centered": True, "momentum": 0.5, "alpha": 0.9, "eps": 0.1},
        ),
    ):
        extra = CUT if name == "rmsprop_momentum" else {}
        lr = {**FAST, "rosenbrock": 1e-4} if ours else {}
        found.append(Trial(name, {"name": "rmsprop", **ours}, "torch:RMSprop", settings, lr=lr, **extra))
    inside = {"name": "rmsprop", "rho": 0.9, "epsilon": 1e-4, "epsilon_place": "inside"}
    found += [
        Trial("rmsprop_inside", inside, "optax:rmsprop", {"decay": 0.9, "eps": 1e-4}, lr=FAST),
        Trial(
            "rmsprop_inside_centered",
            {**inside, "epsilon": 0.1, "centered": True},
            "optax:rmsprop",
            {"decay": 0.9, "eps": 0.1, "centered": True},
            lr=FAST,
        ),
        Trial("adam", {"name": "adam"}, "torch:Adam"),
        Trial("adam_fast", {"name": "adam", **ADAM}, "torch:Adam", ADAM_TORCH, lr=FAST, **DECAYED),
        Trial(
            "adam_inside",
            {"name": "adam", "epsilon": 1e-3, "epsilon_place": "inside"},
            "optax:adam",
            {"eps": 0.0, "eps_root": 1e-3},
            lr=FAST,
        ),
        Trial("adamw", {"name": "adamw"}, "torch:AdamW"),
        Trial(
            "adamw_fast",
            {"name": "adamw", **ADAM, "weight_decay": 0.3},
            "torch:AdamW",
            {**ADAM_TORCH, "weight_decay": 0.3},
            lr=FAST,
            clipping={"name": "norm", "limit": 0.5},
        ),
        Trial(
            "adamw_optax",
            {"name": "adamw", "weight_decay": 1e-4},
            "optax:adamw",
            {},
            lr=FAST,
        ),
        Trial("amsgrad", {"name": "amsgrad"}, "torch:Adam", {"amsgrad": True}),
        Trial(
            "amsgrad_fast",
            {"name": "amsgrad", **ADAM},
            "torch:Adam",
            {"amsgrad": True, **ADAM_TORCH},
            lr=FAST,
            **CUT,
        ),
        Trial(
            "amsgrad_corrected",
            {"name": "amsgrad", **ADAM, "maximum": "corrected"},
            "optax:amsgrad",
            ADAM_OPTAX,
            lr=FAST,
        ),
        Trial("nadam", {"name": "nadam"}, "torch:NAdam"),
        Trial(
            "nadam_fast",
            {"name": "nadam", **ADAM, "momentum_decay": 0.05},
            "torch:NAdam",
            {**ADAM_TORCH, "momentum_decay": 0.05},
            lr=FAST,
            **DECAYED,
        ),
        Trial(
            "nadam_decoupled",
            {"name": "nadam"},
            "torch:NAdam",
            {"decoupled_weight_decay": True},
            weight_decay=0.2,
            decoupled=True,
            lr=FAST,
        ),
        Trial(
            "nadam_constant",
            {"name": "nadam", **ADAM, "momentum_schedule": "constant"},
            "optax:nadam",
            ADAM_OPTAX,
            lr=FAST,
        ),
        Trial("radam", {"name": "radam"}, "torch:RAdam"),
        Trial("radam_fast", {"name": "radam", **ADAM}, "torch:RAdam", ADAM_TORCH, lr=FAST, **CUT),
        Trial(
            "radam_decoupled",
            {"name": "radam"},
            "torch:RAdam",
            {"decoupled_weight_decay": True},
            weight_decay=0.2,
            decoupled=True,
            lr=SLOW,
        ),
        Trial(
            "radam_outside",
            {"name": "radam", **ADAM, "epsilon_place": "outside"},
            "optax:radam",
            ADAM_OPTAX,
            lr=FAST,
        ),
        Trial("adamax", {"name": "adamax"}, "torch:Adamax"),
        Trial("adamax_fast", {"name": "adamax", **ADAM}, "torch:Adamax", ADAM_TORCH, lr=FAST, **DECAYED),
        Trial("adagrad", {"name": "adagrad"}, "torch:Adagrad"),
        Trial(
            "adagrad_decay",
            {"name": "adagrad", "lr_decay": 0.01, "initial": 0.3, "epsilon": 1e-3},
            "torch:Adagrad",
            {"lr_decay": 0.01, "initial_accumulator_value": 0.3, "eps": 1e-3},
            lr={"quadratic": 0.3, "rosenbrock": 0.1, "network": 0.2},
            **DECAYED,
        ),
        Trial(
            "adagrad_inside",
            {"name": "adagrad", "initial": 0.1, "epsilon": 1e-7, "epsilon_place": "inside"},
            "optax:adagrad",
            {},
            lr=FAST,
        ),
        Trial("adadelta", {"name": "adadelta"}, "torch:Adadelta"),
        Trial(
            "adadelta_rho",
            {"name": "adadelta", "rho": 0.8, "epsilon": 1e-3},
            "torch:Adadelta",
            {"rho": 0.8, "eps": 1e-3},
            lr={"quadratic": 0.7, "rosenbrock": 0.01, "network": 0.8},
            **CUT,
        ),
        Trial("rprop", {"name": "rprop"}, "torch:Rprop"),
        Trial(
            "rprop_etas",
            {"name": "rprop", "shrink": 0.4, "grow": 1.1, "smallest": 1e-4, "largest": 0.1},
            "torch:Rprop",
            {"etas": (0.4, 1.1), "step_sizes": (1e-4, 0.1)},
            lr=FAST,
        ),
        Trial("lion", {"name": "lion", "weight_decay": 1e-3}, "optax:lion", {}, lr=SIGNS),
        Trial(
            "lion_betas",
            {"name": "lion", "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1},
            "optax:lion",
            {"b1": 0.8, "b2": 0.95, "weight_decay": 0.1},
            lr=SIGNS,
        ),
        Trial("yogi", {"name": "yogi"}, "optax:yogi", {}, lr=FAST),
        Trial(
            "yogi_betas",
            {"name": "yogi", **ADAM, "beta2": 0.9},
            "optax:yogi",
            {**ADAM_OPTAX, "b2": 0.9},
            lr=FAST,
        ),
        Trial("adabelief", {"name": "adabelief"}, "optax:adabelief", {}, lr=FAST),
        Trial(
            "adabelief_betas",
            {"name": "adabelief", **ADAM, "floor": 1e-6},
            "optax:adabelief",
            {**ADAM_OPTAX, "eps_root": 1e-6},
            lr=FAST,
        ),
        Trial(
            "sophia",
            {"name": "sophia", "samples": 8.0},
            "optax:sophia",
            {"samples": 8.0, "weight_decay": 0.0},
            lr=SIGNS,
        ),
        Trial(
            "sophia_decayed",
            {"name": "sophia", "samples": 4.0, "gamma": 0.1, "every": 3, "weight_decay": 0.1},
            "optax:sophia",
            {"samples": 4.0, "gamma": 0.1, "update_interval": 3, "weight_decay": 0.1},
            lr=SIGNS,
        ),
    ]
    return found


FREE = {"quadratic": 0.3, "rosenbrock": 5e-4, "network": 1.0}
"""Rates for schedule-free gradient descent."""


def _averaged_and_searching() -> list[Trial]:
    """Schedule-free rules and L-BFGS.

    A line search compares losses and bisects by them: differences of rounding grow tenfold every few
    trials, and once two losses agree to the last digits the next trial is a matter of chance.  So only the
    first steps are ``alike`` in walks left to themselves; test_searches.py compares every step.
    """
    sgd, adamw = ({"name": f"schedule_free_{kind}"} for kind in ("sgd", "adamw"))
    searching = {"name": "lbfgs", "evaluations": 10**6}
    own = {"weight_decay": 0.1, "decoupled": True}
    return [
        Trial("free_sgd", sgd, "schedulefree:SGDScheduleFree", lr=FREE),
        Trial(
            "free_sgd_warm",
            {**sgd, "beta": 0.8, "warmup": 20},
            "schedulefree:SGDScheduleFree",
            {"momentum": 0.8, "warmup_steps": 20},
            lr=FREE,
            **DECAYED,
        ),
        Trial("free_sgd_optax", sgd, "optax:contrib.schedule_free_sgd", lr=FREE),
        Trial("free_adamw", adamw, "schedulefree:AdamWScheduleFree"),
        Trial(
            "free_adamw_warm",
            {**adamw, **ADAM, "warmup": 30},
            "schedulefree:AdamWScheduleFree",
            {**ADAM_TORCH, "warmup_steps": 30},
            lr={**FAST, "network": 0.1},
            clipping={"name": "value", "limit": 0.1},
            **own,
        ),
        Trial("free_adamw_optax", adamw, "optax:contrib.schedule_free_adamw", lr=FAST),
        Trial("lbfgs", searching, "torch:LBFGS", alike={"rosenbrock": 29, "network": 27}),
        Trial(
            "lbfgs_short",
            {**searching, "history": 3, "lr": 0.5},
            "torch:LBFGS",
            {"history_size": 3, "lr": 0.5},
            alike={"rosenbrock": 53, "network": 34},
            **DECAYED,
        ),
        Trial(
            "lbfgs_decoupled",
            {"name": "lbfgs", "history": 5, "tolerance_gradient": 1e-5},
            "torch:LBFGS",
            {"history_size": 5, "tolerance_grad": 1e-5, "max_iter": 1, "max_eval": 26},
            alike={"quadratic": 18, "rosenbrock": 46, "network": 38},
            **own,
        ),
    ]


DEEP = (5, 6, 9, 3)
"""With a matrix between hidden layers, for rules that look at layers."""
LAYERED = [
    Trial("lamb", {"name": "lamb"}, "optax:lamb", lr={"network": 0.02}, widths=DEEP),
    Trial(
        "lamb_betas",
        {"name": "lamb", **ADAM, "weight_decay": 0.1},
        "optax:lamb",
        {**ADAM_OPTAX, "weight_decay": 0.1},
        lr={"network": 0.01},
        widths=DEEP,
    ),
    Trial("lars", {"name": "lars"}, "optax:lars", lr={"network": 1.0}, widths=DEEP),
    Trial(
        "lars_decayed",
        {"name": "lars", "beta": 0.7, "trust": 0.01, "weight_decay": 0.1},
        "optax:lars",
        {"momentum": 0.7, "trust_coefficient": 0.01, "weight_decay": 0.1},
        lr={"network": 0.5},
        widths=DEEP,
    ),
    Trial(
        "muon",
        {"name": "muon", "bias_correction": True, "epsilon": 1e-30},
        "optax:contrib.muon",
        {"weight_decay": 0.1, "eps": 1e-30},
        lr={"network": 0.01},
        widths=DEEP,
    ),
    Trial(
        "muon_plain",
        {
            "name": "muon", "bias_correction": True, "nesterov": False, "epsilon": 1e-30,
            "momentum": 0.8, "weight_decay": 0.0, "adam_share": 0.5, "beta1": 0.8,
        },
        "optax:contrib.muon",
        {"nesterov": False, "eps": 1e-30, "beta": 0.8, "adam_learning_rate": 0.01, "adam_b1": 0.8},
        lr={"network": 0.02},
        widths=DEEP,
    ),
]  # fmt: skip

LAYERED += [
    Trial("shampoo", {"name": "shampoo"}, "pytorch_optimizer:Shampoo", {"matrix_eps": 1e-4},
          lr={"network": 0.1}, widths=DEEP),
    Trial("shampoo_other", {"name": "shampoo", "epsilon": 0.1}, "pytorch_optimizer:Shampoo",
          {"matrix_eps": 0.1}, lr={"network": 0.3}, widths=DEEP, **DECAYED),
]  # fmt: skip

TRIALS = {trial.name: trial for trial in [*_trials(), *_averaged_and_searching(), *LAYERED]}


# --- problems --------------------------------------------------------------------------------

CURVATURE = np.array([[3.0, 1.0, 0.5], [1.0, 2.0, -0.3], [0.5, -0.3, 0.28]])
MINIMUM = np.array([1.0, -0.7, 0.4])


def quadratic(theta: Array) -> Array:
    """Gradient of ½ (θ − c)ᵀ A (θ − c); κ(A) is about 60."""
    return CURVATURE @ (theta - MINIMUM)


def rosenbrock(theta: Array) -> Array:
    """Gradient of (1 − x)² + 100 (y − x²)²."""
    x, y = theta
    return np.array([-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)])


def bowl(theta: Array) -> float:
    """½ (θ − c)ᵀ A (θ − c)."""
    away = theta - MINIMUM
    return float(0.5 * away @ CURVATURE @ away)


def valley(theta: Array) -> float:
    """(1 − x)² + 100 (y − x²)²."""
    x, y = theta
    return float((1.0 - x) ** 2 + 100.0 * (y - x * x) ** 2)


VALUES = {"quadratic": bowl, "rosenbrock": valley}
"""Problem -> its loss, for rules that ask for it."""

FLAT = {
    "quadratic": (quadratic, np.array([-0.6, 0.9, 1.4])),
    "rosenbrock": (rosenbrock, np.array([-0.5, 0.8])),
}
"""Problem -> its gradient and where θ starts."""


def network_arrays(
    widths: tuple[int, ...] = (5, 7, 3),
) -> tuple[Array, Array, list[Array], list[Array], Array]:
    """Inputs, classes, weights and biases of a small network, and the rows of its 200 mini-batches of 8."""
    draw = np.random.default_rng(5)
    inputs = draw.normal(size=(40, 5))
    labels = (inputs @ draw.normal(size=(5, 3))).argmax(axis=1)
    weights = [draw.normal(size=(above, below)) * 0.6 for below, above in pairwise(widths)]
    biases = [draw.normal(size=units) * 0.2 for units in widths[1:]]
    return inputs, labels, weights, biases, draw.integers(0, 40, (STEPS, 8))


def batches(trial: Trial, order: Array) -> Array:
    """The rows of each step: all of them for a rule that searches."""
    return np.tile(np.arange(40), (len(order), 1)) if trial.searches else order


def clipped(g: Array, clipping: Any) -> Array:
    """The gradient as clipping leaves it."""
    if clipping == "none":
        return g
    limit = clipping["limit"]
    if clipping["name"] == "value":
        return np.clip(g, -limit, limit)
    return g * min(1.0, limit / (float(np.linalg.norm(g)) + 1e-6))
