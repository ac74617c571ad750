"""scikit-learn: an MLPClassifier a network."""

from __future__ import annotations

import warnings

import numpy as np

from sim.bench.peers.registry import BETA_1, BETA_2, EPSILON, Parameters, Task, Training, library, peer


@peer(title="scikit-learn MLPClassifier", libraries=("sklearn",), networks=24, process_a_core=True)
def scikit_learn(task: Task) -> Training:
    """One ``fit`` a network: a single unshuffled epoch over the rows of all its mini-batches in their order.

    So it takes exactly the given mini-batches and pays for its checks once. First weights are put in
    place of its own.
    """
    network = library("sklearn.neural_network")
    point, features, labels = task.point, task.features, task.labels
    weights, orders = task.weights(), task.orders().reshape(task.networks, -1)

    def train() -> Parameters:
        trained = [fit(number) for number in range(task.networks)]
        return (
            [np.stack([model.coefs_[layer].T for model in trained]) for layer in range(len(weights))],
            [np.stack([model.intercepts_[layer] for model in trained]) for layer in range(len(weights))],
        )

    def fit(number: int):  # type: ignore[no-untyped-def]
        model = network.MLPClassifier(
            [point.width] * point.depth, activation="tanh", solver=point.optimizer, alpha=0.0,
            batch_size=point.batch, learning_rate_init=point.lr, max_iter=1, shuffle=False, warm_start=True,
            momentum=0.0, nesterovs_momentum=False, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON,
        )  # fmt: skip
        model.partial_fit(features[: point.batch], labels[: point.batch], classes=np.arange(10))
        for layer, weight in enumerate(weights):
            model.coefs_[layer][:] = weight[number].T
            model.intercepts_[layer][:] = 0.0
        return model.fit(features[orders[number]], labels[orders[number]])

    warnings.simplefilter("ignore")  # one epoch is all it is given: it says it has not converged
    fit(0)
    return train
