"""Devices: without CUDA one clear sentence, and arrays of two devices never meet in silence."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.support import fake_cupy

F = tz.functional


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Any:
    fake = fake_cupy.module()
    monkeypatch.setitem(sys.modules, "cupy", fake)
    return fake


def leaf(values: Any, device: str = "cpu") -> tz.Tensor:
    return tz.tensor(np.asarray(values, np.float64), requires_grad=True, device=device)


# ---- without CUDA


@pytest.mark.skipif(find_spec("cupy") is not None, reason="CuPy is installed")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
def test_without_cupy_the_sentence_names_what_to_install(device: str) -> None:
    says = r'^device "cuda" needs CuPy: pip install "tinygrad-zh\[gpu\]"$'
    with pytest.raises(RuntimeError, match=says):
        tz.tensor([1.0], device=device)
    with pytest.raises(RuntimeError, match=says):
        leaf([1.0]).to(device)


@pytest.mark.parametrize(("driver", "why"), [
    (0, "this machine has no NVIDIA driver, so no GPU that CUDA could use"),
    (11080, r"the driver knows CUDA up to 11\.8 and CuPy was built for 12\.9; update the driver"),
    (13000, "the driver finds no GPU that it could use"),
])
def test_a_driver_that_fails_is_told_in_one_sentence(driver: int, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.module(error="cudaErrorInsufficientDriver", driver=driver))
    with pytest.raises(RuntimeError, match=rf'^device "cuda" cannot be used: {why}; tinygrad-zh doctor says more$'):
        tz.tensor([1.0], device="cuda")


def test_the_import_needs_no_cupy() -> None:
    program = "import sys; sys.modules['cupy'] = None; import tinygrad_zh as tz; print(tz.tensor(1.0).device)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True,
                          env={"PYTHONPATH": ":".join(sys.path)})
    assert done.stdout == "cpu\n"


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:-1", "", "CPU", "tpu:0", 0])
def test_a_name_that_is_no_device(device: Any) -> None:
    says = 'there is no device .*; use "cpu", "cuda" or "cuda:1"'
    with pytest.raises(ValueError, match=says):
        tz.tensor([1.0], device=device)
    with pytest.raises(ValueError, match=says):
        leaf([1.0]).to(device)
    with pytest.raises(ValueError, match=says):
        tz.nn.Dense(1, 1).to(device)


# ---- on a device


def test_a_tensor_that_is_there_already_is_itself() -> None:
    x = leaf([1.0])
    assert x.to("cpu") is x
    assert x.device == "cpu"


def test_there_and_back(cupy: Any) -> None:
    x = tz.tensor([1.0, 2.0], requires_grad=True, name="w", device="cuda")
    assert (x.device, x.name, x.requires_grad) == ("cuda:0", "w", True)
    assert x.to("cpu").tolist() == [1.0, 2.0]
    assert repr(x) == 'tensor([1., 2.], device="cuda:0", name="w", requires_grad=True)'


def test_forward_and_backward_on_the_device(cupy: Any) -> None:
    on_cpu, on_gpu = leaf([[0.5, -1.0], [2.0, 0.25]]), leaf([[0.5, -1.0], [2.0, 0.25]], "cuda")
    for x in (on_cpu, on_gpu):
        y = F.tanh(x) * x + F.relu(x) * 2
        (y * y).sum().backward()
    assert on_gpu.grad.device == "cuda:0"
    np.testing.assert_array_equal(on_gpu.grad.to("cpu").numpy(), on_cpu.grad.numpy())


def test_an_output_that_nothing_uses_counts_as_zeros_of_its_device(cupy: Any) -> None:
    class Both(tz.Op):
        """s, d = a + b, a − b"""

        outputs = ("s", "d")

        def forward(a, b):
            return a + b, a - b

        def backward(ds, dd):
            return ds + dd, ds - dd

    a, b = leaf([1.0, 2.0], "cuda"), leaf([3.0, 4.0], "cuda")
    Both(a, b)[1].sum().backward()
    assert (a.grad.to("cpu").tolist(), b.grad.to("cpu").tolist()) == ([1.0, 1.0], [-1.0, -1.0])


def test_numpy_of_a_tensor_on_a_gpu(cupy: Any) -> None:
    x = leaf([1.0, 2.0], "cuda")
    for read in (lambda: x.numpy(), lambda: np.asarray(x)):
        with pytest.raises(TypeError, match=r'this tensor is on cuda:0; NumPy needs t\.to\("cpu"\)\.numpy\(\)'):
            read()


# ---- two devices


@pytest.mark.parametrize("mix", [
    lambda here, there: here + there, lambda here, there: there @ here, lambda here, there: F.maximum(there, here),
    lambda here, there: there * np.ones(2), lambda here, there: F.where(here > 0, there, 0.0),
])
def test_arrays_of_two_devices_name_both_and_the_fix(mix: Any, cupy: Any) -> None:
    here, there = leaf([1.0, 2.0]), leaf([1.0, 2.0], "cuda")
    with pytest.raises(TypeError, match=r"the inputs are on cpu and cuda:0, move them with t\.to\(…\)"):
        mix(here, there)
    (there * there).sum().backward()
    assert there.grad.to("cpu").tolist() == [2.0, 4.0]


def test_a_result_does_not_move_away_from_its_gradient(cupy: Any) -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"only leaves move; this tensor is the result of Mul"):
        (x * 2).to("cuda")
    assert (x * 2).detach().to("cuda").device == "cuda:0"
