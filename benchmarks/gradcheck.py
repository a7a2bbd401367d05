"""The time of a gradient check, beside PyTorch's: the same functions, the same float64 inputs.

    python benchmarks/gradcheck.py [--json] [--rounds N]

Ours twice: as it is called by default, and without special points (special=False), which is the task that PyTorch's
gradcheck has. PyTorch's twice, too: slow mode, its default, and fast mode, which does not look at single elements. The
four are timed in turn, so that a slow moment of the machine meets all of them. Without PyTorch only ours is timed.
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

from benchmarks.machine import machine, print_machine  # noqa: E402
from tinygrad_zh import functional as F  # noqa: E402
from tinygrad_zh.check import gradcheck  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "gradcheck.json"

RNG = np.random.default_rng(0)
Arrays = list[np.ndarray[Any, Any]]


def normal(*shapes: tuple[int, ...]) -> Arrays:
    return [RNG.normal(size=shape) for shape in shapes]


TARGETS = (np.arange(8) % 2).astype(np.float64)

CASES: dict[str, tuple[Callable[..., Any], str, Arrays]] = {
    "softmax (8, 16)": (F.softmax, "softmax", normal((8, 16))),
    "tanh (200,)": (F.tanh, "tanh", normal((200,))),
    "matmul (12, 8) (8, 10)": (F.matmul, "matmul", normal((12, 8), (8, 10))),
    "layer_norm (6, 16)": (F.layer_norm, "layer_norm", normal((6, 16), (16,), (16,))),
    "logsumexp (8, 16)": (lambda x: F.logsumexp(x, axis=-1), "logsumexp", normal((8, 16))),
    "attention (2, 6, 8)": (F.scaled_dot_product_attention, "attention", normal(*[(2, 6, 8)] * 3)),
    "a loss of two layers": (lambda x, w, b, v: F.sum((F.tanh(x @ w + b) @ v) ** 2), "two_layers",
                             normal((8, 6), (6, 10), (10,), (10, 3))),
    "a loss with relu": (lambda x, w, b, v: F.sum((F.relu(x @ w + b) @ v) ** 2), "two_layers_relu",
                         normal((8, 6), (6, 10), (10,), (10, 3))),
    "logistic regression": (lambda x, w: F.binary_cross_entropy_with_logits(x @ w, TARGETS), "logistic",
                            normal((8, 6), (6,))),
}  # fmt: skip
"""name: (our function, the name of PyTorch's, inputs)."""


def theirs() -> dict[str, Callable[..., Any]]:
    """The same functions in PyTorch."""
    import torch
    from torch.nn import functional as T

    targets = torch.from_numpy(TARGETS)
    return {
        "softmax": lambda x: torch.softmax(x, -1),
        "tanh": torch.tanh,
        "matmul": torch.matmul,
        "layer_norm": lambda x, gamma, beta: T.layer_norm(x, x.shape[-1:], gamma, beta),
        "logsumexp": lambda x: torch.logsumexp(x, -1),
        "attention": T.scaled_dot_product_attention,
        "two_layers": lambda x, w, b, v: ((torch.tanh(x @ w + b) @ v) ** 2).sum(),
        "two_layers_relu": lambda x, w, b, v: ((torch.relu(x @ w + b) @ v) ** 2).sum(),
        "logistic": lambda x, w: T.binary_cross_entropy_with_logits(x @ w, targets),
    }


def checks(function: Callable[..., Any], counterpart: str, inputs: Arrays) -> dict[str, Callable[[], bool]]:
    """What is timed, by name; each is true if the check passes."""
    found: dict[str, Callable[[], bool]] = {
        "ours": lambda: bool(gradcheck(function, *inputs)),
        "ours, given inputs only": lambda: bool(gradcheck(function, *inputs, special=False)),
    }
    if find_spec("torch"):
        import torch

        other = theirs()[counterpart]
        tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
        found["pytorch slow"] = lambda: torch.autograd.gradcheck(other, tensors)
        found["pytorch fast"] = lambda: torch.autograd.gradcheck(other, tensors, fast_mode=True)
    return found


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of every check of every function."""
    figures = {}
    for name, (function, counterpart, inputs) in CASES.items():
        timed = checks(function, counterpart, inputs)
        times: dict[str, list[float]] = {check: [] for check in timed}
        for _ in range(rounds + 1):
            for check, run in timed.items():
                started = time.perf_counter()
                if not run():
                    raise AssertionError(f"{check} fails {name}, which is right")
                times[check].append(time.perf_counter() - started)
        figures[name] = {check: round(1000 * statistics.median(t[1:]), 2) for check, t in times.items()}
        print(f"{name:<24}" + "".join(f"{figures[name][check]:>25.1f}" for check in timed), flush=True)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="of which the median is taken")
    parser.add_argument("--json", action="store_true", help=f"write {RESULTS.relative_to(ROOT)}")
    arguments = parser.parse_args()
    print_machine()
    facts: dict[str, Any] = {"machine": machine(), "rounds": arguments.rounds}
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        facts |= {"pytorch_version": torch.__version__, "pytorch_threads": torch.get_num_threads()}
        print(f"PyTorch    {torch.__version__}, 1 thread")
    else:
        print("PyTorch is not installed: only ours is timed")
    print(f"\n{'milliseconds':<24}" + "".join(f"{check:>25}" for check in checks(*CASES["tanh (200,)"])))
    facts["milliseconds"] = measure(arguments.rounds)
    if arguments.json:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
