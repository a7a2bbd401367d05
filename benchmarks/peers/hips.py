"""HIPS autograd: NumPy's functions, differentiated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd
import autograd.numpy as anp
import numpy as np

from benchmarks.peers.cases import Case, Transformer, batches, positions, weights

VARIANTS = {"HIPS autograd": "value_and_grad of NumPy code, the update written in NumPy"}
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


def loaded(variant: str) -> str:
    return ""


def mlp(case: Case, p: Any, x: Any) -> Any:
    last = len(case.sizes) - 2
    for i in range(last + 1):
        x = anp.dot(x, p[f"{i}.W"]) + p[f"{i}.b"]
        x = anp.maximum(x, 0) if i < last else x
    return x


def convolution(x: Any, W: Any) -> Any:
    """As one product: the nine shifted pictures, side by side, times the kernels."""
    n, _, height, width = x.shape
    padded = anp.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), "constant")
    shifted = [padded[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    columns = anp.transpose(anp.stack(shifted), (2, 0, 1, 3, 4))
    rows = anp.reshape(columns, (-1, n * height * width))
    y = anp.reshape(anp.dot(anp.reshape(W, (len(W), -1)), rows), (len(W), n, height, width))
    return anp.transpose(y, (1, 0, 2, 3))


def cnn(case: Case, p: Any, x: Any) -> Any:
    for i in range(2):
        x = anp.maximum(convolution(x, p[f"{i}.W"]) + p[f"{i}.b"][:, None, None], 0)
        n, channels, height, width = x.shape
        x = anp.reshape(x, (n, channels, height // 2, 2, width // 2, 2))
        x = anp.maximum(anp.maximum(x[:, :, :, 0, :, 0], x[:, :, :, 0, :, 1]),
                        anp.maximum(x[:, :, :, 1, :, 0], x[:, :, :, 1, :, 1]))
    return anp.dot(anp.reshape(x, (len(x), -1)), p["classes.W"]) + p["classes.b"]


def norm(p: Any, name: str, x: Any) -> Any:
    centred = x - anp.mean(x, -1, keepdims=True)
    deviation = anp.sqrt(anp.mean(centred * centred, -1, keepdims=True) + np.float32(1e-5))
    return centred / deviation * p[f"{name}.gamma"] + p[f"{name}.beta"]


def softmax(s: Any) -> Any:
    e = anp.exp(s - anp.max(s, -1, keepdims=True))
    return e / anp.sum(e, -1, keepdims=True)


def transformer(case: Case, p: Any, tokens: Any) -> Any:
    of = Transformer(*case.sizes)
    x = p["embedding"][tokens] + positions(of.length, of.width)
    shape = (*tokens.shape, of.heads, of.width // of.heads)
    scale = np.float32(shape[-1] ** -0.5)

    def dense(name: str, x: Any) -> Any:
        return anp.matmul(x, p[f"{name}.W"]) + p[f"{name}.b"]

    def heads(name: str, x: Any, order: tuple[int, ...]) -> Any:
        return anp.transpose(anp.reshape(dense(name, x), shape), order)

    for i in range(of.depth):
        q, v = heads(f"{i}.query", x, (0, 2, 1, 3)), heads(f"{i}.value", x, (0, 2, 1, 3))
        scores = anp.matmul(q, heads(f"{i}.key", x, (0, 2, 3, 1))) * scale
        y = anp.reshape(anp.transpose(anp.matmul(softmax(scores), v), (0, 2, 1, 3)), x.shape)
        x = norm(p, f"{i}.norm1", x + dense(f"{i}.output", y))
        x = norm(p, f"{i}.norm2", x + dense(f"{i}.second", anp.maximum(dense(f"{i}.first", x), 0)))
    return dense("classes", anp.mean(x, 1))


def cross_entropy(z: Any, y: Any) -> Any:
    z = z - anp.max(z, -1, keepdims=True)
    return anp.mean(anp.log(anp.sum(anp.exp(z), -1)) - z[np.arange(len(y)), y])


def bce(z: Any, y: Any) -> Any:
    return anp.mean(anp.maximum(z, 0) - z * y + anp.log1p(anp.exp(-anp.abs(z))))


MODELS = {"mlp": mlp, "cnn": cnn, "transformer": transformer}
LOSSES = {"cross-entropy": cross_entropy, "mse": lambda z, y: anp.mean((z - y) ** 2), "bce": bce}


def stepper(case: Case, variant: str) -> Callable[[int], Any]:
    model, loss = MODELS[case.model], LOSSES[case.loss]
    p, data = weights(case), batches(case)
    kept = {name: (np.zeros_like(w), np.zeros_like(w)) for name, w in p.items()}
    value_and_grad = autograd.value_and_grad(lambda p, x, y: loss(model(case, p, x), y))
    t, count = 0, len(data)

    def step(i: int) -> Any:
        nonlocal t
        L, gradients = value_and_grad(p, *data[i % count])
        t += 1
        for name, g in gradients.items():
            if case.optimizer == "sgd":
                p[name] = p[name] - case.rate * g
                continue
            m, v = kept[name]
            m, v = BETA1 * m + (1 - BETA1) * g, BETA2 * v + (1 - BETA2) * g * g
            kept[name] = m, v
            p[name] = p[name] - case.rate * (m / (1 - BETA1 ** t)) / (np.sqrt(v / (1 - BETA2 ** t)) + EPS)
        return L

    return step
