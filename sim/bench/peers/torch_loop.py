"""PyTorch: a module and an optimizer a network, one network after another."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.bench.peers.numpy_chunks import ONE_THREAD
from sim.bench.peers.registry import Parameters, Task, Training, library, peer


@peer(title="PyTorch loop", libraries=("torch",), networks=24, process_a_core=True, environment=ONE_THREAD)
def torch_loop(task: Task) -> Training:
    """``nn.Sequential``, ``cross_entropy``, ``backward`` and the fused form of the optimizer."""
    torch = library("torch")
    torch.set_num_threads(1)
    point, features, labels = task.point, torch.as_tensor(task.features), torch.as_tensor(task.labels)
    weights, orders = task.weights(), torch.as_tensor(task.orders().astype(np.int64))
    optimizer = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[point.optimizer]

    def model(number: int) -> Any:
        layers: list[Any] = []
        for weight in weights:
            linear = torch.nn.Linear(weight.shape[2], weight.shape[1], dtype=features.dtype)
            with torch.no_grad():
                linear.weight.copy_(torch.as_tensor(weight[number]))
                linear.bias.zero_()
            layers += [linear, torch.nn.Tanh()]
        return torch.nn.Sequential(*layers[:-1])

    def fit(number: int, steps: int) -> list[Any]:
        network = model(number)
        rule = optimizer(network.parameters(), lr=point.lr, fused=True)
        for rows in orders[number, :steps]:
            rule.zero_grad()
            torch.nn.functional.cross_entropy(network(features[rows]), labels[rows]).backward()
            rule.step()
        return [parameter.detach().numpy() for parameter in network.parameters()]

    def train() -> Parameters:
        trained = [fit(number, point.steps) for number in range(task.networks)]
        layers = [np.stack(layer) for layer in zip(*trained, strict=True)]
        return layers[::2], layers[1::2]

    fit(0, 20)
    return train
