"""The network 784–128–10 of the documents: its first 100 losses against PyTorch's, stored and live."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.golden import cases, mlp
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim

TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def network(dtype):
    tz.set_default_dtype(dtype)
    try:
        model = nn.Sequential(nn.Dense(784, 128), nn.ReLU(), nn.Dense(128, 10))
    finally:
        tz.set_default_dtype(np.float32)
    w = mlp.weights(dtype)
    model.load_state_dict({"0.W": w["W1"], "0.b": w["b1"], "2.W": w["W2"], "2.b": w["b2"]})
    return model


def our_losses(dtype, **settings):
    model = network(dtype)
    optimizer = optim.Adam(model.parameters(), **settings)
    losses = []
    for x, labels in mlp.batches(dtype):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        assert loss.dtype == dtype
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("case", cases("training"), ids=str)
def test_the_losses_are_pytorch_s(case):
    settings = dict(case.attributes)
    assert settings.pop("checksum") == mlp.checksum(), "weights and batches are not those of the golden file"
    dtype = case.name.removeprefix("mlp.")
    expected = case.outputs["losses"]
    assert len(expected) == mlp.STEPS and expected[-10:].mean() < 0.85 * expected[:10].mean()
    np.testing.assert_allclose(our_losses(dtype, **settings), expected, rtol=0, atol=TOLERANCE[dtype])


@pytest.mark.slow  # importing PyTorch alone takes seconds
@pytest.mark.torch
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_losses_are_those_that_pytorch_computes_here(dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    functional = torch.nn.functional
    w1, b1, w2, b2 = parameters = [torch.tensor(w).requires_grad_() for w in mlp.weights(dtype).values()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)
    expected = []
    for x, labels in mlp.batches(dtype):
        loss = functional.cross_entropy(functional.relu(torch.tensor(x) @ w1 + b1) @ w2 + b2, torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    np.testing.assert_allclose(our_losses(dtype, lr=1e-3), expected, rtol=0, atol=TOLERANCE[dtype])
