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
    "attention": lambda: nn.MultiHeadAttention(4, 2),
    "block": lambda: nn.TransformerBlock(4, 2, 3),
    "encoder": lambda: nn.Encoder(2, 4, 2, 3, block=nn.PreNormTransformerBlock),
    "sinusoidal position": lambda: nn.Sequential(nn.SinusoidalPosition(4), nn.Dense(4, 3)),
    "learned position": lambda: nn.LearnedPosition(3, 4),
    "mean pool": lambda: nn.Sequential(nn.MeanPool(), nn.Dense(4, 3)),
    "max pool": lambda: nn.Sequential(nn.MaxPool(), nn.Dense(4, 3)),
    "attention pool": lambda: nn.AttentionPool(4),
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
    ("attention", np.ones((2, 3, 5)), ValueError,
     "MultiHeadAttention(4, 2 heads) takes x (…, length, 4), not (2, 3, 5)"),
    ("attention", np.ones(4), ValueError, "takes x (…, length, 4), not (4,)"),
    ("attention", np.float64(1), ValueError, "takes x (…, length, 4), not ()"),
    ("attention", None, ValueError, "takes x (…, length, 4), not ()"),
    ("attention", np.ones((2, 0, 4)), ValueError, "there is nothing to attend to; the keys have shape (2, 2, 0, 2)"),
    ("attention", np.full((3, 4), "a"), TypeError, "<U1"),
    ("block", np.ones((2, 3, 5)), ValueError, "MultiHeadAttention(4, 2 heads) takes x (…, length, 4), not (2, 3, 5)"),
    ("block", np.ones((2, 0, 4)), ValueError, "there is nothing to attend to"),
    ("encoder", np.ones((2, 3, 5)), ValueError, "have shape (5,) for x of shape (2, 3, 5), not (4,)"),
    ("encoder", np.ones(4), ValueError, "takes x (…, length, 4), not (4,)"),
    ("sinusoidal position", np.ones((2, 3, 5)), ValueError,
     "SinusoidalPosition takes (…, length, 4), not (2, 3, 5)"),
    ("sinusoidal position", np.ones(4), ValueError, "SinusoidalPosition takes (…, length, 4), not (4,)"),
    ("sinusoidal position", np.ones((2, 0, 4)), ValueError, "sinusoidal: length is at least 1, not 0"),
    ("sinusoidal position", 3, ValueError, "SinusoidalPosition takes (…, length, 4), not ()"),
    ("learned position", np.ones((2, 4, 4)), ValueError,
     "LearnedPosition knows 3 positions, not 4; cut the input, or make it longer"),
    ("learned position", np.ones((2, 3, 5)), ValueError, "LearnedPosition takes (…, length, 4), not (2, 3, 5)"),
    ("learned position", np.ones(4), ValueError, "LearnedPosition takes (…, length, 4), not (4,)"),
    *((f"{name} pool", x, error, f"{name.title()}Pool takes {sentence}") for name in ("mean", "max", "attention")
      for x, error, sentence in (
          (np.ones(4), ValueError, "(…, length, width) with at least one row, not (4,)"),
          (np.ones((2, 0, 4)), ValueError, "(…, length, width) with at least one row, not (2, 0, 4)"),
          ([[1.0] * 4], TypeError, "a tensor or an array, not list; use tz.tensor(…)"),
          (None, TypeError, "a tensor or an array, not NoneType"))),
    ("attention pool", np.ones((2, 3, 5)), ValueError, "AttentionPool(4) takes (…, length, 4), not (2, 3, 5)"),
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


