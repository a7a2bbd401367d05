"""S8: house prices, ŷ = w·x, by gradient descent. Document 004 §4.3.

    ŷ  = X w                                    X (n, 15): 14 standardised features, and a column of ones
    J  = ½ Σ (yᵢ − ŷᵢ)² = ½ ‖y − X w‖²                                       F23
    ∇J = −Σ (yᵢ − ŷᵢ) xᵢ = −Xᵀ (y − X w)        the document has no minus    F24 corrected
    w  ← w − α ∇J                                                            F07

How large may α be? J is quadratic with second derivative XᵀX, so a step takes w − w* to (I − α XᵀX)(w − w*): along
the eigenvector of λ the error is multiplied by 1 − α λ. All of these lie within ±1 only if 0 < α < 2/λ_max, and
α = 1/λ_max is safe. With the document's sign they are 1 + α λ > 1, and J grows whatever α is. The document claims
no figure.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.check import Report, gradcheck
from tinygrad_zh.core import Tensor, grad, manual_seed, no_grad, tensor
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.regression import Array, compare, least_squares, show, standardised, with_ones
from tinygrad_zh.documents.report import heading, say, table
from tinygrad_zh.i18n import text

INPUT = (1, 15)
STEPS, FEW_STEPS = 1000, 30
Gradient = Callable[[Array, Array, Array], Array]


def network() -> nn.Dense:
    """ŷ = X w: one layer without a bias, since X has a column of ones."""
    return nn.Dense(15, 1, bias=False)


def cost(w: Array, X: Array, y: Array) -> float:
    """J = ½ Σ (yᵢ − w·xᵢ)²"""
    return F.half_squared_error(X @ w, y).item()


def nabla(w: Tensor, X: Array, y: Array) -> Tensor:
    """∇J, by the engine. 中文：J 的梯度。"""
    J = F.half_squared_error(X @ w, y)
    return grad(J, w)[0]


def backpropagated(w: Array, X: Array, y: Array) -> Array:
    """∇J of arrays, by the engine."""
    return nabla(tensor(w, requires_grad=True), X, y).numpy()


def corrected(w: Array, X: Array, y: Array) -> Array:
    """∇J = −Xᵀ (y − X w), F24 with its sign."""
    return -X.T @ (y - X @ w)


def as_printed(w: Array, X: Array, y: Array) -> Array:
    """Xᵀ (y − X w), F24 as the document has it: −∇J."""
    return X.T @ (y - X @ w)


def checked(gradient: Gradient, w: Array, X: Array, y: Array) -> Report:
    """A gradient against finite differences of J."""
    return gradcheck(lambda w: cost(w, X, y), w, grad=lambda w: gradient(w, X, y))


def descend(gradient: Gradient, w: Array, X: Array, y: Array, alpha: float, steps: int) -> Array:
    """w after `steps` times w ← w − α ∇J."""
    for _ in range(steps):
        w = w - alpha * gradient(w, X, y)
    return w


def step(w: Tensor, X: Array, y: Array, alpha: float) -> None:
    """w ← w − α ∇J, as `descend` goes, on a tensor."""
    gradient = nabla(w, X, y)
    with no_grad():
        w.assign(w - alpha * gradient)


def first_step() -> Callable[[], None]:
    """The first step on four of the houses, for the stepper. α = 1/λ_max of these four."""
    manual_seed(0)
    task = standardised(data.ames(), data.ames().names, seed=0)
    X, y = with_ones(task.x[:4]), task.y[:4]
    return partial(step, network().W, X, y, 1 / largest_eigenvalue(X))


def largest_eigenvalue(X: Array) -> float:
    """λ_max of XᵀX."""
    return float(np.linalg.eigvalsh(X.T @ X)[-1])


def run(options: Options) -> dict[str, float]:
    """See what a wrong sign and too large an α do; then descend to w*, and compare it with least squares."""
    options = options.only("S8", "epochs")
    manual_seed(options.seed)
    task = standardised(data.ames(), data.ames().names, options.seed)
    X, y, w = with_ones(task.x), task.y, network().W.numpy()
    heading("s8", train=len(X), held_out=len(task.y_out))
    right, wrong = checked(backpropagated, w, X, y), checked(as_printed, w, X, y)
    say("s8.sign", error=max(row.relative_error for row in right.comparisons), diagnosis=wrong.failures[0])

    steepest = largest_eigenvalue(X)
    say("s8.alpha", steepest=steepest, bound=2 / steepest)
    trials = ((corrected, 1.0), (corrected, 1.9), (corrected, 2.1), (as_printed, 1.0))
    after = [cost(descend(gradient, w, X, y, share / steepest, FEW_STEPS), X, y) for gradient, share in trials]
    table([text("s8.gradient"), "α · λ_max", text("s8.before"), text("s8.after", steps=FEW_STEPS)],
          *([text(f"s8.{gradient.__name__}"), f"{share}", f"{cost(w, X, y):,.0f}", f"{J:,.4g}"]
            for (gradient, share), J in zip(trials, after, strict=True)))

    steps = options.epochs or STEPS
    w = descend(backpropagated, w, X, y, 1 / steepest, steps)
    say("s8.trained", steps=steps, cost=cost(w, X, y), least=cost(least_squares(task), X, y))
    figures = compare(task, with_ones(task.x_out) @ w)
    show(figures, text("s8.descent"))
    say("s8.next", dollars=task.unit * figures["mse"] ** 0.5)
    return {**figures, "cost": cost(w, X, y), "cost_with_printed_sign": after[-1]}
