"""Replaying a trace gives every gradient to the bit: from its lines in memory, and from its steps in a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.ops.checks import as_tuple, cast, seeds_for
from tests.ops.reach import for_examples
from tests.ops.table import TABLE, Case, Row
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.core import Line, sum_to

ROWS = [row for row in TABLE if not row.constant]
PRECISIONS = pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])


def same(a: Any, b: Any) -> bool:
    """Shape, dtype and bytes; one nan is like another, since a file has but one."""
    a, b = np.asarray(a), np.asarray(b)
    return (a.shape, a.dtype) == (b.shape, b.dtype) and (
        a.tobytes() == b.tobytes() or bool(np.all((a == b) & (np.signbit(a) == np.signbit(b)) | (a != a) & (b != b))))


def assert_same(found: dict[str, Any], leaves: Sequence[tz.Tensor]) -> None:
    for leaf in leaves:
        if leaf.grad is None:
            assert leaf.name not in found
        else:
            assert same(found[leaf.name or ""], leaf.grad.numpy()), leaf.name


# ---- from the lines, in memory


def from_lines(trace: Any, leaves: Sequence[tz.Tensor]) -> dict[str, Any]:
    """Each leaf's gradient, computed from the leaves' values and the tape's functions alone.

    A line's argument that another line made is taken from the replay, never from the record.
    """
    names = {id(leaf.source): leaf.name for leaf in leaves}
    made: dict[int, Any] = {}
    found: dict[str, Any] = {}
    for line in trace:
        if line.kind in ("enter", "leave", "read"):
            continue
        outputs = run(line, [replayed(a, made) for a in line.arguments])
        made.update((id(once), again) for once, again in zip(line.outputs, outputs, strict=True))
        if line.kind == "gradient" and id(line.info["source"]) in names:
            found[names[id(line.info["source"])] or ""] = outputs[0]
    return found


def replayed(argument: Any, made: dict[int, Any]) -> Any:
    if type(argument) is tuple:
        return tuple(made.get(id(a), a) for a in argument)
    return made.get(id(argument), argument)


def run(line: Line, arguments: list[Any]) -> tuple[Any, ...]:
    """The line's function, its generators put back to where they were."""
    keywords = dict(line.keywords)
    for key, state in (line.info.get("states") or {}).items():
        keywords[key] = np.random.Generator(type(keywords[key].bit_generator)(0))
        keywords[key].bit_generator.state = state
    outputs = as_tuple(line.function(*arguments, **keywords))
    return tuple(np.asarray(y) if isinstance(y, np.generic) else y for y in outputs)


# ---- from the steps, in a file


def from_file(trace: Any, path: Path) -> dict[str, Any]:
    """{name: gradient} from the file alone: the contributions of its steps, added up in their order.

    Each step's upstream, before and after must be what the steps before it have led to.
    """
    trace.save_json(path, values="full")
    data = tz.stepper.load(path).data
    arrays = [np.array([float(v) for v in a["values"]], a["dtype"]).reshape(a["shape"]) for a in data["arrays"]]
    kept: dict[int, Any] = {}  # .grad, by tensor
    passed: dict[int, Any] = {}  # the gradients of the backward pass that runs
    for step in data["steps"]:
        phase, t = step["phase"], first_version(data["tensors"], step.get("tensor"))
        if phase == "seed":
            kept |= passed
            passed = {t: arrays[step["gradient"]]}
        if phase == "backward":
            for output, upstream in zip(data["ops"][step["op"]]["outputs"], step["upstream"], strict=True):
                if upstream is not None:
                    assert same(arrays[upstream], passed.get(output, np.zeros_like(arrays[upstream])))
        if phase in ("sum_to", "cast"):
            assert_conforms(phase, arrays[step["raw"]], arrays[step["contribution"]])
        if phase in ("backward", "sum_to", "cast") and "after" in step:
            passed[t] = added(passed.get(t), step, arrays)
        if phase == "gradient":
            assert same(arrays[step["contribution"]], passed.pop(t))
            kept[t] = added(kept.get(t), step, arrays)
    return {data["tensors"][t]["name"]: gradient for t, gradient in (kept | passed).items()}


def assert_conforms(phase: str, raw: Any, contribution: Any) -> None:
    """A cast is exact. A sum is near: NumPy adds in the order of memory, which no file keeps."""
    if phase == "cast":
        assert same(raw.astype(contribution.dtype), contribution)
    else:
        rounding = 8 * np.finfo(raw.dtype).eps * sum_to(np.abs(raw), contribution.shape)
        assert (np.abs(sum_to(raw, contribution.shape) - contribution) <= rounding).all() or np.isnan(rounding).any()


def first_version(tensors: list[dict[str, Any]], t: Any) -> Any:
    """The leaf as it was before any update: its gradient stays with it."""
    while t is not None and tensors[t]["previous"] is not None:
        t = tensors[t]["previous"]
    return t


def added(before: Any, step: dict[str, Any], arrays: list[Any]) -> Any:
    """before + contribution, which must be what the step says."""
    assert (before is None) == (step["before"] is None)
    contribution = arrays[step["contribution"]]
    after = contribution if before is None else before + contribution
    if before is not None:
        assert same(before, arrays[step["before"]])
    assert same(after, arrays[step["after"]])
    return after


