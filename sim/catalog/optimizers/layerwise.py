"""Rules that look at a whole tensor of a layer: LARS, LAMB, Muon, Shampoo, SOAP.

Their updates change tensors in place (see ``Rule``), the gradient too where it serves as room
for what is made of it.  They are written as loops, for array expressions take the compiler ten
times as long; those of matrices ask for room to work in.
"""

from __future__ import annotations

from typing import Any

from sim.catalog.limits import Range
from sim.catalog.mathematics import sqrt
from sim.catalog.matrices import eigen, inner, mix, part, power, product, turn
from sim.catalog.optimizers.family import HIDDEN, NOT_NEGATIVE, POSITIVE, SHARE, VECTOR, Rule, optimizer
from sim.catalog.optimizers.moments import BETAS, MOMENTS


def length(vector: Any) -> Any:
    """√Σ entries², in the vector's precision."""
    return sqrt(inner(vector, vector))


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


def orthogonal(matrix: Any, rows: Any, columns: Any, spare: Any, first: Any, third: Any, fifth: Any) -> None:
    """Five Newton–Schulz steps, X ← a X + b (X Xᵀ) X + c (X Xᵀ)² X; singular values tend to about 1."""
    size, square = matrix.size, rows * rows
    other, back = part(spare, 0, size), part(spare, size, size)
    gram, inner = part(spare, 2 * size, square), part(spare, 2 * size + square, square)
    for _ in range(5):
        turn(back, matrix, rows, columns)
        product(gram, matrix, back, rows, columns, rows)
        product(inner, gram, gram, rows, rows, rows)
        mix(inner, fifth, third, gram)
        product(other, inner, matrix, rows, rows, columns)
        for i in range(size):
            matrix[i] = first * matrix[i] + other[i]


def _muon(
    kind, shape, theta, g, m, v, spare, keep, lr, beta, gain, now, ahead,
    rate, beta1, gain1, beta2, gain2, root, epsilon,
):  # fmt: skip
    if kind != HIDDEN:
        adam_flat(theta, g, m, v, rate, beta1, gain1, beta2, gain2, root, epsilon)
        return
    rows, columns = shape
    squares = 0.0
    for i in range(g.size):
        m[i] = beta * m[i] + gain * g[i]
        g[i] = now * g[i] + ahead * m[i]
        squares += g[i] * g[i]
    size = sqrt(squares)
    if size < epsilon:
        size = epsilon
    for i in range(g.size):
        g[i] /= size
    orthogonal(g, rows, columns, spare, 3.4445, -4.7750, 2.0315)
    spare[0] = rows / columns if rows > columns else 1.0  # rounds to the precision of θ
    tall = lr * sqrt(spare[0])
    for i in range(g.size):
        theta[i] = keep * theta[i] - tall * g[i]


@optimizer(
    rule=lambda settings: Rule(_muon, MOMENTS, layerwise=True, room=4),
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


def _shampoo(kind, shape, theta, g, left, right, spare, lr, epsilon):
    rows, columns = shape
    size = g.size
    square = left.size if rows > columns else right.size
    move, back = part(spare, 0, size), part(spare, size, size)
    root, rest = part(spare, 2 * size, square), part(spare, 2 * size + square, 3 * square)
    turn(back, g, rows, columns)
    product(root, g, back, rows, columns, rows)
    for i in range(left.size):
        left[i] += root[i]
    power(root, left, rows, epsilon, -0.5 if kind == VECTOR else -0.25, rest)
    product(move, root, g, rows, rows, columns)
    if kind != VECTOR:
        product(root, back, g, columns, rows, columns)
        for i in range(right.size):
            right[i] += root[i]
        power(root, right, columns, epsilon, -0.25, rest)
        product(back, move, root, rows, columns, columns)
        move = back
    for i in range(size):
        theta[i] -= lr * move[i]


@optimizer(
    rule=lambda settings: Rule(_shampoo, (), layerwise=True, pairs=1, room=6), limits={"epsilon": POSITIVE}
)
def shampoo(step: Any, lr: float = 1e-1, epsilon: float = 1e-4) -> Any:
    """Shampoo: L ← L + G Gᵀ; R ← R + Gᵀ G; W ← W − lr · L^(−1/4) G R^(−1/4), L₀ = R₀ = ε · 1.

    A vector has L alone, with power −1/2.  The paper's algorithms 1 and 2, roots taken every
    step from the eigenvalues; later codes average L and R and take roots now and then.
    Source: Gupta, Koren & Singer 2018.
    """
    return lr, epsilon


def _soap(
    kind, shape, theta, g, m, v, left, right, basis, other, spare,
    rate, beta1, gain1, beta2, gain2, share, gain, refresh, root, epsilon,
):  # fmt: skip
    if kind == VECTOR:
        adam_flat(theta, g, m, v, rate, beta1, gain1, beta2, gain2, root, epsilon)
        return
    rows, columns = shape
    size = g.size
    seen, back = part(spare, 0, size), part(spare, size, size)
    square = part(spare, 2 * size, left.size if rows > columns else right.size)
    turn(back, g, rows, columns)
    mix(m, beta1, gain1, g)
    product(square, g, back, rows, columns, rows)
    mix(left, share, gain, square)
    product(square, back, g, columns, rows, columns)
    mix(right, share, gain, square)
    if refresh > 0.0:
        eigen(basis, part(spare, 0, rows), left)
        eigen(other, part(spare, 0, columns), right)
    turn(square, other, columns, columns)
    product(back, basis, g, rows, rows, columns)
    product(seen, back, square, rows, columns, columns)
    product(back, basis, m, rows, rows, columns)
    product(g, back, square, rows, columns, columns)
    for i in range(size):
        v[i] = beta2 * v[i] + gain2 * (seen[i] * seen[i])
        g[i] /= sqrt(v[i]) * root + epsilon
    turn(square, basis, rows, rows)
    product(back, square, g, rows, rows, columns)
    product(seen, back, other, rows, columns, columns)
    for i in range(size):
        theta[i] -= rate * seen[i]


@optimizer(
    rule=lambda settings: Rule(_soap, MOMENTS, layerwise=True, pairs=2, room=4),
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
    kept = shampoo_beta, 1.0 - shampoo_beta
    return rate, beta1, 1.0 - beta1, beta2, 1.0 - beta2, *kept, refresh, root, epsilon


FUNCTIONS = (length, adam_flat, orthogonal)
"""What the kernels compile as it stands."""
