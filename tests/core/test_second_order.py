"""Gradients of gradients: the formulas run on Tensors, to any order, and tz.grad hands them out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz

F = tz.functional
Function = Callable[[tz.Tensor], tz.Tensor]


def leaf(values: Any) -> tz.Tensor:
    return tz.tensor(np.asarray(values, np.float64), requires_grad=True)


def derivatives(f: Function, x: float, order: int) -> list[float]:
    """f′(x), f″(x), … by differentiating the gradient again."""
    point = leaf(x)
    y = f(point)
    found = []
    for _ in range(order):
        (y,) = tz.grad(y, point, create_graph=True)
        found.append(y.item())
    return found


SIGMA = 1 / (1 + math.exp(-0.7))
CASES: dict[str, tuple[Function, float, list[float]]] = {
    "x⁴": (lambda x: x**4, 2.0, [32.0, 48.0, 48.0, 24.0, 0.0]),
    "product": (lambda x: x * x * x, 2.0, [12.0, 12.0, 6.0]),
    "1/x": (lambda x: 1 / x, 2.0, [-1 / 4, 2 / 8, -6 / 16]),
    "eˣ": (F.exp, 0.7, [math.exp(0.7)] * 4),
    "ln": (F.log, 2.0, [1 / 2, -1 / 4, 2 / 8]),
    "sin": (F.sin, 0.7, [math.cos(0.7), -math.sin(0.7), -math.cos(0.7), math.sin(0.7)]),
    "√x": (F.sqrt, 4.0, [1 / 4, -1 / 32, 3 / 256]),
    "σ": (F.sigmoid, 0.7, [
        SIGMA * (1 - SIGMA), SIGMA * (1 - SIGMA) * (1 - 2 * SIGMA),
        SIGMA * (1 - SIGMA) * (1 - 6 * SIGMA + 6 * SIGMA**2)]),
    "tanh": (F.tanh, 0.7, [
        1 - math.tanh(0.7) ** 2, -2 * math.tanh(0.7) * (1 - math.tanh(0.7) ** 2),
        (1 - math.tanh(0.7) ** 2) * (6 * math.tanh(0.7) ** 2 - 2)]),
    "x², broadcast and summed": (lambda x: (x * np.ones((2, 3)) * x).sum(), 2.0, [24.0, 12.0]),
    "x³, through an index twice": (lambda x: x.reshape(1)[[0, 0]].prod() * x, 2.0, [12.0, 12.0, 6.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_closed_forms_to_third_order_and_beyond(name: str) -> None:
    f, x, expected = CASES[name]
    np.testing.assert_allclose(derivatives(f, x, len(expected)), expected, rtol=1e-12, atol=1e-12)


def test_a_slope_that_is_constant_has_nothing_to_differentiate() -> None:
    x = leaf(0.7)
    (g,) = tz.grad(F.relu(x), x, create_graph=True)
    with pytest.raises(RuntimeError, match="nothing to differentiate"):
        tz.grad(g, x)
    assert tz.hessian(F.relu, x).item() == 0.0


ROWS = np.array([[0.3, -1.2, 0.8], [1.5, 0.1, -0.4], [-0.7, 0.9, 0.2], [0.6, -0.5, 1.1]])
AUXILIARY: dict[str, Function] = {
    "layer norm": lambda x: F.layer_norm(x, np.array([1.0, 2.0, -1.0]), 0.5),
    "rms norm": lambda x: F.rms_norm(x, np.array([1.0, 2.0, -1.0])),
    "batch norm": lambda x: F.batch_norm(
        x, tz.tensor(np.zeros(3)), tz.tensor(np.ones(3)), tz.tensor(np.ones(3)), tz.tensor(np.ones(3)), True)[0],
    "attention": lambda x: F.scaled_dot_product_attention(x, x * 2, x * x),
    "causal attention": lambda x: F.scaled_dot_product_attention(x, x, x, is_causal=True),
    "cross-entropy": lambda x: F.cross_entropy(x, [0, 2, 1, 1], "none"),
    "softmax": F.softmax, "log_softmax": F.log_softmax, "logsumexp": F.logsumexp, "std": lambda x: F.std(x, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", AUXILIARY)
def test_ops_with_auxiliaries_against_differences_of_their_gradient(name: str) -> None:
    """d/dε ∇L(x + ε v) by central differences is ∇(∇L · v)."""
    f = AUXILIARY[name]
    rng = np.random.default_rng(0)
    v = rng.normal(size=ROWS.shape)
    weights = rng.normal(size=f(tz.tensor(ROWS)).shape)

    def gradient(rows: np.ndarray) -> np.ndarray:
        x = leaf(rows)
        return tz.grad((f(x) * weights).sum(), x)[0].numpy()

    x = leaf(ROWS)
    (g,) = tz.grad((f(x) * weights).sum(), x, create_graph=True)
    np.testing.assert_allclose(g.numpy(), gradient(ROWS), rtol=1e-12, atol=1e-14)
    (product,) = tz.grad((g * v).sum(), x)
    step = 1e-5
    expected = (gradient(ROWS + step * v) - gradient(ROWS - step * v)) / (2 * step)
    np.testing.assert_allclose(product.numpy(), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["layer norm", "attention", "softmax"])
def test_third_order_through_auxiliaries(name: str) -> None:
    f = AUXILIARY[name]
    rng = np.random.default_rng(1)
    v = rng.normal(size=ROWS.shape)
    weights = rng.normal(size=ROWS.shape)

    def second(rows: np.ndarray, create_graph: bool = False) -> tuple[tz.Tensor, tz.Tensor]:
        x = leaf(rows)
        (g,) = tz.grad((f(x) * weights).sum(), x, create_graph=True)
        return x, tz.grad((g * v).sum(), x, create_graph=create_graph)[0]

    x, product = second(ROWS, create_graph=True)
    (third,) = tz.grad((product * v).sum(), x)
    step = 1e-5
    expected = (second(ROWS + step * v)[1].numpy() - second(ROWS - step * v)[1].numpy()) / (2 * step)
    np.testing.assert_allclose(third.numpy(), expected, rtol=1e-5, atol=1e-7)


def test_the_gradient_of_a_loss_that_holds_a_gradient() -> None:
    """A gradient penalty, L = f + ‖∇f‖², goes into .grad by an ordinary backward."""
    w, x = leaf(3.0), leaf(2.0)
    f = w * x**2
    (g,) = tz.grad(f, x, create_graph=True)  # 2 w x
    (f + g * g).backward()  # x² + 8 w x² for w; 2 w x + 8 w² x for x
    assert (w.grad.item(), x.grad.item()) == (4.0 + 8 * 3 * 4, 12.0 + 8 * 9 * 2)


# ---- what tz.grad hands out


def test_grad_leaves_every_grad_alone() -> None:
    x, w = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    gradients = tz.grad((x * w).sum(), [w, x])
    assert [g.tolist() for g in gradients] == [[1.0, 2.0], [3.0, 4.0]]
    assert (x.grad, w.grad) == (None, None)


def test_grad_of_a_result_and_of_what_it_came_from() -> None:
    x = leaf(3.0)
    y = x * x
    z = y * y
    assert [g.item() for g in tz.grad(z, [y, x])] == [18.0, 108.0]


def test_grad_of_an_output_of_several() -> None:
    x = leaf([1.0, 2.0, 3.0, 4.0])
    left, right = F.split(x, 2)
    assert [g.tolist() for g in tz.grad((left * right).sum(), [right, x])] == [[1, 2], [3, 4, 1, 2]]


def test_grad_of_several_outputs_adds_up() -> None:
    x = leaf([1.0, 2.0])
    y = x * x
    (g,) = tz.grad([y, y, x.sum()], x, [[1.0, 0.0], tz.tensor(np.array([0.0, 1.0])), None])
    assert g.tolist() == [3.0, 5.0]


def test_grad_of_itself() -> None:
    x = leaf(3.0)
    y = x * x
    assert [g.item() for g in tz.grad(y, [y, x, x])] == [1.0, 6.0, 6.0]
    assert tz.grad(x, x)[0].item() == 1.0


def test_an_input_that_is_not_used() -> None:
    x, unused = leaf(3.0), leaf(4.0)
    y = x * x
    with pytest.raises(RuntimeError, match=r"do not depend on input 1 of shape \(\); allow_unused=True gives None"):
        tz.grad(y, [x, unused], retain_graph=True)
    g, none = tz.grad(y, [x, unused], allow_unused=True)
    assert (g.item(), none) == (6.0, None)


def test_grad_releases_the_graph_unless_it_is_told_to_keep_it() -> None:
    x = leaf(3.0)
    y = x * x
    tz.grad(y, x, retain_graph=True)
    tz.grad(y, x)
    with pytest.raises(RuntimeError, match="retain_graph"):
        tz.grad(y, x)
    z = x * x
    tz.grad(z, x, create_graph=True)  # keeps it: the gradient's own graph hangs on it
    z.backward()
    assert x.grad.item() == 6.0


def test_a_gradient_without_create_graph_is_a_constant() -> None:
    x = leaf(3.0)
    (g,) = tz.grad(x**3, x)
    assert not g.requires_grad
    with pytest.raises(RuntimeError, match="nothing to differentiate"):
        tz.grad(g, x)


@pytest.mark.parametrize(("arguments", "error", "says"), [
    ((3.0, leaf(1.0)), TypeError, "the outputs are a tensor or a list of tensors, not float"),
    ((leaf(1.0) * 2, np.ones(2)), TypeError, "the inputs are a tensor or a list of tensors, not ndarray"),
    ((leaf(1.0) * 2, ["w"]), TypeError, "the inputs are a tensor or a list of tensors, not str"),
    ((leaf(1.0) * 2, tz.tensor(1.0)), RuntimeError, r"input 0 of shape \(\) does not require a gradient"),
    ((leaf([1.0, 2.0]) * 2, leaf(1.0)), ValueError, r"grad starts from one number, this tensor has shape \(2,\)"),
    ((leaf([1.0, 2.0]) * 2, leaf(1.0), np.ones(3)), ValueError, r"shape \(2,\), like the tensor, not \(3,\)"),
    (([leaf(1.0) * 2], leaf(1.0), [1.0, 2.0]), ValueError, "1 outputs need as many grad_outputs, not 2"),
    ((tz.tensor(1.0), leaf(1.0)), RuntimeError, "nothing to differentiate"),
])
def test_what_grad_refuses(arguments: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        tz.grad(*arguments)
