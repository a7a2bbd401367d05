"""S6: binary classifier, 3–10–10–1, two training points. Document 003 §4.3 and §5.

    A₁ = X
    Z_n = A_{n−1} W_n + b_n                        n = 2, 3, 4                        F21 corrected
    A₂ = σ(Z₂),  A₃ = max(0, Z₃),  ŷ = σ(Z₄)       sigmoid, ReLU, sigmoid             F13, F12
    J  = −1/n Σ (y ln ŷ + (1 − y) ln(1 − ŷ))       binary cross-entropy, both points  F11
    W  ← W − α ∂J/∂W,  b ← b − α ∂J/∂b             α = 0.01                           F07

Two errata of the document: it feeds Z_{n−1}, not A_{n−1}, to the next layer (F21), and then all the layers are one
affine map (`without_activations`, `collapsed`); and it puts a ReLU on the output and asks whether that exceeds 0.5
(F22), a threshold for a probability, so for the sigmoid that its own code has. It trains for 10 epochs and claims
no figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.core import Tensor, grad, manual_seed, no_grad, tensor
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.report import heading, say, table
from tinygrad_zh.i18n import text

INPUT = (1, 3)
POINTS, LABELS, QUESTION = [[1.0, 0.0, 1.0], [1.0, 1.0, 0.0]], [[0.0], [1.0]], [[1.0, 1.0, 1.0]]
ALPHAS, EPOCHS, SEEDS, LIMIT = (0.01, 0.1, 1.0), 10, 100, 10_000


class Network(nn.Module):
    """ŷ = σ(max(0, σ(X W₂ + b₂) W₃ + b₃) W₄ + b₄)"""

    def __init__(self) -> None:
        self.layers = [nn.Dense(3, 10), nn.Dense(10, 10), nn.Dense(10, 1)]

    def forward(self, X: Any) -> Any:
        second, third, fourth = self.layers
        A2 = F.sigmoid(second(X))
        A3 = F.relu(third(A2))
        return F.sigmoid(fourth(A3))


def network() -> Network:
    """3–10–10–1 with fresh weights."""
    return Network()


def step(model: nn.Module, X: Tensor, Y: Tensor, alpha: float) -> None:
    """W ← W − α ∂J/∂W, for every weight and bias."""
    parameters = model.parameters()
    J = F.binary_cross_entropy(model(X), Y)
    gradients: Any = grad(J, parameters)
    with no_grad():
        for W, dW in zip(parameters, gradients, strict=True):
            W.assign(W - alpha * dW)


def both_right(model: nn.Module, X: Tensor, Y: Tensor) -> bool:
    """Whether ŷ > 0.5 for the point of class 1 and not for the other."""
    return bool(((model(X).numpy() > 0.5) == Y.numpy()).all())


def first_step() -> Callable[[], None]:
    """The first step on both points, for the stepper."""
    manual_seed(0)
    return partial(step, network(), tensor(POINTS), tensor(LABELS), ALPHAS[0])


class Outcome(NamedTuple):
    """After how many epochs both points were first right (∞: never), and ŷ for [1, 1, 1] at that time."""

    epochs: float
    answer: float


def train_once(seed: int, alpha: float = ALPHAS[0], limit: int = LIMIT) -> Outcome:
    """Train until both points are right, for `limit` epochs at most. An epoch is one step on both points."""
    manual_seed(seed)
    model, X, Y = network(), tensor(POINTS), tensor(LABELS)
    epochs = 0
    while not both_right(model, X, Y) and epochs < limit:
        step(model, X, Y, alpha)
        epochs += 1
    return Outcome(epochs if both_right(model, X, Y) else math.inf, model(QUESTION).item())


def train_many(seed: int, alpha: float, limit: int = LIMIT, seeds: int = SEEDS) -> dict[str, float]:
    """Quartiles of the epochs of many networks, and how many were right in time, untrained, or answer 1."""
    outcomes = [train_once(seed + i, alpha, limit) for i in range(seeds)]
    epochs = np.array([outcome.epochs for outcome in outcomes])
    lower, median, upper, longest = np.quantile(epochs, (0.25, 0.5, 0.75, 1), method="inverted_cdf").tolist()
    return {"lower": lower, "median": median, "upper": upper, "longest": longest,
            "within": int((epochs <= EPOCHS).sum()), "untrained": int((epochs == 0).sum()),
            "answer_1": sum(outcome.answer > 0.5 for outcome in outcomes)}


def without_activations(model: Network, X: Any) -> Any:
    """Z₄ as F21 is printed: Z_n = Z_{n−1} W_n + b_n, nothing between the layers."""
    for layer in model.layers:
        X = layer(X)
    return X


def collapsed(model: Network) -> tuple[Any, Any]:
    """The one W (3, 1) and b (1,) of the affine map X W + b that `without_activations` amounts to."""
    W, b = np.eye(3), np.zeros(3)
    for layer in model.layers:
        W_n, b_n = (parameter.numpy() for parameter in layer.parameters())
        W, b = W @ W_n, b @ W_n + b_n
    return W, b


def run(options: Options) -> dict[str, float]:
    """After how many epochs are both points right? With the document's α, and with two greater ones."""
    options = options.only("S6", "epochs")
    manual_seed(options.seed)
    heading("s6", seeds=SEEDS)
    W, b = collapsed(network())
    say("s6.collapse", weights=", ".join(f"{w:.3f}" for w in W.ravel()), bias=b.item())
    found = {alpha: train_many(options.seed, alpha, options.epochs or LIMIT) for alpha in ALPHAS}
    columns = ("lower", "median", "upper", "longest", "within")
    table(["α", *(text(f"s6.{name}") for name in columns)],
          *([f"{alpha:g}", *(f"{figures[name]:,.0f}".replace("inf", "∞") for name in columns)]
            for alpha, figures in found.items()))
    as_written = found[ALPHAS[0]]
    say("s6.why", seeds=SEEDS, epochs=EPOCHS, **as_written)
    say("s6.next")
    return as_written
