"""Jacobian, Hessian and their products with vectors: closed forms, finite differences, and each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinygrad_zh as tz

F = tz.functional

RNG = np.random.default_rng(0)
A = RNG.normal(size=(3, 4))
B = RNG.normal(size=(4, 4))


def double(values: Any) -> tz.Tensor:
    return tz.tensor(np.asarray(values, np.float64))


def vectors(length: int) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, length, elements=st.floats(-2, 2, width=32))


# ---- closed forms


def test_the_jacobian_of_a_linear_map_is_its_matrix() -> None:
    np.testing.assert_allclose(tz.jacobian(lambda x: A @ x, double(RNG.normal(size=4))).numpy(), A)


@given(vectors(4))
def test_the_hessian_of_a_quadratic_form(x: np.ndarray) -> None:
    np.testing.assert_allclose(tz.hessian(lambda z: z @ B @ z, double(x)).numpy(), B + B.T, atol=1e-12)


@given(vectors(4), vectors(4))
def test_products_with_the_hessian_of_a_quadratic_form(x: np.ndarray, v: np.ndarray) -> None:
    value, product = tz.hvp(lambda z: z @ B @ z, double(x), v)
    np.testing.assert_allclose(value.item(), x @ B @ x, atol=1e-12)
    np.testing.assert_allclose(product.numpy(), (B + B.T) @ v, atol=1e-12)


def test_the_jacobian_of_softmax() -> None:
    y = F.softmax(double([0.3, -1.0, 2.0]))
    expected = np.diag(y.numpy()) - np.outer(y.numpy(), y.numpy())
    np.testing.assert_allclose(tz.jacobian(F.softmax, double([0.3, -1.0, 2.0])).numpy(), expected, rtol=1e-12)


def test_the_hessian_of_logsumexp_is_softmaxs_jacobian() -> None:
    x = double([0.3, -1.0, 2.0])
    np.testing.assert_allclose(tz.hessian(F.logsumexp, x).numpy(), tz.jacobian(F.softmax, x).numpy(), atol=1e-15)


@pytest.mark.parametrize(("f", "x", "shape"), [
    (lambda x: x * 2, np.ones((2, 3)), (2, 3, 2, 3)), (lambda x: x.sum(0), np.ones((2, 3)), (3, 2, 3)),
    (lambda x: x.sum(), np.ones((2, 3)), (2, 3)), (lambda x: x * np.ones(4), np.float64(2), (4,)),
    (lambda x: x[:0], np.ones(3), (0, 3)), (lambda x: x.sum(), np.ones((0, 2)), (0, 2)),
    (lambda x: x * x, np.float64(2), ()),
])  # fmt: skip
def test_the_jacobians_shape_is_the_outputs_then_the_inputs(f: Any, x: np.ndarray, shape: tuple[int, ...]) -> None:
    assert tz.jacobian(f, double(x)).shape == shape


# ---- finite differences, on a function of two inputs with every kind of op in it


def tangled(x: tz.Tensor, w: tz.Tensor) -> tz.Tensor:
    return F.layer_norm(F.tanh(x @ w) + F.exp(x * 0.3).sum(axis=1, keepdims=True)) * F.sigmoid(w[0])


X, W = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4))


def central(f: Callable[..., np.ndarray], inputs: list[np.ndarray], i: int, h: float = 1e-6) -> np.ndarray:
    """∂f/∂inputs[i] of shape f.shape + inputs[i].shape."""
    columns = []
    for element in np.ndindex(inputs[i].shape):
        moved = [[z.copy() for z in inputs] for _ in range(2)]
        moved[0][i][element] += h
        moved[1][i][element] -= h
        columns.append((f(*moved[0]) - f(*moved[1])) / (2 * h))
    return np.stack(columns, axis=-1).reshape(columns[0].shape + inputs[i].shape)


def value_of(f: Callable[..., tz.Tensor]) -> Callable[..., np.ndarray]:
    return lambda *arrays: f(*map(double, arrays)).numpy()


def test_jacobians_of_two_inputs_against_differences() -> None:
    blocks = tz.jacobian(tangled, (double(X), double(W)))
    for i, block in enumerate(blocks):
        np.testing.assert_allclose(block.numpy(), central(value_of(tangled), [X, W], i), rtol=1e-6, atol=1e-8)


def test_hessian_blocks_against_differences_of_the_jacobian() -> None:
    def f(x: tz.Tensor, w: tz.Tensor) -> tz.Tensor:
        return (tangled(x, w) ** 2).sum()

    blocks = tz.hessian(f, (double(X), double(W)))
    for i in range(2):
        slope = lambda x, w, i=i: tz.jacobian(f, (double(x), double(w)))[i].numpy()  # noqa: E731
        for j in range(2):
            expected = central(slope, [X, W], j)
            np.testing.assert_allclose(blocks[i][j].numpy(), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(blocks[0][1].numpy().transpose(2, 3, 0, 1), blocks[1][0].numpy(), rtol=1e-9, atol=1e-12)


@given(st.integers(0, 10**6))
def test_products_are_what_the_whole_matrices_give(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs = (double(rng.normal(size=(2, 3))), double(rng.normal(size=(3, 4))))
    u, v = rng.normal(size=(2, 4)), (rng.normal(size=(2, 3)), rng.normal(size=(3, 4)))
    jx, jw = (j.numpy() for j in tz.jacobian(tangled, inputs))

    y, (px, pw) = tz.vjp(tangled, inputs, u)
    np.testing.assert_array_equal(y.numpy(), tangled(*inputs).numpy())
    np.testing.assert_allclose(px.numpy(), np.tensordot(u, jx, 2), atol=1e-12)
    np.testing.assert_allclose(pw.numpy(), np.tensordot(u, jw, 2), atol=1e-12)

    y, moved = tz.jvp(tangled, inputs, v)
    np.testing.assert_array_equal(y.numpy(), tangled(*inputs).numpy())
    np.testing.assert_allclose(moved.numpy(), np.tensordot(jx, v[0], 2) + np.tensordot(jw, v[1], 2), atol=1e-12)

    f = lambda x, w: tangled(x, w).sum()  # noqa: E731
    (hxx, hxw), (hwx, hww) = tz.hessian(f, inputs)
    _, (hx, hw) = tz.hvp(f, inputs, v)
    np.testing.assert_allclose(
        hx.numpy(), np.tensordot(hxx.numpy(), v[0], 2) + np.tensordot(hxw.numpy(), v[1], 2), atol=1e-10)
    np.testing.assert_allclose(
        hw.numpy(), np.tensordot(hwx.numpy(), v[0], 2) + np.tensordot(hww.numpy(), v[1], 2), atol=1e-10)


# ---- inputs


def test_an_input_that_is_not_used_has_zeros() -> None:
    x, unused = double([1.0, 2.0]), double([[3.0]])
    f = lambda a, b: (a * a).sum()  # noqa: E731
    assert [g.tolist() for g in tz.vjp(f, (x, unused))[1]] == [[2.0, 4.0], [[0.0]]]
    assert [g.tolist() for g in tz.jacobian(f, (x, unused))] == [[2.0, 4.0], [[0.0]]]
    assert tz.jvp(f, (x, unused), ([1.0, 1.0], [[5.0]]))[1].item() == 6.0
    assert [g.tolist() for g in tz.hvp(f, (x, unused), ([1.0, 1.0], [[5.0]]))[1]] == [[2.0, 2.0], [[0.0]]]
    (xx, xu), (ux, uu) = tz.hessian(f, (x, unused))
    assert xx.tolist() == [[2.0, 0.0], [0.0, 2.0]]
    assert (xu.tolist(), ux.tolist(), uu.tolist()) == ([[[0.0]], [[0.0]]], [[[0.0, 0.0]]], [[[[0.0]]]])


def test_a_constant_function_has_zeros() -> None:
    x = double([1.0, 2.0])
    constant = lambda z: tz.tensor(np.ones(3))  # noqa: E731
    assert tz.jacobian(constant, x).tolist() == np.zeros((3, 2)).tolist()
    assert tz.jvp(constant, x, [1.0, 1.0])[1].tolist() == [0.0, 0.0, 0.0]
    assert tz.vjp(constant, x, np.ones(3))[1].tolist() == [0.0, 0.0]
    assert tz.hessian(lambda z: z.sum(), x).tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert tz.hvp(lambda z: z.sum(), x, [1.0, 1.0])[1].tolist() == [0.0, 0.0]


def test_inputs_may_be_arrays_and_keep_their_gradients_to_themselves() -> None:
    x = tz.tensor(np.array([1.0, 2.0]), requires_grad=True)
    w = tz.tensor(np.array([3.0, 4.0]), requires_grad=True)  # which the function closes over
    f = lambda z: (z * z * w).sum()  # noqa: E731
    tz.vjp(f, x), tz.jvp(f, x, x), tz.hvp(f, x, x), tz.jacobian(f, x), tz.hessian(f, x)
    assert (x.grad, w.grad) == (None, None)
    assert tz.vjp(f, np.array([1.0, 2.0]))[1].tolist() == [6.0, 16.0]
    assert tz.vjp(f, [np.array([1.0, 2.0])])[1][0].tolist() == [6.0, 16.0]


def test_one_input_in_a_tuple_gives_tuples() -> None:
    x = double([1.0, 2.0])
    f = lambda z: (z**3).sum()  # noqa: E731
    assert tz.vjp(f, (x,))[1][0].tolist() == [3.0, 12.0]
    assert tz.jvp(f, (x,), (x,))[1].item() == 27.0
    assert tz.hvp(f, (x,), (x,))[1][0].tolist() == [6.0, 24.0]
    assert tz.jacobian(f, (x,))[0].tolist() == [3.0, 12.0]
    assert tz.hessian(f, (x,))[0][0].tolist() == [[6.0, 0.0], [0.0, 12.0]]


def test_the_dtype_is_the_inputs() -> None:
    x, w = tz.tensor([1.0, 2.0]), double([3.0, 4.0])
    f = lambda a, b: (a * a * b).sum()  # noqa: E731
    assert [g.dtype for g in tz.vjp(f, (x, w))[1]] == [np.float32, np.float64]
    assert [g.dtype for g in tz.jacobian(f, (x, w))] == [np.float32, np.float64]
    assert [[g.dtype for g in row] for row in tz.hessian(f, (x, w))] == [[np.float32, np.float64]] * 2


def test_derivatives_under_no_grad() -> None:
    x = double([1.0, 2.0])
    with tz.no_grad():
        assert tz.jacobian(lambda z: z * z, x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
        assert tz.hessian(lambda z: (z**3).sum(), x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
        assert tz.jvp(lambda z: z * z, x, [1.0, 1.0])[1].tolist() == [2.0, 4.0]
        assert not tz.is_grad_enabled()


def test_results_are_constants() -> None:
    x = double([1.0, 2.0])
    f = lambda z: (z**3).sum()  # noqa: E731
    results = [*tz.vjp(f, x), *tz.jvp(f, x, x), *tz.hvp(f, x, x), tz.jacobian(f, x), tz.hessian(f, x)]
    assert not any(result.requires_grad for result in results)


# ---- errors


SQUARES: Callable[[tz.Tensor], tz.Tensor] = lambda z: z * z  # noqa: E731


@pytest.mark.parametrize(("call", "error", "says"), [
    (lambda x: tz.hessian(SQUARES, x), ValueError, r"hessian: the function returns one number, not shape \(2,\)"),
    (lambda x: tz.hvp(SQUARES, x, x), ValueError, r"hvp: the function returns one number, not shape \(2,\)"),
    (lambda x: tz.vjp(SQUARES, x), ValueError, r"starts from one number, this tensor has shape \(2,\)"),
    (lambda x: tz.vjp(SQUARES, x, [1.0]), ValueError, r"vjp: v has shape \(1,\); it must be \(2,\)"),
    (lambda x: tz.jvp(SQUARES, x, [1.0]), ValueError, r"jvp: v has shape \(1,\); it must be \(2,\)"),
    (lambda x: tz.jvp(lambda a, b: a, (x, x), x), ValueError, r"v has shape \(2,\); it must be \(2,\), \(2,\)"),
    (lambda x: tz.jvp(lambda a, b: a, (x, x), (x,)), ValueError, r"v has shape \(2,\); it must be \(2,\), \(2,\)"),
    (lambda x: tz.hvp(lambda z: z.sum(), x, 1.0), ValueError, r"hvp: v has shape \(\); it must be \(2,\)"),
    (lambda x: tz.jacobian(lambda z: (z, z), x), TypeError, "jacobian: the function returns one tensor, not tuple"),
    (lambda x: tz.jacobian(lambda z: z.numpy(), x), TypeError, "returns one tensor, not ndarray"),
    (lambda x: tz.vjp(lambda z: None, x), TypeError, "vjp: the function returns one tensor, not NoneType"),
    (lambda x: tz.jacobian(SQUARES, np.array([1, 2])), TypeError, "only floating tensors have gradients"),
    (lambda x: tz.jacobian(SQUARES, "x"), TypeError, "a tensor holds real numbers"),
])  # fmt: skip
def test_what_derivatives_refuse(call: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        call(double([1.0, 2.0]))
