"""JAX tuned: chunks of networks that fit the cache, a device a core, the batch along the lanes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np

from sim.bench.peers.registry import BETA_1, BETA_2, EPSILON, Parameters, Task, Training, library, peer
from sim.bench.points import OUTPUTS
from sim.bench.work import cores

FLAGS = f"--xla_force_host_platform_device_count={cores()} --xla_cpu_multi_thread_eigen=false"


@peer(title="JAX tuned", libraries=("jax",), networks=512, environment={"XLA_FLAGS": FLAGS})
def jax_tuned(task: Task) -> Training:
    """Forward and backward by hand on (networks, units, batch), each host device with chunks of its own.

    Measured: products of (units, batch) arrays beat (batch, units) by a quarter, a transposed copy of the
    activations beats a transposing product, arrays layer by layer beat one flat vector of parameters, and
    classes compared with the labels beat rows of a table.
    """
    jax = library("jax")
    jax.config.update("jax_enable_x64", task.point.precision == "float64")
    weights, biases, orders = task.weights(), task.biases(), task.orders()
    chunks, devices = task.chunks(caches=2.0), jax.devices()[: task.threads]
    tables = [jax.device_put((task.features, task.labels), device) for device in devices]
    inputs = [
        jax.device_put(
            ([w[part] for w in weights], [b[part] for b in biases], orders[part].swapaxes(0, 1).copy()),
            devices[number % len(devices)],
        )
        for number, part in enumerate(chunks)
    ]
    train_chunk = jax.jit(_training(jax, task))
    pool = ThreadPoolExecutor(len(devices))

    def on_device(number: int) -> list[Any]:
        mine = inputs[number :: len(devices)]
        return [jax.block_until_ready(train_chunk(*chunk, *tables[number])) for chunk in mine]

    def train() -> Parameters:
        done: list[Any] = [None] * len(chunks)
        for number, trained in enumerate(pool.map(on_device, range(len(devices)))):
            done[number :: len(devices)] = jax.device_get(trained)
        weights, biases = (
            [np.concatenate(layer) for layer in zip(*kind, strict=True)] for kind in zip(*done, strict=True)
        )
        return weights, biases

    train()
    return train


def _training(jax: Any, task: Task) -> Any:
    """Training of one chunk: parameters, orders (steps, networks, batch), tables in; parameters out."""
    jnp, real = jax.numpy, task.features.dtype

    def turned(x: Any) -> Any:
        return jnp.swapaxes(x, 1, 2)

    def gradients(values: Any, rows: Any, targets: Any) -> Any:
        weights, biases = values
        a, seen, slopes = turned(rows), [rows], []
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            a = jnp.tanh(jnp.matmul(weight, a) + bias[:, :, None])
            seen.append(turned(a))
            slopes.append(1 - a * a)
        scores = jnp.matmul(weights[-1], a) + biases[-1][:, :, None]
        delta = (jax.nn.softmax(scores, axis=1) - targets) / task.point.batch
        by_weight: list[Any] = []
        by_bias: list[Any] = []
        for layer in range(len(weights) - 1, -1, -1):
            by_weight.insert(0, jnp.matmul(delta, seen[layer]))
            by_bias.insert(0, delta.sum(2))
            if layer:
                delta = jnp.matmul(turned(weights[layer]), delta) * slopes[layer - 1]
        return by_weight, by_bias

    def adam(number: Any, value: Any, mean: Any, square: Any) -> Any:
        length, spread = task.point.lr / (1 - BETA_1**number), jax.lax.rsqrt(1 - BETA_2**number)
        return value - length * mean / (jnp.sqrt(square) * spread + EPSILON)

    def step(features: Any, labels: Any, carried: Any, given: Any) -> Any:
        (values, means, squares), (rows, number) = carried, given
        chosen = labels.at[rows].get(mode="promise_in_bounds")[:, None, :] == jnp.arange(OUTPUTS)[:, None]
        slopes = gradients(values, features.at[rows].get(mode="promise_in_bounds"), chosen.astype(real))
        if task.point.optimizer == "sgd":
            return (jax.tree.map(lambda v, g: v - task.point.lr * g, values, slopes), means, squares), None
        means = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, means, slopes)
        squares = jax.tree.map(lambda s, g: BETA_2 * s + (1 - BETA_2) * (g * g), squares, slopes)
        return (jax.tree.map(partial(adam, number), values, means, squares), means, squares), None

    def train(weights: Any, biases: Any, orders: Any, features: Any, labels: Any) -> Any:
        values = (weights, biases)
        zeros = jax.tree.map(jnp.zeros_like, values)
        numbers = jnp.arange(1, len(orders) + 1, dtype=real)
        carried, _ = jax.lax.scan(
            lambda *given: step(features, labels, *given), (values, zeros, zeros), (orders, numbers)
        )
        return carried[0]

    return train