X = np.ones((2, 3, 4))
Y = np.ones((2, 5, 4))
CALLED = [  # layer, input, keywords, error, what the sentence says
    (nn.MultiHeadAttention, X, {"mask": np.ones((2, 3), bool)}, ValueError, "a mask (2, 3) does not fit the scores "
     "(2, 3, 3), rows of x by rows of memory; for padding take nn.padding_mask(tokens), (batch, 1, length)"),
    (nn.MultiHeadAttention, X, {"mask": np.ones((2, 1, 1, 3), bool)}, ValueError,
     "a mask (2, 1, 1, 3) does not fit the scores (2, 3, 3)"),
    (nn.MultiHeadAttention, X, {"mask": np.ones((1, 1, 1, 3), bool)}, ValueError, "a mask (1, 1, 1, 3) does not fit"),
    (nn.MultiHeadAttention, X, {"mask": np.ones((4, 1, 3), bool)}, ValueError, "a mask (4, 1, 3) does not fit"),
    (nn.MultiHeadAttention, X, {"mask": np.ones(3, bool)}, ValueError, "a mask (3,) does not fit the scores"),
    (nn.MultiHeadAttention, X, {"mask": True}, ValueError, "a mask () does not fit the scores"),
    (nn.MultiHeadAttention, X, {"mask": np.ones((3, 3))}, TypeError, "a mask is boolean, true for what counts, not "
     "float64"),
    (nn.MultiHeadAttention, X, {"mask": np.ones((2, 1, 3), int)}, TypeError, "a mask is boolean"),
    (nn.MultiHeadAttention, X, {"memory": Y, "mask": np.ones((3, 3), bool)}, ValueError,
     "a mask (3, 3) does not fit the scores (2, 3, 5)"),
    (nn.MultiHeadAttention, X, {"memory": np.ones((3, 5, 4))}, ValueError,
     "x (2, 3, 4) and memory (3, 5, 4) are not of one batch"),
    (nn.MultiHeadAttention, X, {"memory": Y[0]}, ValueError, "x (2, 3, 4) and memory (5, 4) are not of one batch"),
    (nn.MultiHeadAttention, X, {"memory": np.ones((2, 5, 6))}, ValueError,
     "MultiHeadAttention(4, 2 heads) takes memory (…, length, 4), not (2, 5, 6)"),
    (nn.MultiHeadAttention, X, {"memory": Y[:, :0]}, ValueError, "there is nothing to attend to"),
    (nn.TransformerBlock, X, {"mask": np.ones((2, 3), bool)}, ValueError, "a mask (2, 3) does not fit"),
    (nn.DecoderBlock, X, {"memory": np.ones((1, 5, 4))}, ValueError, "are not of one batch"),
    (nn.DecoderBlock, X, {"memory": Y, "memory_mask": np.ones((2, 5), bool)}, ValueError, "a mask (2, 5) does not fit"),
    (nn.PreNormDecoderBlock, X, {"memory": Y, "memory_mask": np.ones((2, 1, 5), int)}, TypeError, "a mask is boolean"),
    (nn.PreNormDecoderBlock, X, {"memory": Y[:, :0]}, ValueError, "there is nothing to attend to"),
    *((kind, X, {"mask": mask}, error, sentence) for kind in (nn.MeanPool, nn.MaxPool, nn.AttentionPool)
      for mask, error, sentence in (
          (np.ones((2, 3), int), TypeError, "Pool: the mask is boolean, true for the rows that count, not int64"),
          (np.ones((2, 1, 3), bool), ValueError,
           "Pool: x (2, 3, 4) needs a mask (2, 3), one boolean a row, not (2, 1, 3)"),
          (np.ones(3, bool), ValueError, "needs a mask (2, 3), one boolean a row, not (3,)"),
          (np.ones((2, 4), bool), ValueError, "needs a mask (2, 3), one boolean a row, not (2, 4)"))),
]
SIZES = {nn.MeanPool: (), nn.MaxPool: (), nn.AttentionPool: (4,), nn.MultiHeadAttention: (4, 2)}


@pytest.mark.parametrize(("kind", "x", "keywords", "error", "sentence"), CALLED)
def test_a_mask_or_a_memory_that_does_not_fit(kind, x, keywords, error, sentence):
    model, leaf = kind(*SIZES.get(kind, (4, 2, 3))), tz.tensor(x, requires_grad=True)
    generator = str(tz.default_generator().bit_generator.state)
    with pytest.raises(error, match=re.escape(sentence)) as caught:
        model(leaf, **keywords)
    assert "\n" not in str(caught.value)
    assert str(tz.default_generator().bit_generator.state) == generator
    assert leaf.grad is None and all(p.grad is None for p in model.parameters())
    more = [Y] if kind in (nn.DecoderBlock, nn.PreNormDecoderBlock) else []
    model(leaf, *more).sum().backward()
    assert np.isfinite(leaf.grad.numpy()).all()


PADDING = [  # tokens, error, what the sentence says
    ([[1.0, 0.0]], TypeError, "padding_mask: tokens are integers (…, length), not float64 (1, 2)"),
    ([[True, False]], TypeError, "not bool (1, 2)"),
    (["你好"], TypeError, "not <U2 (1,)"),
    (3, TypeError, "not int64 ()"),
]


