"""Activations on the CPU, by Numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import prange

from tinygrad_zh_kernels import activation, buffers
from tinygrad_zh_kernels.activation import CUBIC, U
from tinygrad_zh_kernels.threads import threads_for
from tinygrad_zh_kernels.vector_math import exp, kernel, sigmoid, tanh, use_widest_vectors

FEW = 50_000
"""Numbers below which a second thread costs more than it helps."""


def run(serial: Callable[..., None], parallel: Callable[..., None], *inputs: Any) -> Any:
    """A new array of the shape of the inputs, filled by one thread or by all of them."""
    x = inputs[0]
    out = buffers.empty(x.shape, x.dtype)
    arrays = [a.reshape(-1) for a in (out, *inputs)]
    threads = threads_for(x.size, FEW)
    if threads == 1:
        serial(*arrays)
    else:
        parallel(*arrays, threads)
    return out


# ---- relu


@activation.relu_forward.body("numba", device="cpu", least=1 << 15)
def relu_forward(x: Any) -> Any:
    """One pass in vector instructions.

    中文：用向量指令一遍算完。
    """
    return run(_relu, _relu_parallel, x)


@kernel(parallel=True)
def _relu_parallel(y, x, threads):
    for t in prange(threads):
        part = slice(x.size * t // threads, x.size * (t + 1) // threads)
        _relu(y[part], x[part])


@kernel
def _relu(y, x):
    use_widest_vectors()
    zero = x.dtype.type(0)
    for i in range(x.size):
        y[i] = zero if x[i] < zero else x[i]


@activation.relu_backward.body("numba", device="cpu", least=1 << 11)
def relu_backward(dy: Any, y: Any) -> Any:
    """One pass, without an array of truth values.

    中文：一遍算完，不产生布尔数组。
    """
    return run(_relu_backward, _relu_backward_parallel, dy, y)


@kernel(parallel=True)
def _relu_backward_parallel(dx, dy, y, threads):
    for t in prange(threads):
        part = slice(y.size * t // threads, y.size * (t + 1) // threads)
        _relu_backward(dx[part], dy[part], y[part])


@kernel
def _relu_backward(dx, dy, y):
    use_widest_vectors()
    zero = y.dtype.type(0)
    for i in range(y.size):
        dx[i] = dy[i] if y[i] > zero else zero


# ---- sigmoid


@activation.sigmoid_forward.body("numba", device="cpu")
def sigmoid_forward(x: Any) -> Any:
    """One pass, with eˣ as a polynomial in vector instructions.

    中文：一遍算完，eˣ 用多项式以向量指令计算。
    """
    return run(_sigmoid, _sigmoid_parallel, x)


@kernel(parallel=True)
def _sigmoid_parallel(y, x, threads):
    for t in prange(threads):
        part = slice(x.size * t // threads, x.size * (t + 1) // threads)
        _sigmoid(y[part], x[part])


@kernel
def _sigmoid(y, x):
    use_widest_vectors()
    for i in range(x.size):
        y[i] = sigmoid(x[i])


@activation.sigmoid_backward.body("numba", device="cpu", least=1 << 13)
def sigmoid_backward(dy: Any, y: Any) -> Any:
    """One pass, without temporary arrays.

    中文：一遍算完，不产生临时数组。
    """
    return run(_sigmoid_backward, _sigmoid_backward_parallel, dy, y)


@kernel(parallel=True)
def _sigmoid_backward_parallel(dx, dy, y, threads):
    for t in prange(threads):
        part = slice(y.size * t // threads, y.size * (t + 1) // threads)
        _sigmoid_backward(dx[part], dy[part], y[part])


@kernel
def _sigmoid_backward(dx, dy, y):
    use_widest_vectors()
    one = y.dtype.type(1)
    for i in range(y.size):
        dx[i] = dy[i] * y[i] * (one - y[i])


# ---- tanh


@activation.tanh_forward.body("numba", device="cpu", least=1 << 16)
def tanh_forward(x: Any) -> Any:
    """One pass, with tanh as a rational function in vector instructions.

    中文：一遍算完，tanh 用有理函数以向量指令计算。
    """
    return run(_tanh, _tanh_parallel, x)


@kernel(parallel=True)
def _tanh_parallel(y, x, threads):
    for t in prange(threads):
        part = slice(x.size * t // threads, x.size * (t + 1) // threads)
        _tanh(y[part], x[part])


@kernel
def _tanh(y, x):
    use_widest_vectors()
    for i in range(x.size):
        y[i] = tanh(x[i])


@activation.tanh_backward.body("numba", device="cpu", least=1 << 13)
def tanh_backward(dy: Any, y: Any) -> Any:
    """One pass, without temporary arrays.

    中文：一遍算完，不产生临时数组。
    """
    return run(_tanh_backward, _tanh_backward_parallel, dy, y)


@kernel(parallel=True)
def _tanh_backward_parallel(dx, dy, y, threads):
    for t in prange(threads):
        part = slice(y.size * t // threads, y.size * (t + 1) // threads)
        _tanh_backward(dx[part], dy[part], y[part])


@kernel
def _tanh_backward(dx, dy, y):
    use_widest_vectors()
    one = y.dtype.type(1)
    for i in range(y.size):
        dx[i] = dy[i] * (one - y[i] * y[i])


# ---- gelu


@activation.gelu_forward.body("numba", device="cpu")
def gelu_forward(x: Any) -> Any:
    """One pass, as x / (1 + e⁻ᵘ): one polynomial and one division, for large |u| too.

    中文：一遍算完，写成 x / (1 + e⁻ᵘ)：一个多项式加一次除法，|u| 很大时也成立。
    """
    return run(_gelu, _gelu_parallel, x)


@kernel(parallel=True)
def _gelu_parallel(y, x, threads):
    for t in prange(threads):
        part = slice(x.size * t // threads, x.size * (t + 1) // threads)
        _gelu(y[part], x[part])


@kernel
def _gelu(y, x):
    use_widest_vectors()
    one, a, b = x.dtype.type(1), x.dtype.type(-U), x.dtype.type(-U * CUBIC)
    for i in range(x.size):
        y[i] = x[i] / (one + exp(x[i] * (a + b * (x[i] * x[i]))))


@activation.gelu_backward.body("numba", device="cpu")
def gelu_backward(dy: Any, x: Any) -> Any:
    """One pass; s is computed again, which is cheaper than to have stored it.

    中文：一遍算完；s 重新计算，比保存下来再读取更便宜。
    """
    return run(_gelu_backward, _gelu_backward_parallel, dy, x)


@kernel(parallel=True)
def _gelu_backward_parallel(dx, dy, x, threads):
    for t in prange(threads):
        part = slice(x.size * t // threads, x.size * (t + 1) // threads)
        _gelu_backward(dx[part], dy[part], x[part])


@kernel
def _gelu_backward(dx, dy, x):
    use_widest_vectors()
    one, a, b = x.dtype.type(1), x.dtype.type(U), x.dtype.type(U * CUBIC)
    slope = x.dtype.type(3 * U * CUBIC)
    for i in range(x.size):
        square = x[i] * x[i]
        s = one / (one + exp(-x[i] * (a + b * square)))
        dx[i] = dy[i] * (s + x[i] * (s * (one - s)) * (a + slope * square))
