"""What hangs in the gallery: five short computations that show what backpropagation does. 展品

Each function makes its tensors and returns what is to be recorded, a function of no arguments.
"""

from __future__ import annotations

from collections.abc import Callable

from tinygrad_zh import functional as F
from tinygrad_zh.core import Tensor, default_generator, get_default_dtype, tensor
from tinygrad_zh.documents import s6
from tinygrad_zh.optim import SGD

Exhibit = Callable[[], Callable[[], None]]


def reused() -> Callable[[], None]:
    """y = x² + x uses x three times."""
    x = tensor([1.0, -2.0, 3.0], requires_grad=True)

    def run() -> None:
        y = x * x + x
        L = y.sum()
        L.backward()

    return run


def two_layers() -> Callable[[], None]:
    """XOR: two inputs, four tanh units, one output, and a step of gradient descent."""
    X, Y = tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), tensor([[0.0], [1.0], [1.0], [0.0]])
    W1, b1, W2, b2 = drawn(2, 4), drawn(4), drawn(4, 1), drawn(1)
    optimizer = SGD([W1, b1, W2, b2], lr=0.5)

    def run() -> None:
        H = F.tanh(X @ W1 + b1)
        z = H @ W2 + b2
        L = F.binary_cross_entropy_with_logits(z, Y)
        L.backward()
        optimizer.step()

    return run


def softmax_cross_entropy() -> Callable[[], None]:
    """The loss in small steps, then the same loss as one op."""
    numbers = [[2.0, 1.0, -1.0], [0.5, 0.0, 1.5]]
    z, logits = tensor(numbers, requires_grad=True), tensor(numbers, requires_grad=True)
    target = [0, 1]

    def run() -> None:
        p = F.softmax(z)
        right = p[[0, 1], target]
        L = -F.log(right).mean()
        L.backward()
        at_once = F.cross_entropy(logits, target)
        at_once.backward()

    return run


def attention() -> Callable[[], None]:
    """Y = softmax(Q Kᵀ / √d) V of four tokens, one head. Document 000 §2 (F25)."""
    x, target = drawn(4, 3), tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    WQ, WK, WV = drawn(3, 3), drawn(3, 3), drawn(3, 3)

    def run() -> None:
        Q = x @ WQ
        K = x @ WK
        V = x @ WV
        S = Q @ K.T / 3**0.5
        P = F.softmax(S)
        Y = P @ V
        L = F.mse_loss(Y, target)
        L.backward()

    return run


def drawn(*shape: int) -> Tensor:
    """A parameter from N(0, 1), to one decimal, so that it can be read and reckoned with."""
    return tensor(default_generator().normal(size=shape).round(1), get_default_dtype(), requires_grad=True)


EXHIBITS: dict[str, Exhibit] = {
    "reused": reused,
    "s6": s6.first_step,
    "two_layers": two_layers,
    "softmax": softmax_cross_entropy,
    "attention": attention,
}
"""{name: exhibit}; the words of each are in the catalogue under gallery.<name>."""
