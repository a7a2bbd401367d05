"""The ops against what PyTorch computed, in float64. Deviations: none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.golden import Case, cases
from tinygrad_zh import functional as F

FAMILIES = ("activations", "losses", "normalization", "attention", "linear", "reductions")
CASES = cases(*FAMILIES)


def batch_norm(x: Any, weight: Any, bias: Any, running_mean: Any, running_var: Any, **how: Any) -> dict[str, Any]:
    y, mean, var = F.batch_norm(x, running_mean, running_var, weight, bias, **how)
    return {"y": y, "running_mean": mean, "running_var": var}


def attention(q: Any, k: Any, v: Any, mask: Any = None, causal: bool = False) -> Any:
    return F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)


ADAPTED = {
    "batch_norm": batch_norm,
    "attention": attention,
    "einsum": lambda a, b, subscripts: F.einsum(subscripts, a, b),
    "embedding": lambda weight, indices: F.embedding(indices, weight),
}


def compute(case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
    """The outputs and the gradients, by name."""
    inputs = {name: tz.tensor(x, requires_grad=name in case.gradients) for name, x in case.inputs.items()}
    if case.function == "batch_norm":
        result = batch_norm(**inputs, **case.attributes)
    else:
        function = ADAPTED.get(case.function) or getattr(F, case.function)
        result = {"y": function(*inputs.values(), **case.attributes)}
    leaves = [inputs[name] for name in case.gradients]
    gradients = tz.grad(result["y"], leaves, case.upstream)
    return result, dict(zip(case.gradients, gradients, strict=True))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_gradients_are_pytorchs(case):
    outputs, gradients = compute(case)
    for name, expected in {**case.outputs, **case.gradients}.items():
        found = (outputs if name in case.outputs else gradients)[name].numpy()
        assert found.dtype == np.float64 and found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-13, err_msg=name)


def test_every_function_of_the_families_is_here():
    assert {case.function for case in CASES} == {
        "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "silu", "softplus", "softmax", "log_softmax",
        "cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "mse_loss", "l1_loss",
        "huber_loss", "layer_norm", "rms_norm", "batch_norm", "attention", "matmul", "einsum", "embedding",
        "max", "min", "var", "std", "logsumexp", "norm", "prod",
    }  # fmt: skip
