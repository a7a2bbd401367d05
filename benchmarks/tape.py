"""What the tape costs: the time of an op beyond its NumPy calls, forward and backward together.

A chain of n ops on a vector of 8 is run forward and backward, and so are the same NumPy calls written by
hand. Their difference at n = 110 less that at n = 10, over 100, is the price of one op more; the constant
costs of a pass drop out. The runs are interleaved, so that a slow moment of the machine meets all of them,
and the median of many rounds is taken. PyTorch, where it is installed, runs the same chain in the same
rounds; its own kernels are in its figure, less the same NumPy calls.

A whole training step follows, of a network so small that it is nearly all overhead: case c of training.py, 2–10–1 with
100 samples, 7 ops forward, 10 partials, 4 updates. Beside it stand the same step in NumPy by hand, and PyTorch's.

    python benchmarks/tape.py [--json] [--rounds N]

Exits with 1 where a budget is exceeded.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import tinygrad_zh as tz  # noqa: E402
from benchmarks.machine import machine, print_machine  # noqa: E402
from benchmarks.peers import ours  # noqa: E402
from benchmarks.peers.cases import CASES, batches, weights  # noqa: E402

SHORT, LONG = 10, 110
MICROSECONDS_AN_OP = 4.0
FRAMES = 12

START = np.linspace(0.5, 1.5, 8, dtype=np.float32)
FACTOR = np.linspace(0.99, 1.01, 8, dtype=np.float32)
ONES = np.ones(8, np.float32)

Chain = Callable[[int], Any]


class Case(NamedTuple):
    """One kind of op: its chain in the engine, in NumPy by hand, and in PyTorch."""

    name: str
    engine: Chain
    bare: Chain
    torch: Chain | None


# ---- y = tanh x


def unary_engine(n: int) -> Any:
    x = y = tz.tensor(START, requires_grad=True)
    for _ in range(n):
        y = y.tanh()
    y.backward(ONES)
    return x.grad.numpy()


def unary_bare(n: int) -> Any:
    y = START
    kept = []
    for _ in range(n):
        y = np.tanh(y)
        kept.append(y)
    dy = ONES
    for y in reversed(kept):
        dy = dy * (1 - y * y)
    return dy


# ---- y = a b, where a needs a gradient and b is a constant


def one_engine(n: int) -> Any:
    x = y = tz.tensor(START, requires_grad=True)
    factor = tz.tensor(FACTOR)
    for _ in range(n):
        y = y * factor
    y.backward(ONES)
    return x.grad.numpy()


def one_bare(n: int) -> Any:
    y = START
    for _ in range(n):
        y = y * FACTOR
    dy = ONES
    for _ in range(n):
        dy = dy * FACTOR
    return dy


# ---- y = a b, where both need one; b is the same in all ops, so its contributions are added up


def both_engine(n: int) -> Any:
    y = tz.tensor(START, requires_grad=True)
    factor = tz.tensor(FACTOR, requires_grad=True)
    for _ in range(n):
        y = y * factor
    y.backward(ONES)
    return factor.grad.numpy()


def both_bare(n: int) -> Any:
    a = START
    kept = []
    for _ in range(n):
        kept.append(a)
        a = a * FACTOR
    dy = ONES
    total = None
    for a in reversed(kept):
        da, db = dy * FACTOR, dy * a
        total = db if total is None else total + db
        dy = da
    return total


# ---- the same chains in PyTorch


def torch_chains() -> list[Chain]:
    import torch

    torch.set_num_threads(1)
    start, constant, ones = (torch.from_numpy(array.copy()) for array in (START, FACTOR, ONES))

    def unary(n: int) -> Any:
        x = y = start.clone().requires_grad_()
        for _ in range(n):
            y = y.tanh()
        y.backward(ones)
        return x.grad.numpy()

    def one(n: int) -> Any:
        x = y = start.clone().requires_grad_()
        for _ in range(n):
            y = y * constant
        y.backward(ones)
        return x.grad.numpy()

    def both(n: int) -> Any:
        y = start.clone().requires_grad_()
        factor = constant.clone().requires_grad_()
        for _ in range(n):
            y = y * factor
        y.backward(ones)
        return factor.grad.numpy()

    return [unary, one, both]


def cases() -> list[Case]:
    torch = torch_chains() if find_spec("torch") else [None, None, None]
    return [
        Case("one input (tanh)", unary_engine, unary_bare, torch[0]),
        Case("two inputs, one needs a gradient (a · b)", one_engine, one_bare, torch[1]),
        Case("two inputs, both need one (a · b)", both_engine, both_bare, torch[2]),
    ]


# ---- measuring


def seconds(chain: Chain, n: int) -> float:
    start = time.perf_counter()
    chain(n)
    return time.perf_counter() - start


def marginal(chain: Chain) -> float:
    """Microseconds that one op more takes."""
    return (seconds(chain, LONG) - seconds(chain, SHORT)) / (LONG - SHORT) * 1e6


def measure(case: Case, rounds: int) -> dict[str, float]:
    """Medians over the rounds, in microseconds an op."""
    chains = [chain for chain in (case.bare, case.engine, case.torch) if chain is not None]
    expected = case.bare(LONG)
    for chain in chains:
        np.testing.assert_allclose(chain(LONG), expected, rtol=1e-4)
    samples = [[marginal(chain) for chain in chains] for _ in range(rounds)]
    bare, engine, *torch = (statistics.median(column) for column in zip(*samples, strict=True))
    return {"numpy": bare, "tape": engine - bare} | ({"torch": torch[0] - bare} if torch else {})


# ---- a whole step

SMALLEST = CASES["c"]
CALLS = 21
"""Ops forward, partials and updates in it."""
STEPS = 20
"""Between two looks at the clock."""

Step = Callable[[int], Any]


def step_by_hand() -> Step:
    """The step in NumPy, as one writes it."""
    W1, b1, W2, b2 = weights(SMALLEST).values()
    data, rate = batches(SMALLEST), np.float32(SMALLEST.rate)

    def step(i: int) -> Any:
        nonlocal W1, b1, W2, b2
        x, t = data[i % len(data)]
        h = np.maximum(x @ W1 + b1, 0)
        e = h @ W2 + b2 - t
        dp = e * (2 / e.size)
        dh = np.where(h > 0, dp @ W2.T, 0)
        W1, b1 = W1 - rate * (x.T @ dh), b1 - rate * dh.sum(axis=0)
        W2, b2 = W2 - rate * (h.T @ dp), b2 - rate * dp.sum(axis=0)
        return (e * e).mean()

    return step


def steps() -> dict[str, Step]:
    """The ways to take it, by name."""
    found = {"NumPy by hand": step_by_hand(), "formulas": ours.stepper(SMALLEST, "formulas")}
    if find_spec("numba"):
        found["numba"] = ours.stepper(SMALLEST, "numba")
    if find_spec("torch"):
        from benchmarks.peers import pytorch

        found["PyTorch"] = pytorch.stepper(SMALLEST, "PyTorch")
    return found


def measure_steps(rounds: int) -> dict[str, float]:
    """Median microseconds a step, by name; the first losses are the same."""
    ways = steps()
    losses = {name: [float(step(i)) for i in range(len(batches(SMALLEST)))] for name, step in ways.items()}
    for found in losses.values():
        np.testing.assert_allclose(found, losses["NumPy by hand"], rtol=1e-4)
    samples: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, step in ways.items():
            start = time.perf_counter()
            for i in range(STEPS):
                step(i)
            samples[name].append((time.perf_counter() - start) / STEPS * 1e6)
    return {name: statistics.median(column) for name, column in samples.items()}


class Watched(tz.Op):
    """y = x, whose backward looks at who called it"""

    def forward(x):
        return x + 0

    def backward(dy):
        Watched.stack = list(traceback.walk_stack(sys._getframe()))
        return dy


def frames() -> int:
    """The frames between the line `loss.backward()` and the formula of an op's backward."""
    loss = Watched(tz.tensor(1.0, requires_grad=True))
    loss.backward()
    stack: list[FrameType] = [frame for frame, _ in Watched.stack]
    return stack.index(sys._getframe()) - 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=1000, help="repeats of each chain")
    parser.add_argument("--json", action="store_true", help="also write benchmarks/results/tape.json")
    arguments = parser.parse_args()

    print_machine()
    print(f"\n{'the tape, µs an op beyond bare NumPy':<44}{'NumPy':>8}{'tape':>8}{'budget':>8}{'PyTorch':>9}")
    results: dict[str, Any] = {"machine": machine(), "rounds": arguments.rounds, "microseconds_an_op": {}}
    passed = True
    for case in cases():
        cost = measure(case, arguments.rounds)
        results["microseconds_an_op"][case.name] = {name: round(value, 3) for name, value in cost.items()}
        within = cost["tape"] <= MICROSECONDS_AN_OP
        passed &= within
        torch = f"{cost['torch']:9.2f}" if "torch" in cost else f"{'absent':>9}"
        print(f"{case.name:<44}{cost['numpy']:8.2f}{cost['tape']:8.2f}{MICROSECONDS_AN_OP:8.2f}{torch}"
              f"  {'PASS' if within else 'FAIL'}")
    whole = results["microseconds_a_step"] = {
        name: round(value, 1) for name, value in measure_steps(arguments.rounds).items()}
    print(f"\n{'a training step, 2–10–1, 100 samples':<44}{'µs':>8}{'µs a call beyond NumPy':>26}")
    for name, value in whole.items():
        beyond = "" if name == "NumPy by hand" else f"{(value - whole['NumPy by hand']) / CALLS:.2f}"
        print(f"{name:<44}{value:8.1f}{beyond:>26}")
    between = results["frames"] = frames()
    passed &= between <= FRAMES
    print(f"\n{'frames between loss.backward() and a formula':<44}{'':8}{between:8d}{FRAMES:8d}{'':9}"
          f"  {'PASS' if between <= FRAMES else 'FAIL'}")
    if arguments.json:
        path = ROOT / "benchmarks" / "results" / "tape.json"
        path.write_text(json.dumps(results, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        print(f"\n{path.relative_to(ROOT)}")
    return int(not passed)


if __name__ == "__main__":
    sys.exit(main())
