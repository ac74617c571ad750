"""JAX as users write it: one network's training by ``lax.scan`` and optax, ``vmap`` over all networks."""

from __future__ import annotations

from typing import Any

from sim.bench.peers.registry import Parameters, Task, Training, library, peer


@peer(title="JAX vmap + scan + optax", libraries=("jax", "optax"), networks=512)
def jax_vmap(task: Task) -> Training:
    """``jit(vmap(train))`` with ``jax.grad`` of the loss, all networks at once, cores as JAX uses them."""
    jax, optax = library("jax"), library("optax")
    jax.config.update("jax_enable_x64", task.point.precision == "float64")
    jnp = jax.numpy
    features, labels = jnp.asarray(task.features), jnp.asarray(task.labels)
    rule = {"adam": optax.adam, "sgd": optax.sgd}[task.point.optimizer](task.point.lr)

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        *hidden, (weight, bias) = parameters
        for w, b in hidden:
            x = jnp.tanh(x @ w.T + b)
        scores = x @ weight.T + bias
        return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()

    def train_one(parameters: Any, order: Any) -> Any:
        def step(carried: Any, rows: Any) -> Any:
            parameters, state = carried
            slopes = jax.grad(loss)(parameters, features[rows], labels[rows])
            updates, state = rule.update(slopes, state)
            return (optax.apply_updates(parameters, updates), state), None

        return jax.lax.scan(step, (parameters, rule.init(parameters)), order)[0][0]

    train_all = jax.jit(jax.vmap(train_one))
    first = [(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(task.weights(), task.biases(), strict=True)]
    orders = jnp.asarray(task.orders())

    def train() -> Parameters:
        trained = jax.block_until_ready(train_all(first, orders))
        weights, biases = zip(*jax.device_get(trained), strict=True)
        return list(weights), list(biases)

    train_all.lower(first, orders).compile()
    train()
    return train
