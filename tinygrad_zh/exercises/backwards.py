"""The exercises "write the missing backward", from the easiest to the hardest, with their answers. 补写反向传播

Each is a formula, a forward and the answer. Words, hints and derivations are in the catalogue, under
exercise.<name>.title, .about, .hint1 to .hint3 and .why.
"""

from __future__ import annotations

import numpy as np

from tinygrad_zh.exercises.exercise import EXERCISES, exercise, numbers

__all__ = ["EXERCISES"]


@exercise(x=numbers(2, 3))
class Square:
    """y = x²"""

    def forward(x):
        return x**2

    def backward(dy, x):
        return dy * 2 * x


@exercise(x=numbers(3, 4))
class Relu:
    """y = max(0, x)"""

    def forward(x):
        return np.maximum(0, x)

    def backward(dy, x):
        return dy * (x > 0)


@exercise(x=numbers(3, 4))
class Sigmoid:
    """y = σ(x) = 1 / (1 + e⁻ˣ)"""

    def forward(x):
        return 1 / (1 + np.exp(-x))

    def backward(dy, y):
        return dy * y * (1 - y)


@exercise(x=numbers(3, 4))
class Mean:
    """y = 1/n Σ x"""

    def forward(x):
        return x.mean()

    def backward(dy, x):
        return dy * np.ones(x.shape) / x.size


@exercise(a=numbers(4, 3), b=numbers(3, seed=1))
class Product:
    """yᵢⱼ = aᵢⱼ bⱼ"""

    def forward(a, b):
        return a * b

    def backward(dy, a, b):
        return dy * b, (dy * a).sum(axis=0)


@exercise(a=numbers(2, 4), b=numbers(4, 3, seed=1), asked="a")
class MatmulA:
    """Y = A B"""

    def forward(a, b):
        return a @ b

    def backward(dy, b):
        return dy @ b.T


@exercise(a=numbers(2, 4), b=numbers(4, 3, seed=1), asked="b")
class MatmulB:
    """Y = A B"""

    def forward(a, b):
        return a @ b

    def backward(dy, a):
        return a.T @ dy


@exercise(x=numbers(4, 3), w=numbers(3, 2, seed=1), b=numbers(2, seed=2))
class Dense:
    """Y = tanh(X W + b)"""

    def forward(x, w, b):
        return np.tanh(x @ w + b)

    def backward(dy, x, w, y):
        dz = dy * (1 - y**2)
        return dz @ w.T, x.T @ dz, dz.sum(axis=0)


@exercise(x=numbers(5, 3), i=np.array([2, 0, 2, 4]))
class Gather:
    """y = x[i]"""

    def forward(x, i):
        return x[i]

    def backward(dy, x, i):
        dx = np.zeros(x.shape)
        np.add.at(dx, i, dy)
        return dx


@exercise(x=numbers(3, 5))
class Softmax:
    """yⱼ = exp xⱼ / Σₖ exp xₖ"""

    def forward(x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def backward(dy, y):
        return y * (dy - (y * dy).sum(axis=1, keepdims=True))


@exercise(x=numbers(4, 3), t=np.array([2, 0, 1, 2]), outputs="y p")
class CrossEntropy:
    """y = −1/n Σᵣ ln p[r, t[r]], p = softmax(x)"""

    def forward(x, t):
        s = x - x.max(axis=1, keepdims=True)
        log_p = s - np.log(np.exp(s).sum(axis=1, keepdims=True))
        return -log_p[np.arange(len(t)), t].mean(), np.exp(log_p)

    def backward(dy, t, p):
        one_hot = np.eye(p.shape[1])[t]
        return dy * (p - one_hot) / len(t)


@exercise(x=numbers(3, 5), outputs="y r")
class LayerNorm:
    """y = (x − μ) r, r = 1 / √(σ² + 10⁻⁵)"""

    def forward(x):
        mu = x.mean(axis=1, keepdims=True)
        r = 1 / np.sqrt(((x - mu) ** 2).mean(axis=1, keepdims=True) + 1e-5)
        return (x - mu) * r, r

    def backward(dy, y, r):
        return r * (dy - dy.mean(axis=1, keepdims=True) - y * (dy * y).mean(axis=1, keepdims=True))


@exercise(q=numbers(4, 3), k=numbers(5, 3, seed=1), v=numbers(5, 2, seed=2), outputs="y p", asked="v")
class AttentionV:
    """Y = P V, P = softmax(Q Kᵀ / √d)"""

    def forward(q, k, v):
        s = q @ k.T / np.sqrt(q.shape[1])
        e = np.exp(s - s.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return p @ v, p

    def backward(dy, p):
        return p.T @ dy


@exercise(q=numbers(4, 3), k=numbers(5, 3, seed=1), v=numbers(5, 2, seed=2), outputs="y p", asked="q k")
class AttentionQk:
    """Y = P V, P = softmax(Q Kᵀ / √d)"""

    def forward(q, k, v):
        s = q @ k.T / np.sqrt(q.shape[1])
        e = np.exp(s - s.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        return p @ v, p

    def backward(dy, q, k, v, p):
        dp = dy @ v.T
        ds = p * (dp - (p * dp).sum(axis=1, keepdims=True))
        return ds @ k / np.sqrt(q.shape[1]), ds.T @ q / np.sqrt(q.shape[1])