@pytest.mark.parametrize(("tokens", "error", "sentence"), PADDING)
def test_tokens_of_which_no_padding_is_known(tokens, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        nn.padding_mask(tokens)


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
    (lambda: nn.MultiHeadAttention(8, 3), ValueError,
     "MultiHeadAttention: 3 heads do not divide the width 8; take 1, 2, 4, 8 heads"),
    (lambda: nn.MultiHeadAttention(4, 8), ValueError, "8 heads do not divide the width 4; take 1, 2, 4 heads"),
    (lambda: nn.MultiHeadAttention(0, 1), ValueError, "MultiHeadAttention: width is at least 1, not 0"),
    (lambda: nn.MultiHeadAttention(4, 0), ValueError, "MultiHeadAttention: heads is at least 1, not 0"),
    (lambda: nn.MultiHeadAttention(4, -2), ValueError, "MultiHeadAttention: heads is at least 1, not -2"),
    (lambda: nn.MultiHeadAttention(4, 2.0), TypeError, "MultiHeadAttention: heads is a whole number, not 2.0"),
    (lambda: nn.MultiHeadAttention(4, 2, dropout=1.5), ValueError, "p is a probability from 0 to 1, not 1.5"),
    (lambda: nn.TransformerBlock(4, 3, 2), ValueError, "3 heads do not divide the width 4"),
    (lambda: nn.TransformerBlock(4, 2, 0), ValueError, "Dense: outputs is at least 1, not 0"),
    (lambda: nn.PreNormDecoderBlock(4, 2, 3, dropout=-1), ValueError, "p is a probability from 0 to 1, not -1"),
    (lambda: nn.FeedForward(4, 3, "relu"), TypeError, "the activation is a function such as F.gelu, not 'relu'"),
    (lambda: nn.FeedForward(4, 3, nn.GELU), TypeError, "the activation is a function such as F.gelu, not GELU"),
    (lambda: nn.Encoder(1, 4, 2, 3, activation=None), TypeError, "such as F.gelu, not a NoneType"),
    (lambda: nn.Encoder(0, 4, 2, 3), ValueError, "Encoder: depth is at least 1, not 0"),
    (lambda: nn.Decoder(1.5, 4, 2, 3), TypeError, "Decoder: depth is a whole number, not 1.5"),
    (lambda: nn.Encoder(1, 4, 2, 3, block="pre-norm"), TypeError,
     "Encoder: the block is a class, nn.TransformerBlock or nn.PreNormTransformerBlock, not 'pre-norm'"),
    (lambda: nn.Encoder(1, 4, 2, 3, block=nn.TransformerBlock(4, 2, 3)), TypeError, "not a TransformerBlock"),
    (lambda: nn.Encoder(1, 4, 2, 3, block=nn.DecoderBlock), TypeError, "not DecoderBlock"),
    (lambda: nn.Encoder(1, 4, 2, 3, block=nn.Dense), TypeError, "not Dense"),
    (lambda: nn.Decoder(1, 4, 2, 3, block=nn.TransformerBlock), TypeError,
     "Decoder: the block is a class, nn.DecoderBlock or nn.PreNormDecoderBlock, not TransformerBlock"),
    (lambda: nn.Decoder(1, 4, 2, 3, block=None), TypeError, "not a NoneType"),
    (lambda: nn.SinusoidalPosition(0), ValueError, "SinusoidalPosition: width is at least 1, not 0"),
    (lambda: nn.sinusoidal(0, 4), ValueError, "sinusoidal: length is at least 1, not 0"),
    (lambda: nn.sinusoidal(3.0, 4), TypeError, "sinusoidal: length is a whole number, not 3.0"),
    (lambda: nn.sinusoidal(3, [4]), TypeError, "sinusoidal: width is a whole number, not [4]"),
    (lambda: nn.LearnedPosition(0, 4), ValueError, "LearnedPosition: length is at least 1, not 0"),
    (lambda: nn.LearnedPosition(4, 3, init=lambda shape: np.ones((3, 4))), ValueError,
     "LearnedPosition: the initial P is of shape (4, 3), init gave (3, 4)"),
    (lambda: nn.AttentionPool(0), ValueError, "AttentionPool: width is at least 1, not 0"),
    (lambda: nn.AttentionPool(3, init=lambda shape: np.ones(3)), ValueError,
     "AttentionPool: the initial u is of shape (1, 3), init gave (3,)"),
    (lambda: nn.Dropout(1.5), ValueError, "p is a probability from 0 to 1, not 1.5"),
    (lambda: nn.Dropout(-0.1), ValueError, "p is a probability from 0 to 1, not -0.1"),
    (lambda: nn.Dropout(float("nan")), ValueError, "p is a probability from 0 to 1, not nan"),
    (lambda: nn.Dropout("a"), TypeError, "p is a number, not str"),
    (lambda: nn.Dropout(None), TypeError, "p is a number, not NoneType"),
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
