"""S3: handwritten digits, 784–128–10. Documents 000 §5 and 001 §2.4.2.

    a₀ = x / 255, flattened                      28 × 28 → 784
    a₁ = max(0, a₀ W₁ + b₁)                      ReLU          F01, F12
    z₂ = a₁ W₂ + b₂                              the logits
    L  = −1/n Σᵢ Σ_c y_ic ln softmax(z₂)_ic      cross-entropy F09, F10 corrected
    W  ← Adam(W, ∂L/∂W)                          F27

The softmax of the documents' last layer is inside the loss, where it cannot overflow; ∂L/∂z₂ = (softmax(z₂) − y) / n.
The documents print an accuracy of 0.98 on MNIST's test images.
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
from tinygrad_zh.check import check_model
from tinygrad_zh.core import manual_seed, tensor
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.report import heading, say
from tinygrad_zh.documents.training import step
from tinygrad_zh.i18n import pad, text
from tinygrad_zh.optim import Adam
from tinygrad_zh.train import History, fit, metrics, predict

INPUT = (1, 28, 28)
EPOCHS = {"digits": 20, "mnist": 10}


def network() -> nn.Module:
    """784–128–10 with a ReLU between, so He's initial weights (F17); the softmax is in the loss."""
    he = nn.init.he_uniform
    return nn.Sequential(nn.Flatten(), nn.Dense(784, 128, init=he), nn.ReLU(), nn.Dense(128, 10, init=he))


def images(options: Options) -> tuple[data.Images, data.Images]:
    """Training and held-out images: 4,000 and 1,000 of the shipped digits, or the whole of MNIST."""
    if options.data == "mnist":
        return data.mnist(source=options.source)
    if options.data not in (None, "digits") or options.source:
        raise ValueError(f'S3 has data "digits" and "mnist" (and --source only for mnist), not {options.data!r}')
    every = data.digits()
    x, x_out, y, y_out = data.train_test_split(every.pixels, every.labels, test_size=1000, seed=0,
                                               stratify=every.labels)
    return data.Images(x, y), data.Images(x_out, y_out)


def train(options: Options, train_set: data.Images, held_out: data.Images, progress: str = "auto",
          ) -> tuple[nn.Module, History]:
    """The document's training: Adam, batches of 32, 10 epochs (20 on the smaller set)."""
    model = network()
    history = fit(
        model,
        (data.to_unit(train_set.pixels), train_set.labels),
        validation=(data.to_unit(held_out.pixels), held_out.labels),
        loss=F.cross_entropy,
        optimizer=Adam(model.parameters()),
        epochs=options.epochs or EPOCHS[options.data or "digits"],
        batch_size=options.batch_size or 32,
        metrics=[metrics.accuracy],
        progress=progress,
    )
    return model, history


def first_step() -> Callable[[], None]:
    """The first step on four of the shipped digits, for the stepper."""
    manual_seed(0)
    model, (few, _) = network(), images(Options())
    x, y = tensor(data.to_unit(few.pixels[::1000])), few.labels[::1000]
    return partial(step, model, x, y, F.cross_entropy, Adam(model.parameters()))


# On matrices of 32 rows a second BLAS thread gains nothing, and where another program wants that core each product
# waits for it: measured at up to 30 times the time.
@threadpool_limits.wrap(limits=1, user_api="blas")
def run(options: Options) -> dict[str, float]:
    """Train, check the gradients, and show what was learnt: accuracy, confusion, pictures."""
    manual_seed(options.seed)
    train_set, held_out = images(options)
    heading("s3", train=len(train_set), held_out=len(held_out))
    _check_gradients(train_set)
    model, history = train(options, train_set, held_out)
    if history.stopped:
        say("train.stopped", epochs=len(history.get("loss", ())))
    logits = predict(model, data.to_unit(held_out.pixels))
    accuracy = metrics.accuracy(logits, held_out.labels)
    counts = metrics.confusion(logits, held_out.labels, classes=10)
    say("s3.accuracy", accuracy=accuracy, wrong=len(held_out) - int(np.trace(counts)), held_out=len(held_out))
    print(confusion_table(counts))
    _write(options.out or Path("tinygrad-zh-s3"), model, history, logits, held_out)
    say("s3.next")
    return {"accuracy": accuracy, **({"loss": history["loss"][-1]} if history.get("loss") else {})}


def _check_gradients(train_set: data.Images) -> None:
    """Compare the backward pass of one batch with finite differences, in float64."""
    model = network()
    x, y = data.to_unit(train_set.pixels[:32]), train_set.labels[:32]
    report = check_model(model, (x, y), F.cross_entropy)
    if not report:
        raise ValueError(str(report))
    elements = sum(row.element is not None for row in report.comparisons)
    say("s3.checked", elements=elements, directions=len(report.comparisons) - elements)


def confusion_table(counts: Any) -> str:
    """Rows are the true digits, columns what was read."""
    head = pad(text("train.confusion"), 14) + "".join(f"{c:>5}" for c in range(len(counts)))
    rows = [pad(f"{c}", 14) + "".join(f"{n:>5}" if n else "    ·" for n in row) for c, row in enumerate(counts)]
    return "\n".join([head, *rows])


def _write(folder: Path, model: nn.Module, history: History, logits: Any, held_out: data.Images) -> None:
    """The weights, the loss curve and the misread digits, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "model.safetensors"]
    save(model.state_dict(), written[0])
    probabilities = F.softmax(logits)
    read = probabilities.argmax(axis=1)
    try:
        if history.get("loss"):
            written.append(plot.loss_curve(history, folder / "loss.png"))
        written.append(plot.misread_digits(held_out.pixels, held_out.labels, read, probabilities.max(axis=1),
                                           folder / "misread.png"))
    except ImportError as error:
        print(error)
    say("train.written", files="  ".join(str(path) for path in written))
