"""S7: a network on random data, 100–128–64–1. Document 004 §5.

    a₁ = max(0, x W₁ + b₁),  a₂ = max(0, a₁ W₂ + b₂)      ReLU                  F12
    ŷ  = σ(a₂ W₃ + b₃)                                    sigmoid               F13
    L  = −1/n Σ (y ln ŷ + (1 − y) ln(1 − ŷ))              binary cross-entropy  F11
    W  ← Adam(W, ∂L/∂W)                                   batches of 32         F27

Inputs and labels are drawn from U(0, 1), and the labels have nothing to do with the inputs. The document prints
a validation loss of 0.2805 and an accuracy of 0.895. Both are impossible:

    L(ŷ, y) ≥ H(y) = −y ln y − (1 − y) ln(1 − y),  equal only at ŷ = y
    E[H(y)] = ∫₀¹ H(y) dy = 2 ∫₀¹ −y ln y dy = 2 · ¼ = ½      the least, even for a network that knows y
    E[L(c, y)] = −½ ln c − ½ ln(1 − c) ≥ ln 2 ≈ 0.693         the least without knowing y, at c = ½

and the accuracy that its library counts, the share of labels that equal the class (ŷ > 0.5) exactly, is 0 where
labels are continuous, whatever ŷ is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.core import manual_seed, tensor
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.report import complete, heading, say, table
from tinygrad_zh.documents.training import step
from tinygrad_zh.i18n import text
from tinygrad_zh.optim import Adam
from tinygrad_zh.train import fit, metrics, predict

INPUT = (1, 100)
TRAINING, VALIDATION, EPOCHS, BATCH_SIZE = 1000, 200, 10, 32
CLAIM = {"loss": 0.2805, "accuracy": 0.895}


def network() -> nn.Module:
    """100–128–64–1: ReLU, ReLU, sigmoid."""
    return nn.Sequential(nn.Dense(100, 128), nn.ReLU(), nn.Dense(128, 64), nn.ReLU(),
                         nn.Dense(64, 1), nn.Sigmoid())


def measured(prediction: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Binary cross-entropy, and the share of labels that equal the predicted class. With ŷ = y the loss is H(y)."""
    return {"loss": float(F.binary_cross_entropy(prediction, y)),
            "accuracy": metrics.exact_match(prediction > 0.5, y)}


def train_once(seed: int, epochs: int = EPOCHS, batch_size: int = BATCH_SIZE, progress: str = "none",
               ) -> dict[str, dict[str, float]]:
    """Loss and accuracy on the validation data, of the network, of always 0.5, and of the labels themselves."""
    draw = manual_seed(seed)
    x, x_out = draw.random((TRAINING, 100), np.float32), draw.random((VALIDATION, 100), np.float32)
    y, y_out = draw.random((TRAINING, 1), np.float32), draw.random((VALIDATION, 1), np.float32)
    model = network()
    complete(fit(model, (x, y), validation=(x_out, y_out), loss=F.binary_cross_entropy,
                 optimizer=Adam(model.parameters()), epochs=epochs, batch_size=batch_size, progress=progress))
    return {"training": measured(predict(model, x), y), "network": measured(predict(model, x_out), y_out),
            "constant": measured(np.full_like(y_out, 0.5), y_out), "labels": measured(y_out, y_out)}


def first_step() -> Callable[[], None]:
    """The first step on four random samples, for the stepper."""
    draw = manual_seed(0)
    x, y, model = draw.random((4, 100), np.float32), draw.random((4, 1), np.float32), network()
    return partial(step, model, tensor(x), y, F.binary_cross_entropy, Adam(model.parameters()))


def run(options: Options) -> dict[str, float]:
    """The document's training, and beside its claim what was measured and what is possible."""
    options = options.only("S7", "epochs", "batch_size")
    heading("s7", train=TRAINING, held_out=VALIDATION)
    found = train_once(options.seed, options.epochs or EPOCHS, options.batch_size or BATCH_SIZE, progress="auto")
    table([text("s7.who"), text("train.figure.loss"), text("train.figure.accuracy")],
          *([text(f"s7.{who}"), f"{figures['loss']:.4f}", f"{figures['accuracy']:.3f}"]
            for who, figures in {"claim": CLAIM, **found}.items()))
    say("s7.why", training=found["training"]["loss"], validation=found["network"]["loss"])
    say("s7.next")
    return {f"{who}_{name}": value for who, figures in found.items() for name, value in figures.items()}