# ---- every op


@PRECISIONS
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_op(row: Row, dtype: Any, tmp_path: Path) -> None:
    """With each leaf used again beside the op, and two backward passes that add up."""

    def check(case: Case) -> None:
        leaves = [tz.tensor(x, requires_grad=x.dtype.kind == "f", name=f"x{i}")
                  for i, x in enumerate(cast(case.arrays, dtype))]
        learning = [leaf for leaf in leaves if leaf.requires_grad]
        with tz.record() as trace:
            for _ in range(2):
                results = as_tuple(row.function(*leaves, **case.keywords))
                roots = [y for y in results if isinstance(y, tz.Tensor) and y.requires_grad]
                losses = [(y * seed).sum() for y, seed in zip(roots, seeds_for(case, roots), strict=True)]
                losses += [(leaf * leaf).sum() for leaf in learning]
                sum(losses[1:], losses[0]).backward()
        assert_same(from_lines(trace, learning), learning)
        assert_same(from_file(trace, tmp_path / "trace.json"), learning)

    for_examples(4, row, check)


# ---- programs


class Attending(nn.Module):
    """A transformer block, the mean of its rows, and scores."""

    def __init__(self) -> None:
        self.block = nn.TransformerBlock(8, 2, 16, dropout=0.2)
        self.scores = nn.Dense(8, 3)

    def forward(self, x: Any) -> Any:
        return self.scores(self.block(x).mean(axis=-2))


def leaf(name: str, *shape: int, dtype: Any = np.float64) -> tz.Tensor:
    values = np.random.default_rng(len(name)).normal(size=shape)
    return tz.tensor(values, dtype=dtype, requires_grad=True, name=name)


def used_three_times(dtype: Any) -> list[tz.Tensor]:
    x, w = leaf("x", 3, 4, dtype=dtype), leaf("weight", 4, dtype=dtype)
    s = F.tanh(x * w)
    (s * x + s + w).sum().backward()
    return [x, w]


def two_losses(dtype: Any) -> list[tz.Tensor]:
    """Two passes through one forward pass, then a third of its own."""
    x, w = leaf("x", 3, 4, dtype=dtype), leaf("weight", 4, 2, dtype=dtype)
    h = x @ w
    h.mean().backward(retain_graph=True)
    (h * h).sum().backward()
    (w * w).backward(np.full((4, 2), 0.5))
    return [x, w]


def mixed_dtypes(dtype: Any) -> list[tz.Tensor]:
    """float32 and float16 leaves beside float64 data: gradients are cast back."""
    x, w = leaf("x", 3, 1, dtype=np.float32), leaf("weight", 4, dtype=np.float16)
    ((x * w).astype(dtype) * np.arange(4.0)).sum().backward()
    return [x, w]


def not_finite(dtype: Any) -> list[tz.Tensor]:
    x = tz.tensor([0.0, -1.0, 2.0, np.inf], dtype=dtype, requires_grad=True, name="x")
    (F.log(x) * x).sum().backward()
    return [x]


def with_hooks(dtype: Any) -> list[tz.Tensor]:
    x, w = leaf("x", 3, dtype=dtype), leaf("weight", 3, dtype=dtype)
    h = x * w
    h.register_hook(lambda g: g * 2.0)
    w.register_hook(lambda g: g.clip(-1.0, 1.0))
    F.exp(h).sum().backward()
    return [x, w]


def learning(model: nn.Module, x: Any, t: Any) -> list[tz.Tensor]:
    """Three steps, the gradients kept and added to for the second."""
    for i, p in enumerate(model.parameters()):
        p.name = f"p{i}"
    optimizer = tz.optim.Adam(model.parameters(), lr=0.01)
    for step in range(3):
        if step != 1:
            optimizer.zero_grad()
        F.cross_entropy(model(x), t).backward()
        optimizer.step()
    return model.parameters()


def mlp(dtype: Any) -> list[tz.Tensor]:
    model = nn.Sequential(nn.Dense(5, 6), nn.Tanh(), nn.Dropout(0.3), nn.Dense(6, 3))
    return learning(model, np.random.default_rng(0).normal(size=(4, 5)).astype(dtype), [0, 2, 1, 2])


def attention(dtype: Any) -> list[tz.Tensor]:
    return learning(Attending(), np.random.default_rng(0).normal(size=(2, 5, 8)).astype(dtype), [2, 0])


PROGRAMS = [used_three_times, two_losses, mixed_dtypes, not_finite, mlp, attention]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@PRECISIONS
@pytest.mark.parametrize("program", [*PROGRAMS, with_hooks], ids=lambda program: program.__name__)
def test_a_program_from_its_lines(program: Callable[[Any], list[tz.Tensor]], dtype: Any) -> None:
    tz.manual_seed(0)
    with tz.record() as trace:
        leaves = program(dtype)
    assert all(leaf.grad is not None for leaf in leaves)
    assert_same(from_lines(trace, leaves), leaves)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@PRECISIONS
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program_from_a_file(program: Callable[[Any], list[tz.Tensor]], dtype: Any, tmp_path: Path) -> None:
    tz.manual_seed(0)
    with tz.record() as trace:
        leaves = program(dtype)
    assert_same(from_file(trace, tmp_path / "trace.json"), leaves)
