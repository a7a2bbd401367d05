"""S11: a convolutional network on pictures of clothes. Document 004 §4.4.

    a₀ = x / 255                                  1 × 28 × 28
    a₁ = maxpool(max(0, W₁ ∗ a₀ + b₁))            8 kernels of 3 × 3    8 × 14 × 14
    a₂ = maxpool(max(0, W₂ ∗ a₁ + b₂))            16 kernels of 3 × 3   16 × 7 × 7
    z₃ = a₂ W₃ + b₃, a₂ flattened                 784 → 10, the logits
    L  = −1/n Σᵢ Σ_c y_ic ln softmax(z₃)_ic       cross-entropy         F09, F10 corrected
    W  ← Adam(W, ∂L/∂W)                           F27, cosine annealing F26

The document only says that convolutional networks take features out of images, and gives neither a network nor a
figure. Two networks without convolution are trained on the same pictures in the same way: what the convolution adds is
the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tinygrad_zh import data, nn, plot, save
from tinygrad_zh import functional as F
from tinygrad_zh.core import manual_seed, tensor
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.report import complete, heading, say, table
from tinygrad_zh.documents.training import step
from tinygrad_zh.i18n import text
from tinygrad_zh.nn.init import he_uniform
from tinygrad_zh.optim import Adam, CosineAnnealingLR
from tinygrad_zh.train import History, Scheduled, fit, metrics, predict

INPUT = (1, 1, 28, 28)
EPOCHS, RATE = 15, 0.002
Array = np.ndarray[Any, Any]


def network() -> nn.Module:
    """Two convolutions, each with a ReLU and a maximum of 2 × 2 after it, then a dense layer: 9,098 parameters."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, init=he_uniform), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1, init=he_uniform), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dense(784, 10, init=he_uniform),
    )  # fmt: skip


def linear() -> nn.Module:
    """softmax(x W + b): logistic regression on the pixels."""
    return nn.Sequential(nn.Flatten(), nn.Dense(784, 10))


def dense() -> nn.Module:
    """S3's network, 784–128–10."""
    return nn.Sequential(nn.Flatten(), nn.Dense(784, 128, init=he_uniform), nn.ReLU(),
                         nn.Dense(128, 10, init=he_uniform))


WITHOUT = {"linear": linear, "dense": dense}
"""The networks without a convolution."""


def images(options: Options) -> tuple[data.Images, data.Images]:
    """Training and test pictures: the 4,000 and 1,000 that ship, or the whole of Fashion-MNIST."""
    if options.data == "fashion-mnist":
        return data.fashion_mnist(source=options.source)
    if options.data not in (None, "clothes") or options.source:
        raise ValueError(f'S11 has data "clothes" and "fashion-mnist" (and --source only for fashion-mnist), '
                         f"not {options.data!r}")
    return data.clothes()


def inputs(pictures: data.Images) -> Array:
    """Pixels from 0 to 1, with the one channel that grey pictures have."""
    return data.to_unit(pictures.pixels)[:, None]


def train(model: nn.Module, options: Options, train_set: data.Images, test_set: data.Images,
          progress: str = "auto") -> History:
    """Adam, batches of 32, 15 epochs, the learning rate falling to 0 along a cosine."""
    epochs = options.epochs or EPOCHS
    optimizer = Adam(model.parameters(), RATE)
    return fit(
        model,
        (inputs(train_set), train_set.labels),
        validation=(inputs(test_set), test_set.labels),
        loss=F.cross_entropy,
        optimizer=optimizer,
        epochs=epochs,
        batch_size=options.batch_size or 32,
        metrics=[metrics.accuracy],
        callbacks=[Scheduled(CosineAnnealingLR(optimizer, epochs))],
        progress=progress,
    )


def first_step() -> Callable[[], None]:
    """The first step on two pictures, a boot and a shirt, for the stepper."""
    manual_seed(0)
    model, (train_set, _) = network(), images(Options())
    few = [3600, 2400]
    x, y = tensor(inputs(train_set)[few]), train_set.labels[few]
    return partial(step, model, x, y, F.cross_entropy, Adam(model.parameters(), RATE))


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in S3: a second thread gains nothing on such small products
def run(options: Options) -> dict[str, float]:
    """Train the network and the two without convolution; show accuracies, and what was taken for what."""
    options = options.only("S11", "data", "source", "epochs", "batch_size", "out")
    train_set, test_set = images(options)
    heading("s11", train=len(train_set), test=len(test_set))
    figures = {name: _baseline(make, options, train_set, test_set) for name, make in WITHOUT.items()}
    manual_seed(options.seed)
    model = network()
    history = complete(train(model, options, train_set, test_set))
    logits = predict(model, inputs(test_set))
    figures["convolutional"] = metrics.accuracy(logits, test_set.labels)
    _show(figures)
    counts = metrics.confusion(logits, test_set.labels, classes=10)
    say("s11.confused", **_most_confused(counts))
    _write(options.out or Path("tinygrad-zh-s11"), model, history, counts)
    say("s11.next")
    return {f"{name}_accuracy": accuracy for name, accuracy in figures.items()} | {"loss": history["loss"][-1]}


def _baseline(make: Callable[[], nn.Module], options: Options, train_set: data.Images, test_set: data.Images) -> float:
    """The accuracy of a network without convolution, trained in the same way."""
    manual_seed(options.seed)
    model = make()
    complete(train(model, options, train_set, test_set, progress="none"))
    return metrics.accuracy(predict(model, inputs(test_set)), test_set.labels)


def _show(figures: dict[str, float]) -> None:
    made = {**WITHOUT, "convolutional": network}
    table([text("s11.network"), text("s11.parameters"), text("s11.accuracy")],
          *([text(f"s11.{name}"), f"{sum(p.size for p in made[name]().parameters()):,}", f"{accuracy:.3f}"]
            for name, accuracy in figures.items()))


def names() -> list[str]:
    """The classes' names, in the language in force."""
    return text("s11.classes").split("|")


def _most_confused(counts: Array) -> dict[str, Any]:
    """The two classes of which one was taken for the other most often."""
    wrong = counts - np.diag(np.diag(counts))
    true, taken = np.unravel_index(wrong.argmax(), wrong.shape)
    return {"true": names()[true], "taken": names()[taken], "count": wrong.max(), "of": counts[true].sum()}


def _write(folder: Path, model: nn.Module, history: History, counts: Array) -> None:
    """The weights, the loss curve and the confusion matrix, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "model.safetensors"]
    save(model.state_dict(), written[0])
    try:
        written.append(plot.loss_curve(history, folder / "loss.png"))
        written.append(plot.confusion_matrix(counts, names(), folder / "confusion.png"))
    except ImportError as error:
        print(error)
    say("train.written", files="  ".join(str(path) for path in written))
