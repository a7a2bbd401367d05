"""How often a training step launches a kernel, waits for the GPU, and copies: counted on the stand-in for CuPy.

    python -m tests.devices.launches        writes launches.json anew; a change of it is a commit of its own

What is counted are the formulas, without kernels: each launch costs a GPU some 5 to 10 µs, however small the arrays,
and to wait for it costs all that it could have done meanwhile.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_zh as tz
from tests.support import fake_cupy
from tinygrad_zh import functional as F
from tinygrad_zh.documents import s3
from tinygrad_zh.documents.s4 import reviews
from tinygrad_zh.documents.training import step
from tinygrad_zh.nn import Module
from tinygrad_zh.train import fit

FILE = Path(__file__).with_name("launches.json")
COUNTED = ("launch", "sync", "to device", "to host")


def digits(rng: np.random.Generator) -> tuple[Any, Any]:
    return rng.random((32, 1, 28, 28), np.float32), rng.integers(0, 10, 32)


def texts(rng: np.random.Generator) -> tuple[Any, Any]:
    tokens = rng.integers(2, 50, (4, 12))
    tokens[:2, 9:] = 0
    return tokens, rng.integers(0, 2, (4, 1)).astype(np.float32)


def s4_network() -> Module:
    return reviews.network(vocabulary=50)


Steps = dict[str, tuple[Callable[[], Module], Callable[..., Any], Callable[..., Any], float | None]]
STEPS: Steps = {
    "s3": (s3.network, F.cross_entropy, digits, None),
    "s4": (s4_network, F.binary_cross_entropy_with_logits, texts, None),
    "s4, gradients clipped": (s4_network, F.binary_cross_entropy_with_logits, texts, 1.0),
}
"""A network, its loss, its batches, and the norm to which its gradients are clipped."""


def train(name: str, device: str, steps: int = 3, between: Callable[[], None] = lambda: None) -> Module:
    """A few steps as the stepper takes them, on batches that were moved before. `between`: after each of them."""
    make, loss, batch, clip = STEPS[name]
    tz.manual_seed(0)
    rng = np.random.default_rng(0)
    model = make().to(device)
    optimizer = tz.optim.Adam(model.parameters())
    for _ in range(steps):
        x, y = (tz.tensor(array, device=device) for array in batch(rng))
        between()
        step(model, x, y, loss, optimizer, clip)
    return model


def of_a_step(gpu: Any, name: str) -> dict[str, int]:
    """The counts of the third step."""
    train(name, "cuda", between=gpu.counts.clear)
    return counted(gpu)


def of_fit(gpu: Any) -> dict[str, int]:
    """The counts of four steps of S3 in `fit`, which looks at the loss, and at all gradients together, in each."""
    x, y = digits(np.random.default_rng(0))
    model = s3.network().to("cuda")
    optimizer = tz.optim.Adam(model.parameters())
    gpu.counts.clear()
    fit(model, (x, y), loss=F.cross_entropy, optimizer=optimizer, batch_size=8, progress="none")
    return counted(gpu)


def counted(gpu: Any) -> dict[str, int]:
    return {what: gpu.counts[what] for what in COUNTED}


def measured(gpu: Any) -> dict[str, dict[str, int]]:
    return {name: of_a_step(gpu, name) for name in STEPS} | {"s3, four steps of fit": of_fit(gpu)}


def main() -> None:
    fake = sys.modules["cupy"] = fake_cupy.module()
    FILE.write_text(json.dumps(measured(fake.gpu), indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
