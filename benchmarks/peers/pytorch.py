"""PyTorch: as a script would use it; with fused optimizers; and with torch.compile for the model and its loss."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.peers.cases import Case, Transformer, Weights, batches, positions, weights

VARIANTS = {
    "PyTorch": "eager, optimizers with their defaults",
    "PyTorch fused": "eager, optimizers with fused=True",
    "torch.compile": "torch.compile of the model with its loss, optimizers with fused=True",
}
LOSSES = {"cross-entropy": F.cross_entropy, "mse": F.mse_loss, "bce": F.binary_cross_entropy_with_logits}


def loaded(variant: str) -> str:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    if variant == "torch.compile":
        for name in ("torch._dynamo", "torch._inductor.compile_fx"):  # so that their memory counts as an import
            import_module(name)
    mkl = next((line.strip(" -").partition(" for ")[0] for line in torch.__config__.show().splitlines()
                if "Math Kernel" in line), "")
    return f"PyTorch {torch.__version__}, {mkl}, {torch.backends.cpu.get_cpu_capability()}, " \
           f"{torch.get_num_threads()} threads"


class Classifier(nn.Module):
    def __init__(self, of: Transformer) -> None:
        super().__init__()
        self.embedding = nn.Embedding(of.vocabulary, of.width)
        layer = nn.TransformerEncoderLayer(of.width, of.heads, of.hidden, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, of.depth, enable_nested_tensor=False)
        self.classes = nn.Linear(of.width, of.classes)
        self.register_buffer("position", torch.from_numpy(positions(of.length, of.width)), persistent=False)

    def forward(self, tokens: Any) -> Any:
        return self.classes(self.encoder(self.embedding(tokens) + self.position).mean(1))


def network(case: Case) -> nn.Module:
    if case.model == "transformer":
        return Classifier(Transformer(*case.sizes))
    if case.model == "cnn":
        first, second, classes = case.sizes
        return nn.Sequential(
            nn.Conv2d(1, first, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(first, second, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(49 * second, classes))  # fmt: skip
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(case.sizes):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def state(case: Case, ours: Weights) -> dict[str, torch.Tensor]:
    """Our weights under PyTorch's names: its matrices are (outputs, inputs), and Q, K and V are one."""
    names = {"mlp": lambda layer: str(2 * int(layer)),
             "cnn": {"0": "0", "1": "3", "classes": "7"}.get,
             "transformer": lambda layer: layer}[case.model]
    theirs = {}
    for name, array in ours.items():
        layer, _, part = name.rpartition(".")
        if part == "W":
            theirs[f"{names(layer)}.weight"] = array.T if array.ndim == 2 else array
        elif part in ("b", "beta"):
            theirs[f"{names(layer)}.bias"] = array
        else:
            theirs[f"{names(layer or part)}.weight"] = array
    if case.model == "transformer":
        theirs = _encoder(theirs, Transformer(*case.sizes).depth)
    return {name: torch.tensor(array) for name, array in theirs.items()}


def _encoder(theirs: dict[str, Any], depth: int) -> dict[str, Any]:
    found = {name: theirs.pop(name) for name in ("embedding.weight", "classes.weight", "classes.bias")}
    for i in range(depth):
        layer = f"encoder.layers.{i}"
        for kind in ("weight", "bias"):
            qkv = [torch.tensor(theirs[f"{i}.{part}.{kind}"]) for part in ("query", "key", "value")]
            found[f"{layer}.self_attn.in_proj_{kind}"] = torch.cat(qkv).numpy()
            for part, name in (("output", "self_attn.out_proj"), ("norm1", "norm1"), ("norm2", "norm2"),
                               ("first", "linear1"), ("second", "linear2")):
                found[f"{layer}.{name}.{kind}"] = theirs[f"{i}.{part}.{kind}"]
    return found


def stepper(case: Case, variant: str) -> Callable[[int], Any]:
    model, loss = network(case), LOSSES[case.loss]
    model.load_state_dict(state(case, weights(case)))
    fused = {} if variant == "PyTorch" else {"fused": True}
    optimizer = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[case.optimizer](
        model.parameters(), lr=case.rate, **fused)

    def lossed(x: Any, y: Any) -> Any:
        return loss(model(x), y)

    if variant == "torch.compile":
        lossed = torch.compile(lossed)
    data = [(torch.from_numpy(x), torch.from_numpy(y)) for x, y in batches(case)]
    count = len(data)

    def step(i: int) -> Any:
        x, y = data[i % count]
        optimizer.zero_grad()
        L = lossed(x, y)
        L.backward()
        optimizer.step()
        return L.detach()

    return step
