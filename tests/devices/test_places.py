"""Which GPU, which stream, and who may meet whom."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.support import fake_cupy
from tinygrad_zh import device, nn
from tinygrad_zh import functional as F


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A machine with two GPUs."""
    fake = fake_cupy.module(devices=2)
    monkeypatch.setitem(sys.modules, "cupy", fake)
    return fake


def test_the_second_gpu(two: Any) -> None:
    model = nn.Dense(3, 2).to("cuda:1")
    x = tz.tensor(np.ones((1, 3), np.float32), device="cuda:1")
    y = model(x)
    y.sum().backward()
    assert {t.device for t in (y, model.W.grad, model.b.grad)} == {"cuda:1"}
    assert two.gpu.device == 1
    assert not two.gpu.counts["launch on the null stream"]


def test_a_gpu_that_is_not_there(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match=r'^there is no device "cuda:7"; .* has 2 GPUs, "cuda:0" to "cuda:1"$'):
        tz.tensor([1.0], device="cuda:7")
    monkeypatch.setitem(sys.modules, "cupy", fake_cupy.module())
    with pytest.raises(RuntimeError, match=r'^there is no device "cuda:1"; this machine has 1 GPU, "cuda:0"$'):
        nn.Dense(1, 1).to("cuda:1")


def test_two_gpus_do_not_meet_although_cupy_would_let_them(two: Any) -> None:
    a, b = tz.tensor([1.0], device="cuda:0"), tz.tensor([1.0], device="cuda:1")
    with pytest.raises(TypeError, match=r"^Add .*the inputs are on cuda:0 and cuda:1, move them with t\.to\(…\)$"):
        a + b
    with pytest.raises(TypeError, match=r"^LayerNorm .*the inputs are on cuda:0 and cuda:1, move them"):
        F.layer_norm(tz.tensor(np.ones((2, 1)), device="cuda:0"), b, b)
    two.gpu.counts.clear()
    moved = a.to("cuda:1")
    assert two.gpu.counts["sync"] == 1  # the first GPU computes on a stream of its own
    assert (moved + b).tolist() == [2.0]


def test_a_list_of_indices_or_labels_goes_along_and_an_array_does_not(cupy: Any) -> None:
    x = tz.tensor([[1.0, 2.0], [3.0, 4.0]], device="cuda")
    assert x[[1, 0]].tolist() == [[3.0, 4.0], [1.0, 2.0]]
    assert F.cross_entropy(x, [0, 1]).device == "cuda:0"
    assert F.masked_softmax(x, [True, False]).tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert F.mse_loss(x, [[1.0, 2.0], [3.0, 4.0]]).item() == 0.0
    for wrong in (lambda: x[np.array([1, 0])], lambda: F.cross_entropy(x, np.array([0, 1])),
                  lambda: F.embedding(np.array([0]), x)):
        with pytest.raises(TypeError, match=r"the inputs are on cpu and cuda:0, move them with t\.to\(…\)"):
            wrong()


# ---- tensors


def test_data_of_a_gpu_stay_there_unless_asked(cupy: Any) -> None:
    there = tz.tensor([1.0, 2.0], device="cuda")
    for data in (there, there.data):
        copy = tz.tensor(data)
        assert (copy.device, copy.tolist()) == ("cuda:0", [1.0, 2.0])
        assert copy.array is not there.array
        assert tz.tensor(data, np.float64, device="cpu").dtype == np.float64


def test_assign_takes_data_to_the_tensor_and_refuses_another_devices_tensor(cupy: Any) -> None:
    w = tz.tensor([1.0, 2.0], requires_grad=True, device="cuda")
    for new in ([3.0, 4.0], np.array([3.0, 4.0]), w + 2.0, (w + 2.0).data):
        assert w.assign(new).tolist() == [3.0, 4.0]
        assert (w.device, w.dtype) == ("cuda:0", np.float32)
    with pytest.raises(TypeError, match=r"^assign: this tensor is on cuda:0, the new values are on cpu; move them"):
        w.assign(tz.tensor([1.0, 2.0]))
    here = tz.tensor([1.0, 2.0])
    with pytest.raises(TypeError, match=r"^assign: this tensor is on cpu, the new values are on cuda:0; move them"):
        here.assign(w)
    assert (w.tolist(), here.tolist()) == ([3.0, 4.0], [1.0, 2.0])


def test_a_model_moves_whole_or_not_at_all(two: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = nn.Sequential(nn.Dense(2, 2), nn.Dense(2, 2))
    calls, upload = 0, two.gpu.upload

    def failing(host: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise fake_cupy.OutOfMemoryError("Out of memory allocating 512 bytes")
        return upload(host)

    monkeypatch.setattr(two.gpu, "upload", failing)
    model.to("cuda")  # the third array finds room at the second try
    assert {t.device for _, t in model.named_tensors()} == {"cuda:0"}
    two.gpu.default.limit = 0
    monkeypatch.setattr(two.gpu, "upload", upload)
    with pytest.raises(MemoryError, match="Out of memory"):
        nn.Sequential(nn.Dense(2, 2), model).to("cuda")
    assert {t.device for _, t in model.named_tensors()} == {"cuda:0"}


def test_gradients_and_hooks_move_with_their_tensor(cupy: Any) -> None:
    model, seen = nn.Dense(2, 1), []
    model.W.register_hook(lambda g: seen.append(g.device))
    model(np.ones((1, 2), np.float32)).sum().backward()
    model.to("cuda")
    assert model.W.grad.device == "cuda:0"
    model(tz.tensor(np.ones((1, 2), np.float32), device="cuda")).sum().backward()
    assert model.W.grad.tolist() == [[2.0], [2.0]]
    assert seen == ["cpu", "cuda:0"]


# ---- streams


def test_everything_runs_on_one_stream_that_waits_for_no_other(cupy: Any) -> None:
    stream = device.stream()
    assert stream.is_non_blocking
    assert device.stream() is stream
    cupy.cuda.Stream().use()
    x = tz.tensor([1.0], device="cuda")
    assert cupy.cuda.get_current_stream() is stream
    assert (x + x).tolist() == [2.0]


def test_waiting_for_the_gpu(cupy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    x = tz.tensor([1.0], device="cuda") * 2
    cupy.gpu.counts.clear()
    device.synchronize()
    assert cupy.gpu.counts["sync"] == 1
    assert x.tolist() == [2.0]
    monkeypatch.delitem(sys.modules, "cupy")
    device.synchronize()  # without CUDA there is nothing to wait for
