"""Ask PyTorch, optax and others, in float64, for the walks ``tests/test_optimizers_golden.py`` compares with.

    pip install torch jax optax schedulefree pytorch-optimizer
    python tests/golden/optimizers/make.py

writes ``torch.npz`` and the like beside this file and the versions into ``versions.json``.  Of each
trial there are θ after each of 200 steps on the quadratic and on Rosenbrock's function, and of the network
the loss of each mini-batch and all parameters at the end (layer by layer: weights row by row, biases).
Schedule-free rules walk with y, and x stands beside it; L-BFGS is followed from evaluation to evaluation,
and ``searches.npz`` has what it knew as each of its line searches began (and PyTorch's version).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import sys
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from following import Searches  # noqa: E402
from trials import FLAT, STEPS, TRIALS, VALUES, Trial, clipped, network_arrays  # noqa: E402

LIBRARIES = {
    "torch": ("torch",),
    "optax": ("optax", "jax", "jaxlib"),
    "schedulefree": ("schedulefree",),
    "pytorch_optimizer": ("pytorch-optimizer",),
}


def torch_optimizer(trial: Trial, problem: str, parameters: list[Any]) -> Any:
    """The oracle in the trial's setting; ``share`` is an EMA's gain, which PyTorch leaves to the rate."""
    import torch

    settings = dict(trial.settings)
    rate = trial.rate(problem)
    if "share" in settings:
        rate = {"lr": rate["lr"] * settings.pop("share")}
    decay = {"weight_decay": trial.weight_decay} if trial.weight_decay else {}
    home = torch.optim if trial.library == "torch" else importlib.import_module(trial.library)
    oracle = getattr(home, trial.oracle.partition(":")[2])(parameters, **rate, **settings, **decay)
    if trial.apart:
        oracle.train()
    return oracle


def searched(trial: Trial, theta: list[Any], evaluate: Any) -> Searches:
    """PyTorch's L-BFGS, followed until it stops or has evaluated 200 times."""
    import torch

    settings = {"max_iter": 10**6, "max_eval": 10**6, "line_search_fn": "strong_wolfe"} | trial.settings
    oracle = torch.optim.LBFGS(theta, **settings)
    decay = trial.weight_decay
    found = Searches(theta, evaluate, 0.0 if trial.decoupled else decay, STEPS)
    found.minimize(oracle, settings.get("lr", 1.0) * decay if trial.decoupled else 0.0)
    return found


def flat_searches(trial: Trial, problem: str) -> Searches:
    """L-BFGS with loss and gradient given by hand."""
    import torch

    gradient, start = FLAT[problem]
    theta = torch.tensor(start, requires_grad=True)

    def evaluate() -> float:
        here = theta.detach().numpy().copy()
        theta.grad = torch.tensor(clipped(gradient(here), trial.clipping))
        return VALUES[problem](here)

    return searched(trial, [theta], evaluate)


def torch_flat(trial: Trial, problem: str) -> np.ndarray:
    """θ after each step, the gradient given by hand."""
    import torch

    if trial.searches:
        return flat_searches(trial, problem).path()
    gradient, start = FLAT[problem]
    theta = torch.tensor(start, requires_grad=True)
    oracle = torch_optimizer(trial, problem, [theta])
    path = np.empty((STEPS, start.size * (2 if trial.apart else 1)))
    for step in range(STEPS):
        theta.grad = torch.tensor(clipped(gradient(theta.detach().numpy().copy()), trial.clipping))
        oracle.step()
        places = [theta.detach().numpy()]
        if trial.apart:
            group = oracle.param_groups[0]
            beta = group["momentum"] if "momentum" in group else group["betas"][0]
            places.append(theta.detach().lerp(oracle.state[theta]["z"], 1.0 - 1.0 / beta).numpy())
        path[step] = np.concatenate(places)
    return path


def network_loss(trial: Trial) -> tuple[list[Any], Any, np.ndarray]:
    """Parameters, what fills their gradients and returns the loss of some rows, and the mini-batches."""
    import torch

    inputs, labels, weights, biases, order = network_arrays(trial.widths)
    x, y = torch.tensor(inputs), torch.tensor(labels)
    theta = [torch.tensor(p, requires_grad=True) for pair in zip(weights, biases, strict=True) for p in pair]

    def evaluate(rows: Any = slice(None)) -> Any:
        for p in theta:
            p.grad = None
        a = x[rows]
        for i in range(0, len(theta) - 2, 2):
            a = torch.tanh(a @ theta[i].T + theta[i + 1])
        loss = torch.nn.functional.cross_entropy(a @ theta[-2].T + theta[-1], y[rows])
        loss.backward()
        if trial.clipping != "none":
            cut = f"clip_grad_{trial.clipping['name']}_"
            getattr(torch.nn.utils, cut)(theta, trial.clipping["limit"])
        return loss.detach()

    return theta, evaluate, order


