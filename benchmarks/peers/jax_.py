"""JAX: the whole step, forward, gradient and update, in one jit that may overwrite what it was given (donation)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks.peers.cases import Case, Transformer, batches, positions, weights

VARIANTS = {"JAX jit": "the whole step in one jit, with donation"}
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


def loaded(variant: str) -> str:
    jax.devices()
    return f"JAX {jax.__version__}, XLA"


def mlp(case: Case, p: Any, x: Any) -> Any:
    last = len(case.sizes) - 2
    for i in range(last + 1):
        x = x @ p[f"{i}.W"] + p[f"{i}.b"]
        x = jax.nn.relu(x) if i < last else x
    return x


def cnn(case: Case, p: Any, x: Any) -> Any:
    for i in range(2):
        x = jax.lax.conv_general_dilated(x, p[f"{i}.W"], (1, 1), "SAME") + p[f"{i}.b"][:, None, None]
        x = jax.lax.reduce_window(jax.nn.relu(x), -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
    return x.reshape(len(x), -1) @ p["classes.W"] + p["classes.b"]


def norm(p: Any, name: str, x: Any) -> Any:
    centred = x - x.mean(-1, keepdims=True)
    return centred * jax.lax.rsqrt((centred ** 2).mean(-1, keepdims=True) + 1e-5) * p[f"{name}.gamma"] \
        + p[f"{name}.beta"]


def transformer(case: Case, p: Any, tokens: Any) -> Any:
    of = Transformer(*case.sizes)
    x = p["embedding"][tokens] + positions(of.length, of.width)

    def dense(name: str, x: Any) -> Any:
        return x @ p[f"{name}.W"] + p[f"{name}.b"]

    for i in range(of.depth):
        q, k, v = (dense(f"{i}.{part}", x).reshape(*x.shape[:2], of.heads, -1) for part in ("query", "key", "value"))
        y = jax.nn.dot_product_attention(q, k, v).reshape(x.shape)
        x = norm(p, f"{i}.norm1", x + dense(f"{i}.output", y))
        x = norm(p, f"{i}.norm2", x + dense(f"{i}.second", jax.nn.relu(dense(f"{i}.first", x))))
    return dense("classes", x.mean(1))


def cross_entropy(z: Any, y: Any) -> Any:
    return -jnp.take_along_axis(jax.nn.log_softmax(z), y[:, None], -1).mean()


def bce(z: Any, y: Any) -> Any:
    return (jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))).mean()


MODELS = {"mlp": mlp, "cnn": cnn, "transformer": transformer}
LOSSES = {"cross-entropy": cross_entropy, "mse": lambda z, y: ((z - y) ** 2).mean(), "bce": bce}


def sgd(rate: float, p: Any, g: Any, kept: Any) -> Any:
    return jax.tree.map(lambda p, g: p - rate * g, p, g), kept


def adam(rate: float, p: Any, g: Any, kept: Any) -> Any:
    m, v, t = kept
    t = t + 1
    m = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, m, g)
    v = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, v, g)
    first, second = 1 - BETA1 ** t, 1 - BETA2 ** t
    return jax.tree.map(lambda p, m, v: p - rate * (m / first) / (jnp.sqrt(v / second) + EPS), p, m, v), (m, v, t)


def stepper(case: Case, variant: str) -> Callable[[int], Any]:
    model, loss, update = MODELS[case.model], LOSSES[case.loss], {"adam": adam, "sgd": sgd}[case.optimizer]
    p = {name: jnp.array(array) for name, array in weights(case).items()}
    zeros = partial(jax.tree.map, jnp.zeros_like)
    kept = (zeros(p), zeros(p), jnp.zeros((), jnp.float32)) if case.optimizer == "adam" else ()

    @partial(jax.jit, donate_argnums=(0, 1))
    def train(p: Any, kept: Any, x: Any, y: Any) -> Any:
        L, g = jax.value_and_grad(lambda p: loss(model(case, p, x), y))(p)
        return L, *update(case.rate, p, g, kept)

    data = [(jnp.array(x), jnp.array(y)) for x, y in batches(case)]
    count = len(data)

    def step(i: int) -> Any:
        nonlocal p, kept
        L, p, kept = train(p, kept, *data[i % count])
        return L

    return step
