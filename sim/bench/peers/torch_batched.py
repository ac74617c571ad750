"""PyTorch: forward and backward of a chunk of networks written by hand, compiled, inside the cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sim.bench.peers.numpy_chunks import ONE_THREAD
from sim.bench.peers.registry import BETA_1, BETA_2, EPSILON, Parameters, Task, Training, library, peer


@peer(
    title="PyTorch batched, compiled", libraries=("torch",), networks=512, process_a_core=True,
    environment=ONE_THREAD,
)  # fmt: skip
def torch_batched(task: Task) -> Training:
    """``bmm`` on (networks, batch, units), parameters changed in place, a process a core.

    Measured: 2 σ(2x) − 1 takes half the time of ``tanh``, ``index_select`` a third of an index.
    """
    torch = library("torch")
    torch.set_num_threads(1)
    features, one_hot = torch.as_tensor(task.features), torch.as_tensor(task.one_hot)
    orders = torch.as_tensor(task.orders().astype(np.int64))
    first = [torch.as_tensor(value) for value in (*task.weights(), *task.biases())]
    numbers = torch.arange(1, task.point.steps + 1, dtype=features.dtype)
    step = torch.compile(_step(torch, task), dynamic=False)
    chunks = task.chunks(caches=8.0)

    def go(part: slice, steps: int) -> list[Any]:
        values = [value[part].clone() for value in first]
        means, squares = ([torch.zeros_like(value) for value in values] for _ in range(2))
        mine = orders[part]
        for number in range(steps):
            rows = mine[:, number].flatten()
            x = torch.index_select(features, 0, rows).view(len(mine), -1, features.shape[1])
            targets = torch.index_select(one_hot, 0, rows).view(len(mine), -1, one_hot.shape[1])
            step(values, means, squares, x, targets, numbers[number])
        return values

    def train() -> Parameters:
        with torch.inference_mode():
            done = [go(part, task.point.steps) for part in chunks]
            values = [torch.cat(layer).numpy() for layer in zip(*done, strict=True)]
        return values[: len(values) // 2], values[len(values) // 2 :]

    with torch.inference_mode():
        go(chunks[0], 10)
    return train


def _step(torch: Any, task: Task) -> Callable[..., None]:
    lr, adam, batch = task.point.lr, task.point.optimizer == "adam", task.point.batch

    def gradients(values: list[Any], x: Any, targets: Any) -> list[Any]:
        layers = len(values) // 2
        weights, biases = values[:layers], values[layers:]
        seen = [x]
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            scores = torch.baddbmm(bias[:, None], seen[-1], weight.mT)
            seen.append(2 * torch.sigmoid(2 * scores) - 1)
        scores = torch.baddbmm(biases[-1][:, None], seen[-1], weights[-1].mT)
        delta = (torch.softmax(scores, 2) - targets) / batch
        slopes: list[Any] = [None] * len(values)
        for layer in range(layers - 1, -1, -1):
            slopes[layer] = torch.bmm(delta.mT, seen[layer])
            slopes[layers + layer] = delta.sum(1)
            if layer:
                delta = torch.bmm(delta, weights[layer]) * (1 - seen[layer] * seen[layer])
        return slopes

    def step(values: Any, means: Any, squares: Any, x: Any, targets: Any, number: Any) -> None:
        slopes = gradients(values, x, targets)
        length, spread = lr / (1 - BETA_1**number), torch.rsqrt(1 - BETA_2**number)
        for value, mean, square, slope in zip(values, means, squares, slopes, strict=True):
            if not adam:
                value.sub_(slope, alpha=lr)
                continue
            mean.lerp_(slope, 1 - BETA_1)
            square.mul_(BETA_2).addcmul_(slope, slope, value=1 - BETA_2)
            value.sub_(length * mean / (square.sqrt() * spread + EPSILON))

    return step
