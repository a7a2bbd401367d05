"""Convolution on the CPU: the choice between the ways to compute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="Numba is not installed")

from tinygrad_zh_kernels import bodies, conv2d
from tinygrad_zh_kernels.conv2d import cpu as conv2d_cpu

FLOAT32 = np.dtype(np.float32)


def results(kernel: Any, name: str = "numba") -> tuple[Any, ...]:
    found = bodies(kernel)[name].run(None, kernel.arguments(np.random.default_rng(0), FLOAT32, (5, 3, 2, 9)))
    return found if isinstance(found, tuple) else (found,)


@pytest.mark.parametrize("kernel", [conv2d.forward, conv2d.backward_x, conv2d.backward_W], ids=str)
def test_many_channels_go_by_the_matrix_product(kernel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    directly = results(kernel)[0]
    monkeypatch.setattr(conv2d_cpu, "MANY", 0)
    np.testing.assert_array_equal(results(kernel)[0], results(kernel, "numba-2-columns")[0])
    np.testing.assert_allclose(results(kernel)[0], directly, rtol=1e-5, atol=1e-5)


def test_a_weight_that_is_no_number_reaches_only_the_pixels_that_its_windows_see() -> None:
    call = conv2d.backward_x.arguments(np.random.default_rng(0), FLOAT32, (1, 1, 1, 4))
    call.arrays[1][0, 0, 0, 0] = np.inf  # the upper left corner: no window has the last row or column there
    dx = bodies(conv2d.backward_x)["numba"].run(None, call)
    assert np.isinf(dx[0, 0, :3, :3]).all()
    assert np.isfinite(dx[0, 0, 3]).all() and np.isfinite(dx[0, 0, :, 3]).all()
