"""The ops against what PyTorch computed, in float64. Deviations: none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.golden import Case, cases, cases_of
from tinygrad_zh import functional as F

FAMILIES = ("activations", "losses", "normalization", "attention", "convolution", "linear", "reductions")
CASES = cases(*FAMILIES)


def batch_norm(x: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, **how: Any) -> dict[str, Any]:
    y, mean, var = F.batch_norm(x, running_mean, running_var, weight, bias, **how)
    return {"y": y, "running_mean": mean, "running_var": var}


def attention(q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False) -> Any:
    return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)


def attention_in_three_steps(q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False) -> Any:
    return F.attention_weights(q, k, mask, is_causal=causal) @ v


def attention_in_blocks(q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False) -> Any:
    return F.blocked_attention(q, k, v, mask, is_causal=causal, block=3)


ADAPTED = {
    "batch_norm": batch_norm,
    "attention": attention,
    "einsum": lambda a, b, subscripts: F.einsum(subscripts, a, b),
    "embedding": lambda weight, indices: F.embedding(indices, weight),
}


def compute(case: Case, function: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs and the gradients, by name."""
    inputs = {name: tz.tensor(x, requires_grad=name in case.gradients) for name, x in case.inputs.items()}
    result = function(*inputs.values(), **case.attributes)
    result = result if isinstance(result, dict) else {"y": result}
    leaves = [inputs[name] for name in case.gradients]
    gradients = tz.grad(result["y"], leaves, case.upstream)
    return result, dict(zip(case.gradients, gradients, strict=True))


def assert_agrees(case: Case, function: Any) -> None:
    outputs, gradients = compute(case, function)
    for name, expected in {**case.outputs, **case.gradients}.items():
        found = (outputs if name in case.outputs else gradients)[name].numpy()
        assert found.dtype == np.float64 and found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13, err_msg=name)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_pytorchs(case):
    assert_agrees(case, ADAPTED.get(case.function) or getattr(F, case.function))


WAYS = [attention, attention_in_three_steps, attention_in_blocks]
MASKS = {
    "no mask": None,
    "padding": np.arange(40) < np.array([40, 11]).reshape(2, 1, 1),
    "causal": np.tri(25, 40, dtype=bool),
    "arbitrary": np.eye(25, 40, 3, bool) | (np.random.default_rng(0).random((2, 25, 40)) < 0.3),
    "one column hidden": np.arange(40) != 7,
}


@pytest.mark.slow  # importing PyTorch alone takes seconds
@pytest.mark.torch
@pytest.mark.parametrize("mask", MASKS)
def test_attention_is_what_pytorch_computes_here(mask):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from tests.golden import make

    inputs = make.normal(mask, q=(2, 25, 8), k=(2, 40, 8), v=(2, 40, 6))
    inputs |= {} if MASKS[mask] is None else {"mask": MASKS[mask]}
    plain = torch.nn.functional.scaled_dot_product_attention
    (case,) = cases_of(make.differentiate("attention.live", plain, inputs))
    for function in WAYS:
        assert_agrees(case, function)


@pytest.mark.parametrize("function", WAYS[1:])
@pytest.mark.parametrize("case", [case for case in CASES if case.function == "attention"], ids=str)
def test_attention_is_pytorchs_in_whatever_way_it_is_computed(case, function):
    assert_agrees(case, function)


def test_every_function_of_the_families_is_here():
    assert {case.function for case in CASES} == {
        "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "silu", "softplus", "softmax", "log_softmax",
        "cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss",
        "huber_loss", "layer_norm", "rms_norm", "batch_norm", "attention", "masked_softmax", "matmul", "einsum",
        "embedding", "conv2d", "max_pool2d", "avg_pool2d", "max", "min", "var", "std", "logsumexp", "norm", "prod",
    }  # fmt: skip
