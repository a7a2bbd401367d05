"""Our models beside PyTorch's: the same parameters under our names, then the same values and gradients."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

import tinygrad_zh as tz
from tests.golden import Arrays, Case
from tinygrad_zh import functional as F
from tinygrad_zh import nn

RENAMED = [
    (r"\bself_attn\b", "attention"),
    (r"\bmultihead_attn\b", "cross"),
    (r"\bout_proj\b", "output"),
    (r"\blinear1\b", "feed_forward.first"),
    (r"\blinear2\b", "feed_forward.second"),
    (r"\bnorm1\b", "attention_norm"),
    (r"\blayers\b", "blocks"),
    (r"norm\.weight$", "norm.gamma"),
    (r"norm\.bias$", "norm.beta"),
    (r"\.weight$", ".W"),
    (r"\.bias$", ".b"),
]


def renamed(theirs: Arrays) -> Arrays:
    """Parameters (or their gradients) of PyTorch's module, by the paths and in the layout of ours."""
    ours = {}
    for name, array in theirs.items():
        cross = re.sub(r"norm\d\.\w+$", "multihead_attn.in_proj_bias", name) in theirs
        name = re.sub(r"\bnorm2\b", "cross_norm" if cross else "feed_forward_norm", name)
        name = re.sub(r"\bnorm3\b", "feed_forward_norm", name)
        for pattern, new in RENAMED:
            name = re.sub(pattern, new, name)
        if "in_proj" in name:
            path, kind = re.split("in_proj_", name)
            for part, third in zip(("query", "key", "value"), np.split(array, 3), strict=True):
                ours[f"{path}{part}.{'W' if kind == 'weight' else 'b'}"] = third.T
        else:
            ours[name] = array.T if name.endswith(".W") and not name.startswith("embedding") else array
    return ours


class TextClassifier(nn.Module):
    """tests/golden/make.py has the same from PyTorch's parts."""

    def __init__(self, vocabulary: int, width: int, heads: int, hidden: int) -> None:
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.SinusoidalPosition(width)
        self.encoder = nn.Encoder(2, width, heads, hidden)
        self.pool = nn.MeanPool()
        self.head = nn.Dense(width, 1)

    def forward(self, tokens: Any) -> Any:
        x = self.position(self.embedding(tokens))
        return self.head(self.pool(self.encoder(x, mask=nn.padding_mask(tokens)), tokens.numpy() != 0))


def model_of(case: Case) -> nn.Module:
    """The module of a golden case."""
    how = dict(case.attributes)
    if case.function == "text_classifier":
        return TextClassifier(*case.inputs["embedding.weight"].shape, how["heads"], how["hidden"])
    width = case.inputs["x"].shape[-1]
    if case.function == "multi_head_attention":
        return nn.MultiHeadAttention(width, how["heads"])
    sizes = (width, how["heads"], how["hidden"], 0.0, {"relu": F.relu, "gelu": F.gelu}[how["activation"]])
    if "memory" in case.inputs:
        decoder = nn.PreNormDecoderBlock if how["norm_first"] else nn.DecoderBlock
        return nn.Decoder(how["depth"], *sizes, decoder) if how["depth"] else decoder(*sizes)
    block = nn.PreNormTransformerBlock if how["norm_first"] else nn.TransformerBlock
    return nn.Encoder(how["depth"], *sizes, block) if how["depth"] else block(*sizes)


GIVEN = ("x", "memory", "tokens", "mask", "memory_mask")


def assert_agrees(case: Case, **close: Any) -> None:
    """Values and all gradients of our module are PyTorch's; of an attention layer also when it is asked for weights."""
    model = model_of(case)
    model.load_state_dict(renamed({key: array for key, array in case.inputs.items() if key not in GIVEN}))
    given = {key: tz.tensor(case.inputs[key], requires_grad=key in case.gradients)
             for key in GIVEN if key in case.inputs}
    leaves = dict(model.named_parameters()) | {key: t for key, t in given.items() if t.requires_grad}
    keywords = {"is_causal": True} if case.attributes.get("is_causal") else {}
    compare({"y": model(**given, **keywords)}, leaves, case, close)
    if "weights" in case.outputs:
        y, weights = model(**given, **keywords, return_weights=True)
        compare({"y": y, "weights": weights}, leaves, case, close)


def compare(outputs: dict[str, tz.Tensor], leaves: dict[str, tz.Tensor], case: Case, close: dict[str, Any]) -> None:
    """The outputs, and after a backward pass from y the gradients of all leaves."""
    for t in leaves.values():
        t.zero_grad()
    outputs["y"].backward(case.upstream)
    found = outputs | {name: t.grad for name, t in leaves.items()}
    expected = {name: case.outputs[name] for name in outputs} | renamed(case.gradients)
    assert sorted(found) == sorted(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape, name
        np.testing.assert_allclose(found[name].numpy(), array, **close, err_msg=name)
