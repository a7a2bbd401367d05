"""tinygrad: its own layers and optimizers, the whole step in a TinyJit."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from tinygrad import Tensor, TinyJit, nn
from tinygrad.helpers import TRAINING

from benchmarks.peers.cases import Case, Transformer, batches, positions, weights

VARIANTS = {"tinygrad": "the whole step in a TinyJit, on its CPU device"}


def loaded(variant: str) -> str:
    TRAINING.value = 1  # an optimizer refuses to step without
    return f"tinygrad {version('tinygrad')}, its own code, compiled with clang"


def mlp(case: Case, p: Any, x: Any) -> Any:
    last = len(case.sizes) - 2
    for i in range(last + 1):
        x = x @ p[f"{i}.W"] + p[f"{i}.b"]
        x = x.relu() if i < last else x
    return x


def cnn(case: Case, p: Any, x: Any) -> Any:
    for i in range(2):
        x = x.conv2d(p[f"{i}.W"], p[f"{i}.b"], padding=1).relu().max_pool2d((2, 2))
    return x.flatten(1) @ p["classes.W"] + p["classes.b"]


def transformer(case: Case, p: Any, tokens: Any) -> Any:
    of = Transformer(*case.sizes)
    x = p["embedding"][tokens] + p["position"]

    def dense(name: str, x: Any) -> Any:
        return x @ p[f"{name}.W"] + p[f"{name}.b"]

    def norm(name: str, x: Any) -> Any:
        return x.layernorm(eps=1e-5) * p[f"{name}.gamma"] + p[f"{name}.beta"]

    for i in range(of.depth):
        q, k, v = (dense(f"{i}.{part}", x).reshape(*x.shape[:2], of.heads, -1).transpose(1, 2)
                   for part in ("query", "key", "value"))
        y = q.scaled_dot_product_attention(k, v).transpose(1, 2).reshape(x.shape)
        x = norm(f"{i}.norm1", x + dense(f"{i}.output", y))
        x = norm(f"{i}.norm2", x + dense(f"{i}.second", dense(f"{i}.first", x).relu()))
    return dense("classes", x.mean(1))


MODELS = {"mlp": mlp, "cnn": cnn, "transformer": transformer}
LOSSES = {"cross-entropy": lambda z, y: z.sparse_categorical_crossentropy(y),
          "mse": lambda z, y: ((z - y) ** 2).mean(),
          "bce": lambda z, y: z.binary_crossentropy_logits(y)}


def stepper(case: Case, variant: str) -> Callable[[int], Any]:
    model, loss = MODELS[case.model], LOSSES[case.loss]
    p = {name: Tensor(array) for name, array in weights(case).items()}
    optimizer = {"adam": nn.optim.Adam, "sgd": nn.optim.SGD}[case.optimizer](list(p.values()), lr=case.rate)
    if case.model == "transformer":
        of = Transformer(*case.sizes)
        p["position"] = Tensor(positions(of.length, of.width))

    @TinyJit
    def train(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        L = loss(model(case, p, x), y)
        L.backward()
        return L.realize(*optimizer.schedule_step())  # together: a loss realised later would see the new weights

    data = [(Tensor(x.astype("int32") if x.dtype.kind == "i" else x).realize(),
             Tensor(y.astype("int32") if y.dtype.kind == "i" else y).realize()) for x, y in batches(case)]
    count = len(data)

    return lambda i: Loss(train(*data[i % count]))


class Loss:
    """A number that is read when it is asked for."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __float__(self) -> float:
        return float(self.value.item())
