"""The engine's public ops with Numba's kernels, beside PyTorch's: forward and backward, each with its own autograd.

One thread each, float32, in turn; how much of ours is spent in the kernels' bodies stands in its own column. Both
must agree on every result before a clock is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.bench import Row
from tinygrad_zh.i18n import aligned
from tinygrad_zh_kernels import units
from tinygrad_zh_kernels.kernel import Body
from tinygrad_zh_kernels.timing import interleaved

Array = np.ndarray[Any, Any]
Run = Callable[[], tuple[Any, ...]]
Shape = tuple[int, ...]


class Case(NamedTuple):
    """One op: what is asked of it, ours times as fast as PyTorch's, and the makers of both sides.

    size and tiny: of the arguments. ours(rng, size) and theirs(rng, size): calls that return the result and the
    gradients; from the same random numbers, so both begin with the same.
    """

    name: str
    target: float
    size: Shape
    tiny: Shape
    ours: Callable[[np.random.Generator, Shape], Run]
    theirs: Callable[[np.random.Generator, Shape], Run]


class Compared(NamedTuple):
    """Seconds of the public op, of the bodies in it, and of PyTorch's."""

    name: str
    size: Shape
    ours: float
    bodies: float
    torch: float
    target: float
    version: str

    @property
    def ratio(self) -> float:
        return self.torch / self.ours

    @property
    def met(self) -> bool:
        return self.ratio >= self.target


def normal(rng: np.random.Generator, *shape: int) -> Array:
    return rng.standard_normal(shape, dtype=np.float32)


# ---- the cases; those whose result is no number are given an upstream gradient


def op_of(function: Callable[..., Any], shapes: Callable[[Shape], list[Shape]], labels: bool = False
          ) -> Callable[[np.random.Generator, Shape], Run]:
    """Ours: the function of the engine's tensors of these shapes."""

    def make(rng: np.random.Generator, size: Shape) -> Run:
        inputs = [tz.tensor(normal(rng, *shape), requires_grad=True) for shape in shapes(size)]
        more = [rng.integers(0, size[-1], size[:-1])] if labels else []
        upstream = None if labels else tz.tensor(normal(rng, *function(*inputs, *more).shape))

        def run() -> tuple[Any, ...]:
            y = function(*inputs, *more)
            return y, *tz.grad(y, inputs, upstream)

        return run

    return make


def torch_of(function: Callable[..., Any], shapes: Callable[[Shape], list[Shape]],
             labels: bool = False) -> Callable[[np.random.Generator, Shape], Run]:
    """Theirs: the same in PyTorch."""

    def make(rng: np.random.Generator, size: Shape) -> Run:
        import torch

        inputs = [torch.from_numpy(normal(rng, *shape)).requires_grad_() for shape in shapes(size)]
        more = [torch.from_numpy(rng.integers(0, size[-1], size[:-1]))] if labels else []
        upstream = None if labels else torch.from_numpy(normal(rng, *function(*inputs, *more).shape))

        def run() -> tuple[Any, ...]:
            y = function(*inputs, *more)
            return y, *torch.autograd.grad(y, inputs, upstream)

        return run

    return make


def functional() -> Any:
    from torch.nn import functional as torch_functional

    return torch_functional


def one(size: Shape) -> list[Shape]:
    return [size]


def normalised(size: Shape) -> list[Shape]:
    return [size, size[-1:], size[-1:]]


def three(size: Shape) -> list[Shape]:
    return [size] * 3


def our_embedding(rng: np.random.Generator, size: Shape) -> Run:
    count, vocabulary, width = size
    table = tz.tensor(normal(rng, vocabulary, width), requires_grad=True)
    tokens, upstream = rng.integers(0, vocabulary, count), tz.tensor(normal(rng, count, width))

    def run() -> tuple[Any, ...]:
        y = F.embedding(tokens, table)
        return y, *tz.grad(y, table, upstream)

    return run


def their_embedding(rng: np.random.Generator, size: Shape) -> Run:
    import torch

    count, vocabulary, width = size
    table = torch.from_numpy(normal(rng, vocabulary, width)).requires_grad_()
    tokens, upstream = (torch.from_numpy(x) for x in (rng.integers(0, vocabulary, count), normal(rng, count, width)))

    def run() -> tuple[Any, ...]:
        y = functional().embedding(tokens, table)
        return y, *torch.autograd.grad(y, table, upstream)

    return run


def _parameters(rng: np.random.Generator, size: Shape) -> list[tuple[Array, Array]]:
    """A table and a square matrix, with gradients."""
    shapes = [size, (size[1], size[1])]
    return [(normal(rng, *shape), normal(rng, *shape)) for shape in shapes]


def our_adam(rng: np.random.Generator, size: Shape) -> Run:
    parameters = []
    for value, gradient in _parameters(rng, size):
        parameters.append(tz.tensor(value, requires_grad=True))
        parameters[-1].backward(gradient)
    optimizer = tz.optim.Adam(parameters, lr=1e-3)

    def run() -> tuple[Any, ...]:
        optimizer.step()
        return tuple(parameters)

    return run


