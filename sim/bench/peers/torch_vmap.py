"""PyTorch: one network's loss, ``torch.func.grad`` of it, ``vmap`` over all networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sim.bench.peers.numpy_chunks import ONE_THREAD
from sim.bench.peers.registry import BETA_1, BETA_2, EPSILON, Parameters, Task, Training, library, peer


def training(task: Task, compiled: bool) -> Training:
    """Training by ``vmap``; ``compiled`` puts the whole step through ``torch.compile``."""
    torch = library("torch")
    torch.set_num_threads(task.threads)
    features, labels = torch.as_tensor(task.features), torch.as_tensor(task.labels)
    orders = torch.as_tensor(task.orders().astype(np.int64))
    first = [torch.as_tensor(value) for value in (*task.weights(), *task.biases())]
    step = _step(torch, task)
    if compiled:
        step = torch.compile(step, dynamic=False)
    numbers = torch.arange(1, task.point.steps + 1, dtype=features.dtype)

    def go(steps: int) -> list[Any]:
        state = [
            [value.clone() for value in first],
            *([torch.zeros_like(v) for v in first] for _ in range(2)),
        ]
        with torch.no_grad():
            for number in range(steps):
                rows = orders[:, number]
                state = step(*state, features[rows], labels[rows], numbers[number])
        return state[0]

    def train() -> Parameters:
        values = [value.numpy() for value in go(task.point.steps)]
        return values[: len(values) // 2], values[len(values) // 2 :]

    go(5)
    return train


def _step(torch: Any, task: Task) -> Callable[..., Any]:
    lr, adam = task.point.lr, task.point.optimizer == "adam"

    def loss(values: list[Any], x: Any, y: Any) -> Any:
        layers = len(values) // 2
        for number in range(layers):
            x = torch.nn.functional.linear(x, values[number], values[layers + number])
            x = torch.tanh(x) if number < layers - 1 else x
        return torch.nn.functional.cross_entropy(x, y)

    gradient = torch.func.vmap(torch.func.grad(loss))

    def step(values: Any, means: Any, squares: Any, x: Any, y: Any, number: Any) -> Any:
        slopes = gradient(values, x, y)
        if not adam:
            return torch._foreach_sub(values, slopes, alpha=lr), means, squares
        means = torch._foreach_lerp(means, slopes, 1 - BETA_1)
        squares = torch._foreach_mul(squares, BETA_2)
        squares = torch._foreach_addcmul(squares, slopes, slopes, 1 - BETA_2)
        length, spread = lr / (1 - BETA_1**number), torch.rsqrt(1 - BETA_2**number)
        roots = torch._foreach_add(torch._foreach_mul(torch._foreach_sqrt(squares), spread), EPSILON)
        moves = torch._foreach_mul(torch._foreach_div(means, roots), length)
        return torch._foreach_sub(values, moves), means, squares

    return step


@peer(
    title="torch.func vmap", libraries=("torch",), networks=256, process_a_core=True, environment=ONE_THREAD
)
def torch_vmap(task: Task) -> Training:
    """Eager, with the multi-tensor functions that PyTorch's own optimizers use."""
    return training(task, compiled=False)
