"""Rules that look at a whole tensor of a layer: LARS, LAMB, Muon, Shampoo, SOAP.

Their updates change tensors in place (see ``Rule``), the gradient too where it serves as room
for what is made of it.  They are written as loops, for array expressions take the compiler ten
times as long; those of matrices allocate temporary ones.
"""

from __future__ import annotations

from typing import Any

from sim.catalog.limits import Range
from sim.catalog.mathematics import sqrt
from sim.catalog.matrices import eigen, length, mix, orthogonal, power, product, turned
from sim.catalog.optimizers.family import HIDDEN, NOT_NEGATIVE, POSITIVE, SHARE, VECTOR, Rule, optimizer
from sim.catalog.optimizers.moments import BETAS, MOMENTS
from sim.catalog.sums import real


def _lars(kind, shape, theta, g, v, lr, beta, trust, decay, epsilon):
    for i in range(g.size):
        g[i] += decay * theta[i]
    size, slope = length(theta), length(g)
    ratio = trust * size / (slope + epsilon) if size > 0.0 and slope > 0.0 else 1.0
    for i in range(g.size):
        v[i] = beta * v[i] + (lr * ratio) * g[i]
        theta[i] -= v[i]


@optimizer(
    rule=lambda settings: Rule(_lars, ("velocity",), layerwise=True),
    limits={"beta": SHARE, "trust": POSITIVE, "weight_decay": NOT_NEGATIVE, "epsilon": NOT_NEGATIVE},
)
def lars(
    step: Any,
    lr: float = 1.0,
    beta: float = 0.9,
    trust: float = 1e-3,
    weight_decay: float = 0.0,
    epsilon: float = 0.0,
) -> Any:
    """LARS: u = g + λ θ; v ← β v + lr · η ‖θ‖/‖u‖ · u; θ ← θ − v, for each tensor; η = ``trust``.

    The ratio is 1 where a norm is 0.  As optax's ``lars`` (biases and all, ratio and decay
    unmasked); PyTorch has none.  Source: You, Gitman & Ginsburg 2017.
    """
    return lr, beta, trust, weight_decay, epsilon


def _lamb(kind, shape, theta, g, m, v, lr, beta1, gain1, beta2, gain2, corrected, root, epsilon, decay):
    u = g
    for i in range(g.size):
        m[i] = beta1 * m[i] + gain1 * g[i]
        v[i] = beta2 * v[i] + gain2 * (g[i] * g[i])
        u[i] = corrected * m[i] / (sqrt(v[i]) * root + epsilon) + decay * theta[i]
    size, slope = length(theta), length(u)
    ratio = size / slope if size > 0.0 and slope > 0.0 else 1.0
    for i in range(g.size):
        theta[i] -= (lr * ratio) * u[i]


@optimizer(
    rule=lambda settings: Rule(_lamb, MOMENTS, layerwise=True), limits={**BETAS, "weight_decay": NOT_NEGATIVE}
)
def lamb(
    step: Any,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-6,
    weight_decay: float = 0.0,
) -> Any:
    """LAMB: u = m̂ / (√v̂ + ε) + λ θ; θ ← θ − lr · ‖θ‖/‖u‖ · u, for each tensor; ratio 1 where a norm is 0.

    As optax's ``lamb``; PyTorch has none.  Source: You et al. 2020.
    """
    root = 1.0 / (1.0 - beta2**step) ** 0.5
    corrected = 1.0 / (1.0 - beta1**step)
    return lr, beta1, 1.0 - beta1, beta2, 1.0 - beta2, corrected, root, epsilon, weight_decay


def adam_flat(theta, g, m, v, rate, beta1, gain1, beta2, gain2, root, epsilon):
    """Adam on a whole tensor, for rules that leave some tensors to it."""
    for i in range(g.size):
        m[i] = beta1 * m[i] + gain1 * g[i]
        v[i] = beta2 * v[i] + gain2 * (g[i] * g[i])
        theta[i] -= rate * (m[i] / (sqrt(v[i]) * root + epsilon))


def _muon(
    kind,
    shape,
    theta,
    g,
    m,
    v,
    keep,
    lr,
    beta,
    gain,
    now,
    ahead,
    rate,
    beta1,
    gain1,
    beta2,
    gain2,
    root,
    epsilon,
):
    if kind == HIDDEN:
        u = g
        for i in range(g.size):
            m[i] = beta * m[i] + gain * g[i]
            u[i] = now * g[i] + ahead * m[i]
        size = max(length(u), epsilon)
        for i in range(g.size):
            u[i] /= size
        move = orthogonal(u.reshape(shape), 5, 3.4445, -4.7750, 2.0315).reshape(u.size)
        tall = lr * sqrt(real(max(shape[0], shape[1]), lr) / real(shape[1], lr))
        for i in range(g.size):
            theta[i] = keep * theta[i] - tall * move[i]
    else:
        adam_flat(theta, g, m, v, rate, beta1, gain1, beta2, gain2, root, epsilon)