def their_adam(rng: np.random.Generator, size: Shape) -> Run:
    import torch

    parameters = []
    for value, gradient in _parameters(rng, size):
        parameters.append(torch.from_numpy(value).requires_grad_())
        parameters[-1].grad = torch.from_numpy(gradient)
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)

    def run() -> tuple[Any, ...]:
        optimizer.step()
        return tuple(parameters)

    return run


def cases() -> list[Case]:
    """What the kernels were built to reach. The last axis of a size with labels is the number of classes."""
    return [
        Case("softmax", 1.05, (4096, 1000), (3, 5), op_of(F.softmax, one),
             torch_of(lambda x: functional().softmax(x, -1), one)),
        Case("cross-entropy", 2.0, (4096, 1000), (3, 5), op_of(F.cross_entropy, one, labels=True),
             torch_of(lambda x, t: functional().cross_entropy(x, t), one, labels=True)),
        Case("layer norm", 1.3, (3200, 128), (3, 5), op_of(F.layer_norm, normalised),
             torch_of(lambda x, g, b: functional().layer_norm(x, x.shape[-1:], g, b), normalised)),
        Case("tanh", 5.0, (1_000_000,), (7,), op_of(F.tanh, one), torch_of(lambda x: x.tanh(), one)),
        Case("GELU", 5.0, (1_000_000,), (7,), op_of(F.gelu, one),
             torch_of(lambda x: functional().gelu(x, approximate="tanh"), one)),
        Case("attention", 2.0, (32, 4, 100, 32), (1, 2, 5, 4), op_of(F.scaled_dot_product_attention, three),
             torch_of(lambda q, k, v: functional().scaled_dot_product_attention(q, k, v), three)),
        Case("embedding", 2.0, (3200, 10_000, 128), (6, 5, 4), our_embedding, their_embedding),
        Case("Adam", 1.3, (10_000, 128), (5, 4), our_adam, their_adam),
    ]


# ---- measuring


def measure(seconds: float = 1.0, quick: bool = False) -> list[Compared]:
    """Every case, one thread each. Raises ImportError, in one sentence, without PyTorch."""
    if not find_spec("torch"):
        raise ImportError("PyTorch is not installed: pip install torch, or leave --torch out")
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), _one_numba_thread(), tz.use_kernels("numba"):
            return [_measure(case, 0.0 if quick else seconds, quick, torch.__version__) for case in cases()]
    finally:
        torch.set_num_threads(before)


def _measure(case: Case, seconds: float, quick: bool, version: str) -> Compared:
    size = case.tiny if quick else case.size
    ours, theirs = (make(np.random.default_rng(0), size) for make in (case.ours, case.theirs))
    for mine, other in zip(ours(), theirs(), strict=True):
        np.testing.assert_allclose(mine.numpy(), other.detach().numpy(), rtol=2e-4, atol=2e-5, err_msg=case.name)
    took = interleaved({"ours": ours, "torch": theirs}, seconds=seconds)
    return Compared(case.name, size, took["ours"].seconds, _in_bodies(ours, 3 if quick else 15),
                    took["torch"].seconds, case.target, version)


def _in_bodies(run: Run, rounds: int) -> float:
    """The median of the seconds that one call spends in bodies."""
    totals = []
    for _ in range(rounds):
        with _clocked() as spent:
            run()
        totals.append(sum(spent))
    return float(np.median(totals))


@contextmanager
def _clocked() -> Iterator[list[float]]:
    spent: list[float] = []
    plain = Body.run

    def run(self: Body, launch: Any, arguments: Any) -> Any:
        started = time.perf_counter()
        result = plain(self, launch, arguments)
        spent.append(time.perf_counter() - started)
        return result

    Body.run = run  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        Body.run = plain  # type: ignore[method-assign]


@contextmanager
def _one_numba_thread() -> Iterator[None]:
    try:
        import numba
    except ImportError:
        yield
        return
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


# ---- what was found


def table(compared: list[Compared]) -> list[str]:
    """A line a case: both times, the ratio, the target and whether it is met."""
    head = ["forward and backward, one thread", "size", "ours", "in its kernels", "PyTorch", "PyTorch / ours", "target",
            ""]
    return aligned([head, *([each.name, "×".join(map(str, each.size)), units.duration(each.ours),
                             units.duration(each.bodies) if each.bodies else "–", units.duration(each.torch),
                             f"{each.ratio:.2f}", f"≥ {each.target}", "met" if each.met else "NOT MET"]
                            for each in compared)])


def rows(compared: list[Compared]) -> list[Row]:
    """Both sides as rows that can be compared with another run's."""
    return [Row({"op": each.name, "by": by, "size": list(each.size)}, seconds)
            for each in compared for by, seconds in (("engine", each.ours), ("pytorch", each.torch))]
