"""Every layer on the GPU: output, gradients and state as on the CPU, to the bit."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import nn

ROWS = (2, 5, 8)
IMAGES = (2, 3, 6, 6)
MASK = np.array([[True, True, True, False, False], [False] * 5])


def tokens(device: str) -> Any:
    return tz.tensor([[1, 4, 0], [2, 2, 3]], device=device)


def padding(device: str) -> Any:
    return nn.padding_mask(tz.tensor(np.where(MASK, 3, 0), device=device))


def mask(device: str) -> Any:
    return tz.tensor(MASK, device=device)


Made = tuple[Callable[[], nn.Module], tuple[int, ...] | Callable[[str], Any], dict[str, Any]]
LAYERS: dict[str, Made] = {
    "Dense": (lambda: nn.Dense(8, 3), ROWS, {}),
    "Flatten": (lambda: nn.Sequential(nn.Flatten(), nn.Dense(40, 2)), ROWS, {}),
    "Sequential": (lambda: nn.Sequential(nn.Dense(8, 4), nn.ReLU()), ROWS, {}),
    "Dropout": (lambda: nn.Dropout(0.3), ROWS, {}),
    "Embedding": (lambda: nn.Embedding(5, 4), tokens, {}),
    "LayerNorm": (lambda: nn.LayerNorm(8), ROWS, {}),
    "BatchNorm": (lambda: nn.BatchNorm(3), IMAGES, {}),
    "Conv2d": (lambda: nn.Conv2d(3, 2, 3, padding=1), IMAGES, {}),
    "MaxPool2d": (lambda: nn.MaxPool2d(2), IMAGES, {}),
    "AvgPool2d": (lambda: nn.AvgPool2d(2), IMAGES, {}),
    "MeanPool": (nn.MeanPool, ROWS, {"mask": mask}),
    "MaxPool": (nn.MaxPool, ROWS, {"mask": mask}),
    "AttentionPool": (lambda: nn.AttentionPool(8), ROWS, {"mask": mask}),
    "MeanPool without a mask": (nn.MeanPool, ROWS, {}),
    "SinusoidalPosition": (lambda: nn.SinusoidalPosition(8), ROWS, {}),
    "LearnedPosition": (lambda: nn.LearnedPosition(6, 8), ROWS, {}),
    "MultiHeadAttention": (lambda: nn.MultiHeadAttention(8, 2), ROWS, {"mask": padding}),
    "MultiHeadAttention with dropout": (lambda: nn.MultiHeadAttention(8, 2, dropout=0.4), ROWS, {"is_causal": True}),
    "FeedForward": (lambda: nn.FeedForward(8, 6), ROWS, {}),
    "TransformerBlock": (lambda: nn.TransformerBlock(8, 2, 6, dropout=0.1), ROWS, {"mask": padding}),
    "PreNormTransformerBlock": (lambda: nn.PreNormTransformerBlock(8, 2, 6), ROWS, {"is_causal": True}),
    "Encoder": (lambda: nn.Encoder(2, 8, 2, 6), ROWS, {"mask": padding, "is_causal": True}),
    "DecoderBlock": (lambda: nn.DecoderBlock(8, 2, 6), ROWS, {"memory": ROWS}),
    "PreNormDecoderBlock": (lambda: nn.PreNormDecoderBlock(8, 2, 6), ROWS, {"memory": ROWS}),
    "Decoder": (lambda: nn.Decoder(1, 8, 2, 6), ROWS, {"memory": ROWS, "memory_mask": padding}),
    **{name: (getattr(nn, name), ROWS, {}) for name in
       ("ReLU", "LeakyReLU", "Sigmoid", "Tanh", "GELU", "SiLU", "Softplus", "Softmax", "LogSoftmax")},
}


def given(what: Any, device: str) -> Any:
    """An input: values of a shape, or what a function makes, or just itself."""
    if callable(what):
        return what(device)
    if isinstance(what, tuple):
        return tz.tensor(np.random.default_rng(0).normal(size=what).astype(np.float32), requires_grad=True,
                         device=device)
    return what


def run(made: Made, device: str, *, training: bool) -> dict[str, bytes]:
    """Everything that comes of a forward and a backward pass."""
    make, x, keywords = made
    tz.manual_seed(0)
    model = make().train(training).to(device)
    x = given(x, device)
    y = model(x, **{name: given(value, device) for name, value in keywords.items()})
    assert y.device.startswith(device)
    (y * y).sum().backward()
    leaves = dict(model.named_tensors()) | {"x": x, "y": y.detach()}
    found = {name: t.to("cpu").numpy().tobytes() for name, t in leaves.items()}
    return found | {f"∂{name}": t.grad.to("cpu").numpy().tobytes() for name, t in leaves.items() if t.grad is not None}


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_the_same_on_both(name: str, training: bool, cupy: Any) -> None:
    assert run(LAYERS[name], "cuda", training=training) == run(LAYERS[name], "cpu", training=training)
    assert not cupy.gpu.counts["launch on the null stream"]


def test_no_layer_is_left_out() -> None:
    layers = {name for name in nn.__all__ if inspect.isclass(getattr(nn, name))} - {"Module"}
    assert layers <= {name.split()[0] for name in LAYERS}


def test_an_array_of_the_gpu_does_for_a_tensor(cupy: Any) -> None:
    x = given(ROWS, "cuda")
    assert nn.SinusoidalPosition(8)(x.array).tolist() == nn.SinusoidalPosition(8)(x).tolist()


def test_what_a_layer_attends_to_is_brought_back(cupy: Any) -> None:
    maps = {}
    for device in ("cpu", "cuda"):
        tz.manual_seed(0)
        model = nn.Encoder(1, 8, 2, 6).to(device)
        with nn.attention_maps(model) as seen:
            model(given(ROWS, device))
        maps[device] = {path: weights.tobytes() for path, weights in seen.items()}
    assert maps["cuda"] == maps["cpu"]
