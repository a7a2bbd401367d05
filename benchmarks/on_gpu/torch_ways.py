"""The same functions in PyTorch, eager and compiled, on the same memory and the same stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from typing import Any

from benchmarks.places import Place
from tinygrad_zh_kernels import Arguments, Kernel
from tinygrad_zh_kernels.timing import Call, in_turn

EAGER, COMPILED = "torch", "torch-compiled"


def functions() -> dict[str, Callable[..., Any]]:
    """{kernel: the function of its positional arguments}; the first result is compared with the formula's."""
    import torch
    from torch.nn import functional as F

    aten = torch.ops.aten
    return {
        "activation.gelu_forward": lambda x: F.gelu(x, approximate="tanh"),
        "activation.gelu_backward": lambda dy, x: aten.gelu_backward(dy, x, approximate="tanh"),
        "activation.relu_forward": F.relu,
        "activation.relu_backward": lambda dy, y: aten.threshold_backward(dy, y, 0),
        "activation.sigmoid_forward": torch.sigmoid,
        "activation.sigmoid_backward": aten.sigmoid_backward,
        "activation.tanh_forward": torch.tanh,
        "activation.tanh_backward": aten.tanh_backward,
        "attention.forward": F.scaled_dot_product_attention,
        "attention.masked_forward": lambda q, k, v, mask: F.scaled_dot_product_attention(q, k, v, mask),
        "bias_activation.gelu_forward": lambda x, b: F.gelu(x + b, approximate="tanh"),
        "bias_activation.relu_forward": lambda x, b: F.relu(x + b),
        "bias_activation.sigmoid_forward": lambda x, b: torch.sigmoid(x + b),
        "bias_activation.tanh_forward": lambda x, b: torch.tanh(x + b),
        "embedding.forward": lambda t, w: F.embedding(t, w),
        "layer_norm.forward": lambda x, gamma, beta: F.layer_norm(x, x.shape[-1:], gamma, beta),
        "matmul.forward": torch.matmul,
        "softmax.forward": lambda x: torch.softmax(x, -1),
        "softmax.backward": lambda dy, y: aten._softmax_backward_data(dy, y, -1, y.dtype),
        "softmax.log_forward": lambda x: torch.log_softmax(x, -1),
        "softmax.log_backward": lambda dy, y: aten._log_softmax_backward_data(dy, y, -1, y.dtype),
    }


def usable(place: Place) -> bool:
    """Whether PyTorch is here, and runs there."""
    if find_spec("torch") is None:
        return False
    import torch

    return place.name != "cuda" or bool(torch.cuda.is_available())


def known(kernel: Kernel, place: Place) -> bool:
    """Whether PyTorch can be asked for this kernel's function."""
    return usable(place) and kernel.name in functions()


def eager(kernel: Kernel, copies: Sequence[Arguments]) -> dict[str, Call]:
    """{name: call} of PyTorch's function, without copying the arguments."""
    return {EAGER: _call(functions()[kernel.name], copies)}


def compiled(kernel: Kernel, copies: Sequence[Arguments]) -> dict[str, Call]:
    """The same, compiled by torch.compile; the first call takes seconds."""
    import torch

    return {COMPILED: _call(torch.compile(functions()[kernel.name]), copies)}


def _call(function: Callable[..., Any], copies: Sequence[Arguments]) -> Call:
    return in_turn(lambda tensors: function(*tensors), [[tensor(x) for x in given.arrays] for given in copies])


def tensor(x: Any) -> Any:
    """The same memory as a tensor."""
    import torch

    return torch.from_dlpack(x) if hasattr(x, "__cuda_array_interface__") else torch.from_numpy(x)


@contextmanager
def same_stream(place: Place) -> Iterator[None]:
    """PyTorch's work is queued where ours is, so that the same events time it."""
    if place.name != "cuda" or not usable(place):
        yield
        return
    import torch

    pointer = place.xp.cuda.get_current_stream().ptr
    with torch.no_grad(), torch.cuda.stream(torch.cuda.ExternalStream(pointer)) if pointer else nullcontext():
        yield