@optimizer(
    rule=lambda settings: Rule(_muon, MOMENTS, layerwise=True),
    limits={**BETAS, "momentum": SHARE, "weight_decay": NOT_NEGATIVE, "adam_share": POSITIVE},
)
def muon(
    step: Any,
    lr: float = 1e-3,
    momentum: float = 0.95,
    nesterov: bool = True,
    bias_correction: bool = False,
    weight_decay: float = 0.1,
    adam_share: float = 1.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-7,
) -> Any:
    """Muon: m ← μ m + (1 − μ) G; W ← W − lr · (λ W + √max(1, rows/columns) · NS((1 − μ) G + μ m)).

    NS divides by the norm and makes singular values about 1 by five Newton–Schulz steps
    (3.4445, −4.7750, 2.0315).  Hidden matrices only: the first and the last layer and all vectors
    take Adam with lr · ``adam_share`` and without decay.  As PyTorch's ``Muon``, which rounds NS to
    bfloat16; ``bias_correction`` divides g by 1 − μᵗ and m by 1 − μᵗ⁺¹ as optax's ``muon`` does, which
    gives the rest Nesterov's Adam and decays nothing unless asked.
    Source: Jordan et al. 2024.
    """
    now = 1.0 - momentum if nesterov else 0.0
    ahead = momentum if nesterov else 1.0
    if bias_correction:
        now /= 1.0 - momentum**step
        ahead /= 1.0 - momentum ** (step + 1.0 if nesterov else step)
    rate = lr * adam_share / (1.0 - beta1**step)
    root = 1.0 / (1.0 - beta2**step) ** 0.5
    return (
        1.0 - lr * weight_decay, lr, momentum, 1.0 - momentum, now, ahead,
        rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, root, epsilon,
    )  # fmt: skip


def _shampoo(kind, shape, theta, g, left, right, lr, epsilon):
    slope = g.reshape(shape)
    one, back = real(1, lr), turned(slope)
    mix(left, one, one, product(slope, back))
    mix(right, one, one, product(back, slope))
    move = product(power(left, epsilon, -0.5 if kind == VECTOR else -0.25), slope)
    if kind != VECTOR:
        move = product(move, power(right, epsilon, -0.25))
    flat = move.reshape(g.size)
    for i in range(g.size):
        theta[i] -= lr * flat[i]


@optimizer(rule=lambda settings: Rule(_shampoo, (), layerwise=True, pairs=1), limits={"epsilon": POSITIVE})
def shampoo(step: Any, lr: float = 1e-1, epsilon: float = 1e-4) -> Any:
    """Shampoo: L ← L + G Gᵀ; R ← R + Gᵀ G; W ← W − lr · L^(−1/4) G R^(−1/4), L₀ = R₀ = ε · 1.

    A vector has L alone, with power −1/2.  The paper's algorithms 1 and 2, roots taken every
    step from the eigenvalues; later codes average L and R and take roots now and then.
    Source: Gupta, Koren & Singer 2018.
    """
    return lr, epsilon


def _soap(
    kind, shape, theta, g, m, v, left, right, basis, other,
    rate, beta1, gain1, beta2, gain2, share, gain, off, on, refresh, root, epsilon,
):  # fmt: skip
    if kind == VECTOR:
        adam_flat(theta, g, m, v, rate, beta1, gain1, beta2, gain2, root, epsilon)
        return
    slope, average = g.reshape(shape), m.reshape(shape)
    back = turned(slope)
    mix(average, beta1, gain1, slope)
    mix(left, share, gain, product(slope, back))
    mix(right, share, gain, product(back, slope))
    if refresh > 0.0:
        mix(basis, off, on, eigen(left)[1])
        mix(other, off, on, eigen(right)[1])
    basis_turned = turned(basis)
    seen = product(product(basis_turned, slope), other).reshape(g.size)
    move = product(product(basis_turned, average), other)
    moved = move.reshape(g.size)
    for i in range(g.size):
        v[i] = beta2 * v[i] + gain2 * (seen[i] * seen[i])
        moved[i] /= sqrt(v[i]) * root + epsilon
    moved = product(product(basis, move), turned(other)).reshape(g.size)
    for i in range(g.size):
        theta[i] -= rate * moved[i]


@optimizer(
    rule=lambda settings: Rule(_soap, MOMENTS, layerwise=True, pairs=2),
    limits={**BETAS, "shampoo_beta": SHARE, "every": Range(1, whole=True)},
)
def soap(
    step: Any,
    lr: float = 3e-3,
    beta1: float = 0.95,
    beta2: float = 0.95,
    epsilon: float = 1e-8,
    shampoo_beta: float = 0.95,
    every: int = 10,
) -> Any:
    """SOAP, Adam in Shampoo's basis: W ← W − lr · Q_L [Q_Lᵀ m̂ Q_R / (√v̂ + ε)] Q_Rᵀ.

    v is the average of (Q_Lᵀ G Q_R)²; Q_L, Q_R hold the eigenvectors of the averages of G Gᵀ and
    Gᵀ G, taken anew on steps 1, 1 + ``every``, …; vectors take Adam.  The paper's code refreshes the
    basis by one step of the power method and leaves out the first update.  Source: Vyas et al. 2025.
    """
    refresh = 1.0 if (step - 1.0) % every == 0.0 else 0.0
    root = 1.0 / (1.0 - beta2**step) ** 0.5
    rate = lr / (1.0 - beta1**step)
    kept = shampoo_beta, 1.0 - shampoo_beta, 0.0, 1.0
    return rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, *kept, refresh, root, epsilon


FUNCTIONS = (adam_flat,)
"""What the kernels compile as it stands."""