def torch_network(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Losses and last parameters of the network, gradients by autograd."""
    theta, evaluate, order = network_loss(trial)
    if trial.searches:
        found = searched(trial, theta, evaluate)
        ended = len(found.losses) < STEPS
        return np.array(found.losses), found.path()[-1] if ended else np.empty(0)
    oracle = torch_optimizer(trial, "network", theta)
    losses = np.empty(STEPS)
    for step, rows in enumerate(order):
        losses[step] = evaluate(rows).item()
        oracle.step()
    if trial.apart:
        oracle.eval()
    return losses, np.concatenate([p.detach().numpy().ravel() for p in theta])


DEFAULT_RATES = {"rmsprop": 1e-2, "contrib.schedule_free_adamw": 2.5e-3}


def optax_optimizer(trial: Trial, problem: str) -> Any:
    """The oracle in the trial's setting; Sophia is told how to estimate the curvature."""
    import jax
    import optax

    name, settings = trial.oracle.partition(":")[2], dict(trial.settings)
    rate = trial.rate(problem).get("lr", DEFAULT_RATES.get(name, 1e-3))
    if name == "sophia":
        samples = settings.pop("samples")
        settings["hessian_diagonal_fn"] = optax.stateless(
            lambda g, _: jax.tree.map(lambda leaf: samples * leaf * leaf, g)
        )
        return optax.contrib.sophia(rate, **settings)
    if name == "contrib.muon":
        return _muon(rate, settings)
    return reduce(getattr, name.split("."), optax)(rate, **settings)


def _muon(rate: float, settings: dict[str, Any]) -> Any:
    """optax's muon for the hidden matrix and adam for the rest, which muon gives Nesterov's Adam."""
    import jax
    import optax

    shape = optax.contrib.MuonDimensionNumbers(reduction_axis=1, output_axis=0)
    adam = {"learning_rate": settings.pop("adam_learning_rate", rate), "b1": settings.pop("adam_b1", 0.9)}
    muon = optax.contrib.muon(
        rate, muon_weight_dimension_numbers=lambda tree: jax.tree.map(lambda _: shape, tree), **settings
    )
    labels = ["adam", "adam", "muon", "adam", "adam", "adam"]
    rules = {"muon": muon, "adam": optax.adam(eps=settings["eps"], **adam)}
    return optax.multi_transform(rules, labels)


def optax_flat(trial: Trial, problem: str) -> np.ndarray:
    """θ after each step, the gradient given by hand."""
    import jax.numpy as jnp
    import optax

    gradient, start = FLAT[problem]
    oracle, theta = optax_optimizer(trial, problem), jnp.array(start)
    state, update = oracle.init(theta), _jitted(oracle)
    path = np.empty((STEPS, start.size * (2 if trial.apart else 1)))
    for step in range(STEPS):
        move, state = update(jnp.array(clipped(gradient(np.array(theta)), trial.clipping)), state, theta)
        theta = optax.apply_updates(theta, move)
        places = [theta, optax.contrib.schedule_free_eval_params(state, theta)] if trial.apart else [theta]
        path[step] = np.concatenate(places)
    return path


def _jitted(oracle: Any) -> Any:
    import jax

    return jax.jit(oracle.update)


def optax_network(trial: Trial) -> tuple[np.ndarray, np.ndarray]:
    """Losses and last parameters of the network, gradients by jax."""
    import jax
    import jax.numpy as jnp
    import optax

    inputs, labels, weights, biases, order = network_arrays(trial.widths)
    theta = [jnp.array(p) for pair in zip(weights, biases, strict=True) for p in pair]

    def loss_of(theta: Any, x: Any, y: Any) -> Any:
        for i in range(0, len(theta) - 2, 2):
            x = jnp.tanh(x @ theta[i].T + theta[i + 1])
        return optax.softmax_cross_entropy_with_integer_labels(x @ theta[-2].T + theta[-1], y).mean()

    oracle = optax_optimizer(trial, "network")
    state, update, slope = oracle.init(theta), _jitted(oracle), jax.jit(jax.value_and_grad(loss_of))
    losses = np.empty(STEPS)
    for step, rows in enumerate(order):
        losses[step], g = slope(theta, inputs[rows], labels[rows])
        move, state = update(g, state, theta)
        theta = optax.apply_updates(theta, move)
    if trial.apart:
        theta = optax.contrib.schedule_free_eval_params(state, theta)
    return losses, np.concatenate([np.ravel(p) for p in theta])


def prepare(library: str) -> None:
    """float64 everywhere, PyTorch's scalars included."""
    if library != "optax":
        import torch

        torch.set_default_dtype(torch.float64)
    else:
        import jax

        jax.config.update("jax_enable_x64", True)


def trajectories(trial: Trial) -> dict[str, np.ndarray]:
    """Everything one trial leaves, by ``trial/problem``."""
    flat, network = (optax_flat, optax_network) if trial.library == "optax" else (torch_flat, torch_network)
    losses, last = network(trial)
    found = {f"{trial.name}/{problem}": flat(trial, problem) for problem in FLAT if trial.flat}
    return {**found, f"{trial.name}/losses": losses, f"{trial.name}/parameters": last}


def iterations(trial: Trial) -> dict[str, np.ndarray]:
    """What L-BFGS knows as each of its searches begins, by ``trial/problem/quantity``."""
    theta, evaluate, _ = network_loss(trial)
    searches = {problem: flat_searches(trial, problem) for problem in FLAT}
    searches["network"] = searched(trial, theta, evaluate)
    return {
        f"{trial.name}/{problem}/{name}": values
        for problem, found in searches.items()
        for name, values in found.noted().items()
    }


SCHEDULES: tuple[tuple[dict[str, Any], str, dict[str, Any]], ...] = (
    ({"name": "step", "every": 13, "factor": 0.3}, "StepLR", {"step_size": 13, "gamma": 0.3}),
    ({"name": "exponential", "rate": 0.95}, "ExponentialLR", {"gamma": 0.95}),
    ({"name": "cosine", "final": 0.2}, "CosineAnnealingLR", {"T_max": 60, "eta_min": 0.2}),
    ({"name": "warmup", "warmup": 0.25}, "LinearLR", {"start_factor": 1 / 15, "total_iters": 14}),
    (
        {"name": "one_cycle", "rise": 0.4, "first": 10.0, "last": 100.0},
        "OneCycleLR",
        {"max_lr": 1.0, "total_steps": 60, "pct_start": 0.4, "div_factor": 10.0, "final_div_factor": 100.0},
    ),
)
"""Ours, PyTorch's scheduler and its settings, for a rate of 1."""

AFTER_WARMUP = (
    (
        {"name": "warmup_cosine", "warmup": 0.25, "final": 0.1},
        "CosineAnnealingLR",
        {"T_max": 45, "eta_min": 0.1},
    ),
    (
        {"name": "warmup_linear", "warmup": 0.25, "final": 0.1},
        "LinearLR",
        {"start_factor": 1.0, "end_factor": 0.1, "total_iters": 45},
    ),
)
"""Schedules that follow on a warm-up of 15 steps."""

PLATEAUS = (
    {"factor": 0.5, "patience": 2, "threshold": 0.01, "cooldown": 0, "min_lr": 0.0},
    {"factor": 0.3, "patience": 1, "threshold": 1e-4, "cooldown": 3, "min_lr": 0.05},
)


def plateaus() -> list[dict[str, Any]]:
    """The rates that PyTorch's ``ReduceLROnPlateau`` leaves after each of 80 losses, for a rate of 1."""
    import torch

    draw = np.random.default_rng(8)
    losses = np.exp(-np.arange(80) / 20) + 0.2 + 0.05 * draw.normal(size=80)
    found = []
    for settings in PLATEAUS:
        oracle = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(oracle, eps=0.0, **settings)
        rates = []
        for loss in losses:
            oracle.step()
            scheduler.step(float(loss))
            rates.append(float(oracle.param_groups[0]["lr"]))
        found.append({"settings": settings, "losses": losses.tolist(), "rates": rates})
    return found


def schedules() -> dict[str, Any]:
    """The learning rates of 60 steps from each of PyTorch's schedulers."""
    import torch

    found = []
    known = torch.optim.lr_scheduler
    for ours, name, settings in SCHEDULES + AFTER_WARMUP:
        oracle = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        scheduler = getattr(known, name)(oracle, **settings)
        if (ours, name, settings) in AFTER_WARMUP:
            oracle = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
            rise = known.LinearLR(oracle, start_factor=1 / 15, total_iters=14)
            scheduler = known.SequentialLR(oracle, [rise, getattr(known, name)(oracle, **settings)], [15])
        rates = []
        for _ in range(60):
            rates.append(float(oracle.param_groups[0]["lr"]))
            oracle.step()
            if len(rates) < 60:
                scheduler.step()
        found.append({"ours": ours, "scheduler": name, "settings": settings, "factors": rates})
    return {"torch": importlib.metadata.version("torch"), "schedules": found, "plateaus": plateaus()}


def main() -> None:
    """Ask each library for all its trials, and PyTorch for its schedules."""
    prepare("torch")
    (HERE / "schedules.json").write_text(json.dumps(schedules(), indent=1) + "\n")
    known = {"torch": np.array(importlib.metadata.version("torch"))}
    for trial in TRIALS.values():
        known |= iterations(trial) if trial.searches else {}
    np.savez_compressed(HERE / "searches.npz", **known)
    versions = {}
    for library, packages in LIBRARIES.items():
        prepare(library)
        found: dict[str, np.ndarray] = {}
        for trial in TRIALS.values():
            if trial.library == library:
                found |= trajectories(trial)
        np.savez_compressed(HERE / f"{library}.npz", **found)
        versions |= {package: importlib.metadata.version(package) for package in packages}
    (HERE / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")


if __name__ == "__main__":
    main()
