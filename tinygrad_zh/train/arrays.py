"""What a data set must be before one weight changes: equal lengths, at least one sample, finite numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor, get_default_dtype
from tinygrad_zh.device import move
from tinygrad_zh.nn import Module

Array = np.ndarray[Any, Any]


def checked(name: str, x: Any, model: Module) -> Array:
    """One array of samples, floating values in the model's dtype.

    Raises TypeError for what is no number, ValueError for no samples and for nan or ∞, naming the first sample.
    """
    if not isinstance(model, Module):
        raise TypeError(f"the model is a tz.nn.Module, not {model!r:.80}")
    array = move(x.data, "cpu") if isinstance(x, Tensor) else np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: the data are real numbers, not {array.dtype}; convert them first")
    if not array.ndim or not len(array):
        raise ValueError(f"{name}: there are no samples in an array of shape {array.shape}")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what overflows in the model's dtype is ∞ there, and named below
            array = array.astype(dtype_of(model), copy=False)
        finite = np.isfinite(array.reshape(len(array), -1)).all(axis=1)
        if not finite.all():
            bad = np.flatnonzero(~finite)
            raise ValueError(f"{name}: sample {bad[0]} holds nan or ∞ in {array.dtype} "
                             f"({len(bad)} of {len(array)} samples do); drop or repair them")
    return array


def pair(name: str, data: Any, model: Module) -> tuple[Array, Array]:
    """(x, y) of one length, each checked."""
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        raise TypeError(f"{name} is a pair (x, y) of arrays, not {type(data).__name__}")
    x, y = checked(f"{name} x", data[0], model), checked(f"{name} y", data[1], model)
    if len(x) != len(y):
        raise ValueError(f"{name}: {len(x)} samples but {len(y)} targets; they go together one by one")
    return x, y


def home(model: Module) -> str:
    """The device that a model computes on: its first tensor's, the CPU without any."""
    return next((t.device for _, t in model.named_tensors()), "cpu")


def dtype_of(model: Module) -> np.dtype[Any]:
    """The dtype that a model computes in: its first floating tensor's."""
    return next((t.dtype for _, t in model.named_tensors() if t.dtype.kind == "f"), get_default_dtype())
