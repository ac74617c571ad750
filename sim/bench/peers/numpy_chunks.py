"""NumPy: batched matmul over chunks of networks that fit the cache, everything in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.bench.peers.registry import BETA_1, BETA_2, EPSILON, Parameters, Task, Training, peer

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@peer(
    title="NumPy matmul in chunks", libraries=("numpy",), networks=256, process_a_core=True,
    environment=ONE_THREAD,
)  # fmt: skip
def numpy_chunks(task: Task) -> Training:
    """Forward and backward written out on (networks, units, batch) arrays, without allocating in a step.

    Measured at 32 × 32 × 32: a copy that is transposed and then multiplied takes half the time of a product
    with a transposed factor, a sum by a product with ones a quarter of ``np.sum``; below eight caches' worth
    of networks a chunk, Python's calls cost more than the caches save.
    """
    features, one_hot, orders = task.features, task.one_hot, task.orders()
    weights = task.weights()
    chunks = task.chunks(caches=8.0)

    def fit(part: slice, steps: int) -> _Chunk:
        chunk = _Chunk(task, [weight[part] for weight in weights])
        return chunk.train(features, one_hot, orders[part, :steps])

    def train() -> Parameters:
        trained = [fit(part, task.point.steps) for part in chunks]
        return (
            [np.concatenate(layer) for layer in zip(*(chunk.weights for chunk in trained), strict=True)],
            [
                np.concatenate(layer)[..., 0]
                for layer in zip(*(chunk.biases for chunk in trained), strict=True)
            ],
        )

    fit(chunks[0], 5)
    return train


class _Chunk:
    """Some networks: parameters, gradients and moments as (networks, parameters), layers as views of them."""

    def __init__(self, task: Task, weights: list[np.ndarray]) -> None:
        self.point, count, dtype = task.point, len(weights[0]), task.point.precision
        self.theta, self.mean, self.square = (
            np.zeros((count, task.point.parameters), dtype) for _ in range(3)
        )
        self.gradient, self.room = np.empty_like(self.theta), np.empty_like(self.theta)
        self.weights, self.biases = self.views(self.theta)
        self.by_weight, self.by_bias = self.views(self.gradient)
        for view, weight in zip(self.weights, weights, strict=True):
            view[:] = weight
        self.outputs = [
            np.empty((count, fan_out, task.point.batch), dtype) for fan_out, _ in task.point.shapes
        ]
        self.slopes = [np.empty_like(output) for output in self.outputs]
        self.seen = [np.empty(output.swapaxes(1, 2).shape, dtype) for output in self.outputs[:-1]]
        self.ones = np.ones((task.point.batch, 1), dtype)
        self.deltas = [np.empty_like(output) for output in self.outputs]
        self.rows = np.empty((count, task.point.batch, task.point.widths[0]), dtype)
        self.targets = np.empty((count, task.point.batch, task.point.widths[-1]), dtype)

    def views(self, flat: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """(networks, fan_out, fan_in) and (networks, fan_out, 1) of each layer."""
        sizes = [fan_out * (fan_in + 1) for fan_out, fan_in in self.point.shapes]
        parts = np.split(flat, np.cumsum(sizes)[:-1], axis=1)
        layers = list(zip(parts, self.point.shapes, strict=True))
        return (
            [part[:, fan_out:].reshape(-1, fan_out, fan_in) for part, (fan_out, fan_in) in layers],
            [part[:, :fan_out, None] for part, (fan_out, _) in layers],
        )

    def train(self, features: np.ndarray, one_hot: np.ndarray, orders: np.ndarray) -> _Chunk:
        """All steps."""
        for step in range(orders.shape[1]):
            np.take(features, orders[:, step], axis=0, out=self.rows, mode="clip")
            np.take(one_hot, orders[:, step], axis=0, out=self.targets, mode="clip")
            self.forward()
            self.backward()
            self.update(step + 1)
        return self

    def forward(self) -> None:
        """Activations of every layer; the last layer's δ = (softmax − target) / batch."""
        below: Any = self.rows.swapaxes(1, 2)
        for weight, bias, output in zip(self.weights, self.biases, self.outputs, strict=True):
            np.matmul(weight, below, out=output)
            output += bias
            if output is not self.outputs[-1]:
                np.tanh(output, out=output)
            below = output
        delta = self.deltas[-1]
        np.subtract(below, below.max(axis=1, keepdims=True), out=delta)
        np.exp(delta, out=delta)
        delta /= delta.sum(axis=1, keepdims=True)
        delta -= self.targets.swapaxes(1, 2)
        delta *= delta.dtype.type(1.0 / self.point.batch)

    def backward(self) -> None:
        """Gradients of all weights and biases."""
        for layer in range(len(self.weights) - 1, -1, -1):
            below = self.rows
            if layer:
                below = self.seen[layer - 1]
                np.copyto(below, self.outputs[layer - 1].swapaxes(1, 2))
            np.matmul(self.deltas[layer], below, out=self.by_weight[layer])
            np.matmul(self.deltas[layer], self.ones, out=self.by_bias[layer])
            if layer:
                slope, delta = self.slopes[layer - 1], self.deltas[layer - 1]
                np.matmul(self.weights[layer].swapaxes(1, 2), self.deltas[layer], out=delta)
                np.square(self.outputs[layer - 1], out=slope)
                np.subtract(slope.dtype.type(1), slope, out=slope)
                delta *= slope

    def update(self, step: int) -> None:
        """Adam with both corrections in its factors, or plain descent."""
        real = self.theta.dtype.type
        if self.point.optimizer == "sgd":
            self.gradient *= real(self.point.lr)
            self.theta -= self.gradient
            return
        self.mean *= real(BETA_1)
        np.multiply(self.gradient, real(1 - BETA_1), out=self.room)
        self.mean += self.room
        np.square(self.gradient, out=self.gradient)
        self.gradient *= real(1 - BETA_2)
        self.square *= real(BETA_2)
        self.square += self.gradient
        np.sqrt(self.square, out=self.room)
        self.room *= real((1 - BETA_2**step) ** -0.5)
        self.room += real(EPSILON)
        np.divide(self.mean, self.room, out=self.room)
        self.room *= real(self.point.lr / (1 - BETA_1**step))
        self.theta -= self.room
