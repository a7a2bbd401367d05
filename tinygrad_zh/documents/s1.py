"""S1: image recognition, 784–1000–10, gradient descent on the whole training set. Document 000 §4.3, case 1.

    a₀ = x / 255, flattened                        28 × 28 → 784
    a₁ = max(0, a₀ W₁ + b₁)                        ReLU           F01, F12
    z₂ = a₁ W₂ + b₂                                the logits
    J  = −1/n Σᵢ Σ_c y_ic ln softmax(z₂)_ic        cross-entropy  F09, F10 corrected
    W  ← W − α ∂J/∂W,  b ← b − α ∂J/∂b             α = 0.01       F07

n is all 1,000 images, so an epoch is one step. Two errata of the document: it puts a ReLU on the output too
(F03), where a negative z₂ would get no gradient and ŷ would be no probability; and its W₁ is one row of 784
numbers with 784 biases (F06): as X W + b, W₁ is 784 × 1000 with 1,000 biases, W₂ 1000 × 10 with 10. The document
gives no accuracy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from tinygrad_zh import data, nn
from tinygrad_zh import functional as F
from tinygrad_zh.core import manual_seed, tensor
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.report import Milestones, complete, heading, say, table
from tinygrad_zh.documents.training import step
from tinygrad_zh.i18n import text
from tinygrad_zh.optim import SGD, Adam, Optimizer
from tinygrad_zh.train import Callback, evaluate, fit, metrics

INPUT = (1, 28, 28)
IMAGES, EPOCHS, ALPHA = 1000, 1000, 0.01


def network() -> nn.Module:
    """784–1000–10 with a ReLU between; the softmax is in the loss."""
    return nn.Sequential(nn.Flatten(), nn.Dense(784, 1000), nn.ReLU(), nn.Dense(1000, 10))


def images(seed: int) -> tuple[data.Images, data.Images]:
    """1,000 images to train on and 1,000 others to validate, 100 of each class in both, of the shipped digits."""
    x, y = data.digits().pixels, data.digits().labels
    x, x_out, y, y_out = data.train_test_split(x, y, test_size=IMAGES, seed=seed, stratify=y)
    _, x, _, y = data.train_test_split(x, y, test_size=IMAGES, seed=seed, stratify=y)
    return data.Images(x, y), data.Images(x_out, y_out)


def train_once(seed: int, epochs: int, batch_size: int = IMAGES, optimizer: type[Optimizer] = SGD,
               lr: float = ALPHA, callbacks: tuple[Callback, ...] = ()) -> dict[str, float]:
    """Accuracy and loss on the training and the validation images; how many steps and seconds it took."""
    manual_seed(seed)
    model = network()
    train, validation = ((data.to_unit(part.pixels), part.labels) for part in images(seed))
    began = time.perf_counter()
    complete(fit(model, train, loss=F.cross_entropy, optimizer=optimizer(model.parameters(), lr), epochs=epochs,
                 batch_size=batch_size, metrics=[metrics.accuracy], callbacks=callbacks, progress="none"))
    seconds = time.perf_counter() - began
    figures = evaluate(model, train, F.cross_entropy, [metrics.accuracy])
    unseen = evaluate(model, validation, F.cross_entropy, [metrics.accuracy])
    return {**figures, **{f"validation_{name}": value for name, value in unseen.items()},
            "steps": epochs * -(-IMAGES // batch_size), "seconds": seconds}


def first_step() -> Callable[[], None]:
    """The first step on four of the images, for the stepper."""
    manual_seed(0)
    model, (few, _) = network(), images(seed=0)
    x, y = tensor(data.to_unit(few.pixels[:4])), few.labels[:4]
    return partial(step, model, x, y, F.cross_entropy, SGD(model.parameters(), ALPHA))


def run(options: Options) -> dict[str, float]:
    """The document's training; then as many steps on small batches, and what does better."""
    options = options.only("S1", "epochs")
    epochs = options.epochs or EPOCHS
    heading("s1", images=IMAGES, parameters=sum(p.size for p in network().parameters()))
    whole = train_once(options.seed, epochs, callbacks=(Milestones(epochs),))
    batches = train_once(options.seed, -(-epochs * 32 // IMAGES), batch_size=32)
    adam = train_once(options.seed, 10, batch_size=32, optimizer=Adam, lr=0.001)
    show({"s1.whole": whole, "s1.batches": batches, "s1.adam": adam})
    say("s1.why", accuracy=whole["validation_accuracy"], adam=adam["validation_accuracy"])
    say("s1.next")
    return {**whole, **{f"batches_{name}": value for name, value in batches.items()},
            **{f"adam_{name}": value for name, value in adam.items()}}


def show(trainings: dict[str, dict[str, float]]) -> None:
    """Print the trainings as a table."""
    accuracies = ("accuracy", "validation_accuracy")
    head = [text("s1.method"), text("s1.steps"), *(text(f"train.figure.{name}") for name in accuracies)]
    table([*head, text("s1.seconds")],
          *([text(key), f"{f['steps']:,}", *(f"{f[name]:.3f}" for name in accuracies), f"{f['seconds']:.1f}"]
            for key, f in trainings.items()))
