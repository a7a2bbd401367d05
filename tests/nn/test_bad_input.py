"""Bad input to layers: one sentence that says what is wrong, and afterwards nothing has changed."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import nn

MODEL = {
    "dense": lambda: nn.Dense(4, 3),
    "embedding": lambda: nn.Embedding(5, 2),
    "layer norm": lambda: nn.LayerNorm(4),
    "batch norm": lambda: nn.BatchNorm(4),
    "flatten": lambda: nn.Sequential(nn.Flatten(), nn.Dense(4, 3)),
    "no forward": nn.Module,
}

INPUT = [  # layer, input, error, what the sentence says
    ("dense", np.ones((2, 5), np.float32), ValueError, "Dense(4 → 3) takes (…, 4), not (2, 5)"),
    ("dense", np.ones((2, 4, 1)), ValueError, "takes (…, 4), not (2, 4, 1); put nn.Flatten() before it"),
    ("dense", np.float32(1), ValueError, "takes (…, 4), not ()"),
    ("dense", 1.0, ValueError, "takes (…, 4), not ()"),
    ("dense", [[1.0, 2.0]], ValueError, "takes (…, 4), not (1, 2)"),
    ("dense", np.array([["a", "b", "c", "d"]]), TypeError, "<U1"),
    ("dense", None, ValueError, "takes (…, 4), not ()"),
    ("embedding", [5], IndexError, "token 5 is out of range for a vocabulary of 5 (0 to 4)"),
    ("embedding", [-1], IndexError, "token -1 is out of range"),
    ("embedding", [0.0], TypeError, "integers, not float"),
    ("embedding", ["a"], TypeError, "integers, not <U1"),
    ("embedding", [True], TypeError, "integers, not bool"),
    ("layer norm", np.ones((2, 3)), ValueError, "have shape (3,) for x of shape (2, 3), not (4,)"),
    ("layer norm", np.float64(1), ValueError, "the last axis, which shape () does not have"),
    ("batch norm", np.ones((3, 5)), ValueError, "for x of shape (3, 5) it is (5,)"),
    ("batch norm", np.ones(4), ValueError, "(n, channels) or (n, channels, …), not (4,)"),
    ("batch norm", np.ones((1, 4)), ValueError, "at least 2 values a channel"),
    ("flatten", np.float64(1), ValueError, "a batch (n, …), not a single number"),
    ("flatten", 1.0, ValueError, "a batch (n, …), not a single number"),
    ("no forward", np.ones(2), TypeError, "Module has no forward; define forward(self, x) in the class"),
]


def fits(name):
    return np.array([[0, 4]]) if name == "embedding" else np.random.default_rng(0).normal(size=(3, 4))


@pytest.mark.parametrize(("name", "x", "error", "sentence"), INPUT)
def test_an_input_that_does_not_fit(name, x, error, sentence):
    model = MODEL[name]()
    if name != "no forward":
        model(fits(name)).sum().backward()
    state = {key: array.tobytes() for key, array in model.state_dict().items()}
    gradients = [p.grad for p in model.parameters()]

    with pytest.raises(error, match=re.escape(sentence)) as caught:
        model(x)

    assert "\n" not in str(caught.value)
    assert {key: array.tobytes() for key, array in model.state_dict().items()} == state
    assert all(p.grad is g for p, g in zip(model.parameters(), gradients, strict=True))
    if name != "no forward":
        model.zero_grad()
        model(fits(name)).sum().backward()
        assert all(np.isfinite(p.grad.numpy()).all() for p in model.parameters())


MADE = [  # what is made, error, what the sentence says
    (lambda: nn.Dense(0, 3), ValueError, "Dense: inputs is at least 1, not 0"),
    (lambda: nn.Dense(3, -1), ValueError, "Dense: outputs is at least 1, not -1"),
    (lambda: nn.Dense(2.5, 3), TypeError, "Dense: inputs is a whole number, not 2.5"),
    (lambda: nn.Dense((28, 28), 3), TypeError, "Dense: inputs is a whole number, not (28, 28)"),
    (lambda: nn.Embedding(0, 3), ValueError, "Embedding: vocabulary is at least 1, not 0"),
    (lambda: nn.Embedding(3, "2"), TypeError, "Embedding: width is a whole number, not '2'"),
    (lambda: nn.LayerNorm(0), ValueError, "LayerNorm: width is at least 1, not 0"),
    (lambda: nn.BatchNorm(-3), ValueError, "BatchNorm: channels is at least 1, not -3"),
    (lambda: nn.Dense(3, 2, init=lambda shape: np.ones((2, 3))), ValueError,
     "Dense: the initial W is of shape (3, 2), init gave (2, 3)"),
    (lambda: nn.Dense(3, 2, bias_init=lambda shape: np.ones(())), ValueError,
     "Dense: the initial b is of shape (2,), init gave ()"),
    (lambda: nn.Embedding(3, 2, init=lambda shape: np.ones(6)), ValueError,
     "Embedding: the initial W is of shape (3, 2), init gave (6,)"),
    (lambda: nn.Dropout(1.5), ValueError, "p is a probability from 0 to 1, not 1.5"),
    (lambda: nn.Dropout(-0.1), ValueError, "p is a probability from 0 to 1, not -0.1"),
    (lambda: nn.Dropout(float("nan")), ValueError, "p is a probability from 0 to 1, not nan"),
    (lambda: nn.Sequential(nn.ReLU), TypeError, "layer 0 is a type (write nn.ReLU() with parentheses)"),
    (lambda: nn.Sequential(nn.ReLU(), np.tanh), TypeError, "made of modules; layer 1 is a ufunc"),
    (lambda: nn.Sequential([nn.ReLU()]), TypeError, "made of modules; layer 0 is a list"),
    (lambda: nn.parameter([1, 2]), TypeError, "only floating tensors have gradients"),
    (lambda: nn.parameter("abc"), TypeError, "a tensor holds real numbers"),
    (lambda: nn.init.he_normal((3,)), ValueError, "need a matrix of weights, not shape (3,)"),
]


@pytest.mark.parametrize(("make", "error", "sentence"), MADE, ids=[sentence for *_, sentence in MADE])
def test_a_layer_that_cannot_be(make, error, sentence):
    generator = tz.manual_seed(1)
    with pytest.raises(error, match=re.escape(sentence)) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert tz.default_generator() is generator
    assert nn.Dense(2, 3)(np.ones((1, 2))).shape == (1, 3)


def test_a_parameter_is_a_copy_so_the_array_stays_the_user_s():
    values = np.ones(3)
    p = nn.parameter(values)
    values[0] = 7
    assert p.tolist() == [1, 1, 1] and p.requires_grad


def test_an_index_that_a_sequential_does_not_have():
    with pytest.raises(IndexError):
        nn.Sequential(nn.ReLU())[1]


def test_loading_into_a_model_by_mistake_an_optimizer_s_state():
    model = nn.Dense(2, 1)
    before = {name: array.tobytes() for name, array in model.state_dict().items()}
    with pytest.raises(ValueError, match=r"missing: W, b; not in it: 0\.m, 0\.t, 0\.v, 1\.m, 1\.t, 1\.v, lr"):
        model.load_state_dict(tz.optim.Adam(model.parameters()).state_dict())
    assert {name: array.tobytes() for name, array in model.state_dict().items()} == before
