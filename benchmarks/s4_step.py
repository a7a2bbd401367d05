"""A training step of S4 (forward, backward, Adam; a batch of 32 texts of 100 characters), beside PyTorch's.

    python benchmarks/s4_step.py [--json] [--rounds N]

Both networks start from the same weights and see the same batches, so that their losses can be compared, and the
steps are timed in turn, so that a slow moment of the machine meets both. Texts have 10 to 100 characters, the rest is
padding. Without PyTorch only the engine is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import tinygrad_zh as tz  # noqa: E402
from benchmarks.machine import machine, print_machine  # noqa: E402
from tinygrad_zh import functional as F  # noqa: E402
from tinygrad_zh.documents.s4 import reviews  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "s4_step.json"
BATCH, LENGTH = reviews.BATCH, reviews.LENGTH

Batch = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]
Step = Callable[[Batch], float]


def batches(n: int) -> list[Batch]:
    """Random texts of the document's shape; what they say does not matter to the time."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(2, 10_000, (n, BATCH, LENGTH))
    tokens[np.arange(LENGTH) >= rng.integers(10, LENGTH + 1, (n, BATCH))[..., None]] = 0
    labels = rng.integers(0, 2, (n, BATCH, 1)).astype(np.float32)
    return list(zip(tokens, labels, strict=True))


def engine(model: tz.nn.Module) -> Step:
    optimizer = tz.optim.Adam(model.parameters(), lr=1e-3)

    def step(batch: Batch) -> float:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def pytorch(model: tz.nn.Module) -> Step:
    """The same step in PyTorch."""
    import torch

    network, forward = torch_network(model)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)

    def step(batch: Batch) -> float:
        tokens, labels = torch.from_numpy(batch[0]), torch.from_numpy(batch[1])
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(forward(tokens), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torch_network(model: tz.nn.Module) -> tuple[Any, Callable[[Any], Any]]:
    """The same network of PyTorch's own layers, with the engine's weights; and its logits, a function of tokens."""
    import torch

    embedding = torch.nn.Embedding(reviews.VOCABULARY, reviews.WIDTH)
    layer = torch.nn.TransformerEncoderLayer(reviews.WIDTH, reviews.HEADS, reviews.HIDDEN, dropout=0.0,
                                             batch_first=True, norm_first=True)
    encoder = torch.nn.TransformerEncoder(layer, reviews.DEPTH, torch.nn.LayerNorm(reviews.WIDTH),
                                          enable_nested_tensor=False)
    output = torch.nn.Linear(reviews.WIDTH, 1)
    network = torch.nn.ModuleDict({"embedding": embedding, "encoder": encoder, "output": output})
    network.load_state_dict({name: torch.from_numpy(array) for name, array in in_pytorch(model).items()})
    position = torch.from_numpy(tz.nn.sinusoidal(LENGTH, reviews.WIDTH).astype(np.float32))
    network.register_buffer("position", position, persistent=False)

    def forward(tokens: Any) -> Any:
        kept = (tokens != 0).unsqueeze(-1)
        x = encoder(embedding(tokens) + network.position, src_key_padding_mask=~kept[..., 0])
        return output((x * kept).sum(1) / kept.sum(1))

    return network, forward


def in_pytorch(model: tz.nn.Module) -> dict[str, np.ndarray[Any, Any]]:
    """The engine's weights under PyTorch's names: its matrices are transposed, Q, K and V are stacked."""
    ours = {name: array.copy() for name, array in model.state_dict().items()}
    theirs = {"embedding.weight": ours["embedding.W"], "output.weight": ours["output.W"].T,
              "output.bias": ours["output.b"], "encoder.norm.weight": ours["encoder.norm.gamma"],
              "encoder.norm.bias": ours["encoder.norm.beta"]}
    for i in range(reviews.DEPTH):
        block, layer = f"encoder.blocks.{i}", f"encoder.layers.{i}"
        qkv = [f"{block}.attention.{part}" for part in ("query", "key", "value")]
        theirs[f"{layer}.self_attn.in_proj_weight"] = np.concatenate([ours[f"{part}.W"].T for part in qkv])
        theirs[f"{layer}.self_attn.in_proj_bias"] = np.concatenate([ours[f"{part}.b"] for part in qkv])
        for name, part in (("self_attn.out_proj", "attention.output"), ("linear1", "feed_forward.first"),
                           ("linear2", "feed_forward.second")):
            theirs[f"{layer}.{name}.weight"] = ours[f"{block}.{part}.W"].T
            theirs[f"{layer}.{name}.bias"] = ours[f"{block}.{part}.b"]
        for name, part in (("norm1", "attention_norm"), ("norm2", "feed_forward_norm")):
            theirs[f"{layer}.{name}.weight"] = ours[f"{block}.{part}.gamma"]
            theirs[f"{layer}.{name}.bias"] = ours[f"{block}.{part}.beta"]
    return {name: np.ascontiguousarray(array) for name, array in theirs.items()}


def measure(rounds: int) -> dict[str, Any]:
    """Median milliseconds of a step, and the largest difference between the losses."""
    tz.manual_seed(0)
    model = reviews.network()
    steps = {"pytorch": pytorch(model)} if find_spec("torch") else {}
    steps["engine"] = engine(model)
    losses: dict[str, list[float]] = {name: [] for name in steps}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for batch in batches(rounds + 2):
        for name, step in steps.items():
            started = time.perf_counter()
            losses[name].append(step(batch))
            seconds[name].append(time.perf_counter() - started)
    figures: dict[str, Any] = {name: round(1000 * statistics.median(times[2:]), 1) for name, times in seconds.items()}
    if "pytorch" in losses:
        figures["largest_difference_of_losses"] = float(np.abs(np.subtract(*losses.values())).max())
        figures |= _versions()
    return figures


def _versions() -> dict[str, Any]:
    import torch

    return {"pytorch_version": torch.__version__, "pytorch_threads": torch.get_num_threads()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="steps of each that are timed")
    parser.add_argument("--json", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    arguments = parser.parse_args()
    print_machine()
    figures = measure(arguments.rounds)
    print(json.dumps(figures, indent=2))
    if arguments.json:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps({"milliseconds": figures, "machine": machine()}, indent=2, sort_keys=True) + "\n",
                           encoding="utf-8")


if __name__ == "__main__":
    main()
