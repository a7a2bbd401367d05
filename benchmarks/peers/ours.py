"""This engine: the formulas, the formulas with Numba's bodies in their place, and the compiled step."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import tinygrad_zh as tz
from benchmarks.peers.cases import Case, Transformer, batches, weights
from tinygrad_zh import functional as F
from tinygrad_zh import nn

VARIANTS = {
    "formulas": "eager, without Numba",
    "numba": 'eager, within use_kernels("numba"), the optimizer in flat buffers',
    "compiled": "tz.compile of the whole step",
}
LOSSES = {"cross-entropy": F.cross_entropy, "mse": F.mse_loss, "bce": F.binary_cross_entropy_with_logits}


def loaded(variant: str) -> str:
    if variant != "formulas":
        import numba  # noqa: F401, so that its memory counts as an import
    if variant == "compiled" and not hasattr(tz, "compile"):
        raise ImportError("this version has no tz.compile")
    return ""  # NumPy's BLAS, which threadpoolctl sees


def network(case: Case) -> nn.Module:
    if case.model == "transformer":
        return Classifier(Transformer(*case.sizes))
    if case.model == "cnn":
        first, second, classes = case.sizes
        return nn.Sequential(
            nn.Conv2d(1, first, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(first, second, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dense(49 * second, classes))  # fmt: skip
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(case.sizes):
        layers += [nn.Dense(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class Classifier(nn.Module):
    """Tokens, embedded and placed, through an encoder; the mean of its rows gives the logits."""

    def __init__(self, of: Transformer) -> None:
        self.embedding = nn.Embedding(of.vocabulary, of.width)
        self.position = nn.SinusoidalPosition(of.width)
        self.encoder = nn.Encoder(of.depth, of.width, of.heads, of.hidden)
        self.output = nn.Dense(of.width, of.classes)

    def forward(self, tokens: Any) -> Any:
        return self.output(self.encoder(self.position(self.embedding(tokens))).mean(axis=1))


def stepper(case: Case, variant: str) -> Callable[[int], Any]:
    model, loss = network(case), LOSSES[case.loss]
    parameters = list(model.parameters())
    for p, value in zip(parameters, weights(case).values(), strict=True):
        p.assign(value)
    optimizer = {"adam": tz.optim.Adam, "sgd": tz.optim.SGD}[case.optimizer](parameters, lr=case.rate)

    def train(x: Any, y: Any) -> Any:
        L = loss(model(x), y)
        optimizer.zero_grad()
        L.backward()
        optimizer.step()
        return L

    if variant == "numba":
        tz.optim.flattened(optimizer)
        train = tz.use_kernels("numba")(train)
    elif variant == "compiled":
        train = tz.compile(train)
    data = [(x if x.dtype.kind == "i" else tz.tensor(x), y) for x, y in batches(case)]
    count = len(data)
    return lambda i: train(*data[i % count])
