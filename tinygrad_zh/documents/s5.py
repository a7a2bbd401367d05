"""S5: regression, 2–10–1, on 100 samples. Document 002 §4.3 and §5.

    x  := (x − mean) / std, per feature            of the training part alone  F19
    a₁ = max(0, x W₁ + b₁)                         ReLU, as in its §5          F01, F12
    ŷ  = a₁ W₂ + b₂                                no activation               F20 corrected
    L  = 1/n Σ (ŷ − y)²                            MSE                         F08
    W  ← W − α ∂L/∂W,  b ← b − α ∂L/∂b             SGD                         F07
    W, b ~ U(−1, 1) to begin with                                              F16

The document calls it a linear regression, and its formula has an activation on the output (F20): with a hidden
layer it is no linear model, and a ReLU there could never predict a negative y. Its gradient formula counts the
activation's derivative twice (F18); backpropagation does not. It claims a test MSE of 0.01 (§4.3, the goal being
< 0.1), prints a final loss of 0.0595 (§5), and gives no data, so the 100 samples here are synthetic; beside them
the same network learns real prices of houses in Ames from two features.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.core import manual_seed, tensor
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.regression import Task, compare, show, standardised
from tinygrad_zh.documents.report import complete, heading, say
from tinygrad_zh.documents.training import step
from tinygrad_zh.i18n import text
from tinygrad_zh.nn.init import uniform
from tinygrad_zh.optim import SGD
from tinygrad_zh.train import fit, predict

INPUT = (1, 2)
PLANE, HOUSES = ("x1", "x2"), ("Gr_Liv_Area", "Year_Built")
ALPHA, NOISE = 0.01, 0.1


def network() -> nn.Module:
    """2–10–1, a ReLU between, weights and biases from U(−1, 1)."""
    return nn.Sequential(nn.Dense(2, 10, init=uniform, bias_init=uniform), nn.ReLU(),
                         nn.Dense(10, 1, init=uniform, bias_init=uniform))


def train_once(seed: int, task: Task, epochs: int, batch_size: int, lr: float = ALPHA) -> dict[str, float]:
    """Held-out MSE and R² of the network after training and of its baselines; the last epoch's loss."""
    manual_seed(seed)
    model = network()
    history = complete(fit(model, (task.x, task.y), loss=F.mse_loss, optimizer=SGD(model.parameters(), lr),
                           epochs=epochs, batch_size=batch_size, progress="none"))
    return {**compare(task, predict(model, task.x_out)), "loss": history["loss"][-1]}


def first_step() -> Callable[[], None]:
    """The first step on four samples of the plane, for the stepper."""
    manual_seed(0)
    model, task = network(), standardised(data.plane(noise=NOISE), PLANE, seed=0)
    return partial(step, model, tensor(task.x[:4]), task.y[:4], F.mse_loss, SGD(model.parameters(), ALPHA))


def run(options: Options) -> dict[str, float]:
    """The synthetic plane, with small batches and as §5 trains; then the houses."""
    options = options.only("S5", "epochs", "batch_size")
    plane = standardised(data.plane(noise=NOISE), PLANE, options.seed)
    heading("s5", train=len(plane.x), held_out=len(plane.x_out))
    epochs, batch_size = options.epochs or 1000, options.batch_size or 10
    say("s5.training", epochs=epochs, batch_size=batch_size, alpha=ALPHA)
    figures = train_once(options.seed, plane, epochs, batch_size)
    show(figures, text("s5.network"))
    by_section_5 = train_once(options.seed, plane, epochs, len(plane.x), lr=0.001)
    say("s5.plane", mse=figures["mse"], noise=(NOISE / plane.unit) ** 2, least_squares=figures["least_squares_mse"],
        loss=by_section_5["loss"], by_section_5=by_section_5["mse"])

    houses = standardised(data.ames(), HOUSES, options.seed)
    say("s5.houses", train=len(houses.x), held_out=len(houses.x_out), features=", ".join(HOUSES))
    epochs, batch_size = options.epochs or 100, options.batch_size or 32
    say("s5.training", epochs=epochs, batch_size=batch_size, alpha=ALPHA)
    prices = train_once(options.seed, houses, epochs, batch_size)
    show(prices, text("s5.network"))
    say("s5.next", dollars=houses.unit * prices["mse"] ** 0.5)
    return {**figures, "section_5_mse": by_section_5["mse"], "section_5_loss": by_section_5["loss"],
            **{f"ames_{name}": value for name, value in prices.items()}}
