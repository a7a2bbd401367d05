"""Whole programs, written out: models, optimizers, dropout, normalisation, attention, data of every layout."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.program.unrolling.running import assert_equal, assert_gradients, names, ran, same, unchanged
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim


def data(*shape: int, dtype: Any = np.float32, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def leaf(name: str, *shape: int, dtype: Any = np.float32) -> tz.Tensor:
    return tz.tensor(data(*shape, dtype=dtype, seed=len(name)), requires_grad=True, name=name)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Dense(5, 6), nn.Tanh(), nn.Dense(6, 3))


def training_step(model: nn.Module, optimizer: Any, x: Any, t: Any, clip: float | None = None) -> Callable[[], Any]:
    def step() -> None:
        loss = F.cross_entropy(model(x), t)
        optimizer.zero_grad()
        loss.backward()
        if clip is not None:
            optim.clip_grad_norm(optimizer.parameters, clip)
        optimizer.step()

    return step


# ---- steps of training

OPTIMIZERS: list[Callable[[Any], Any]] = [
    lambda p: optim.SGD(p, 0.1),
    lambda p: optim.Momentum(p, 0.1, momentum=0.9),
    lambda p: optim.Nesterov(p, 0.1, weight_decay=0.01),
    lambda p: optim.Adam(p, 0.01, weight_decay=0.01, l1=0.001),
    lambda p: optim.AdamW(p, 0.01),
    lambda p: optim.flattened(optim.Adam(p, 0.01)),
]


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize("make", OPTIMIZERS)
def test_a_step_of_every_optimizer(make: Callable[[Any], Any], clip: float | None, tmp_path: Path) -> None:
    """The third step, so that the state is not what it began with; then it runs, and gives what was printed."""
    tz.manual_seed(0)
    model = mlp()
    optimizer = make(model.parameters())
    step = training_step(model, optimizer, data(4, 5), [0, 2, 1, 2], clip)
    step()
    step()
    kept = [t for state in optimizer.state for t in state.values()] + model.parameters()
    program = unchanged(lambda: tz.unroll(step), kept)
    found, called = assert_equal(program, tmp_path), names(program)
    after = {id(program.listing.values[old]): called[new] for new, old in program.listing.updates.items()}
    number = next((called[new] for new, old in program.listing.updates.items() if old == "t"), "")
    before = [t.array for t in kept]
    step()
    for t, array in zip(kept, before, strict=True):
        name = after.get(id(array), number if not array.ndim else "")  # Adam's t is one for all parameters
        assert same(found[name], t.numpy())


def test_three_steps_in_one_program(tmp_path: Path) -> None:
    tz.manual_seed(0)
    model = mlp()
    optimizer = optim.Adam(model.parameters(), 0.01)
    step = training_step(model, optimizer, data(4, 5), [0, 2, 1, 2])

    def epoch() -> None:
        for _ in range(3):
            step()

    program = tz.unroll(epoch)
    found, called = assert_equal(program, tmp_path), names(program)
    epoch()
    last = {old: called[new] for new, old in program.listing.updates.items()}
    for name, p in zip(("W1", "b1", "W2", "b2"), model.parameters(), strict=True):
        assert last[name] == name
        assert same(found[name], p.numpy())


# ---- models


class Attending(nn.Module):
    """Transformer blocks with dropout, the mean of their rows, and scores."""

    def __init__(self, block: Any = nn.TransformerBlock) -> None:
        self.embedding = nn.Embedding(7, 8)
        self.blocks = [block(8, 2, 16, dropout=0.2) for _ in range(2)]
        self.scores = nn.Dense(8, 3)

    def forward(self, x: Any) -> Any:
        h = self.embedding(x)
        for block in self.blocks:
            h = block(h, is_causal=True)
        return self.scores(h.mean(axis=-2))


MODELS: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "dropout": (lambda: nn.Sequential(nn.Dense(5, 6), nn.ReLU(), nn.Dropout(0.5), nn.Dense(6, 3)), data(4, 5)),
    "batch norm": (lambda: nn.Sequential(nn.Dense(5, 6), nn.BatchNorm(6), nn.ReLU(), nn.Dense(6, 3)), data(4, 5)),
    "convolution": (lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm(3), nn.ReLU(), nn.MaxPool2d(2),
                                          nn.Conv2d(3, 2, 2), nn.AvgPool2d(1), nn.Flatten(), nn.Dense(2, 3)),
                    data(4, 2, 4, 4)),
    "transformer": (Attending, np.arange(20).reshape(4, 5) % 7),
    "pre-norm": (lambda: Attending(nn.PreNormTransformerBlock), np.arange(20).reshape(4, 5) % 7),
}


@pytest.mark.parametrize("what", MODELS)
def test_a_model(what: str, tmp_path: Path) -> None:
    """Masks are drawn by the program itself; running statistics move as in the engine, and not while unrolling."""
    make, x = MODELS[what]
    generator = tz.manual_seed(0)
    model = make()
    state, place = model.state_dict(), generator.bit_generator.state
    t = [0, 2, 1, 2]
    program = tz.unroll(lambda: F.cross_entropy(model(x), t))
    assert all(same(state[name], value) for name, value in model.state_dict().items())
    assert str(generator.bit_generator.state) == str(place)
    F.cross_entropy(model(x), t).backward()
    assert_gradients(program, model.parameters(), tmp_path)


def test_arrays_become_tensors_named_after_the_parameters(tmp_path: Path) -> None:
    tz.manual_seed(0)
    model = mlp()

    def loss(pictures: Any, labels: Any) -> Any:
        return F.cross_entropy(model(pictures), labels)

    program = tz.unroll(loss, data(4, 5), [0, 2, 1, 2])
    assert "pictures @ W1 + b1" in program.source
    assert "== labels[..., None]" in program.source
    assert_equal(program, tmp_path)


def test_a_model_alone_is_a_forward_pass(tmp_path: Path) -> None:
    tz.manual_seed(0)
    model = mlp()
    program = tz.unroll(model, data(4, 5))
    assert "Backward" not in program.source
    found = assert_equal(program, tmp_path)
    assert same(found["z2"], model(data(4, 5)).numpy())


# ---- programs of one's own


def used_three_times() -> Any:
    x, w = leaf("x", 3, 4), leaf("weight", 4)
    s = F.tanh(x * w)
    return (s * x + s + w).sum()


def mixed_dtypes() -> Any:
    x, w = leaf("x", 3, 1), leaf("weight", 4, dtype=np.float16)
    return ((x * w).astype(np.float64) * np.arange(4.0)).sum()


def not_finite() -> Any:
    x = tz.tensor([0.0, -1.0, 2.0, np.inf, np.nan, -0.0], requires_grad=True, name="x")
    return (F.log(x) * x).sum()


def numbers() -> Any:
    """Values of no dimension, whose powers NumPy's scalars round otherwise."""
    a, b = leaf("a"), leaf("bb")
    c = a * b + 1.7
    return c**3 + F.exp(c) ** 0.37 + a / b - b**2


def large_arrays_of_two_layouts() -> Any:
    """From 256 KiB on NumPy computes into a temporary, whose layout the result then has; sums follow the layout."""
    w = leaf("w")
    x, y = np.asfortranarray(data(300, 250)), data(300, 250, seed=1)
    total = w * 0.0
    for k in range(6):
        total = total + ((w * (k + 0.3)) * tz.tensor(x) + y).sum()
    return total


def equal_but_for_the_layout() -> Any:
    w, rows = leaf("w"), data(40, 50)
    columns = np.asfortranarray(rows)
    total = w * 0.0
    for k in range(6):
        total = total + ((w * (k + 0.3)) * rows).sum() + ((w * (k + 0.3)) * columns).sum()
    return total


def drawn_for_nothing() -> Any:
    x, rng = leaf("x", 4, 5), np.random.default_rng(0)
    F.dropout(x, 0.5, generator=rng)
    return F.dropout(x, 0.5, generator=rng).sum()


def split_and_joined() -> Any:
    x = leaf("x", 6, 4)
    first, second = F.split(x, 2)
    (alone,) = F.split(x, 1)
    return (F.concat([first * second, second]) * alone).sum() + F.concat([x[0]]).sum()


def indexed() -> Any:
    x, w = leaf("x", 5, 4), leaf("weight", 5, 120)
    return (x[[0, 0, 2], 1:] * x[1:4, :-1]).sum() + (x[x > 0] ** 2).sum() + w[[1, 1, 4]].sum() + x[..., None, 2].mean()


def contracted() -> Any:
    a, b, c = leaf("a", 2, 3, 4), leaf("bb", 4, 3), leaf("ccc", 3, 3)
    return F.einsum("nij,ji,kk->nk", a, b, c).sum()


def in_blocks() -> Any:
    q, k, v = leaf("q", 2, 7, 4), leaf("kk", 2, 7, 4), leaf("vvv", 2, 7, 4)
    return (F.blocked_attention(q, k, v, is_causal=True, block=3) * q).sum()


def unrolled_network() -> Any:
    """A variable that is bound again in each turn of a loop."""
    W, U = leaf("W", 3, 4), leaf("UU", 4, 4)
    h = tz.tensor(np.zeros((2, 4), np.float32))
    for i in range(3):
        h = F.tanh(data(2, 3, seed=i) @ W + h @ U)
    return (h * h).mean()


class Cube(tz.Op):
    """y = x³
    ∂L/∂x = ∂L/∂y · 3 x²
    """

    def forward(x: Any) -> Any:
        return x**3

    def backward(dy: Any, x: Any) -> Any:
        return dy * 3 * x**2


class Halves(tz.Op):
    """An op that says no formula, with a helper of two lines."""

    def forward(x, *, by=2.0):  # type: ignore[no-untyped-def]
        return divided(x, by)

    def backward(dy, *, by):  # type: ignore[no-untyped-def]
        return divided(dy, by)


def divided(x: Any, by: float) -> Any:
    """x / by"""
    y = np.array(x)
    y /= by
    return y


def of_ones_own() -> Any:
    x = leaf("x", 3, 4)
    return (Cube(x) + Halves(x)).sum()


def hooked() -> Any:
    """Hooks compute with the engine, so what they compute is written out as well."""
    x, w = leaf("x", 3), leaf("weight", 3)
    h = x * w
    h.register_hook(lambda g: g * 2.0)
    w.register_hook(lambda g: g.clip(-1.0, 1.0))
    return F.exp(h).sum()


PROGRAMS = [used_three_times, mixed_dtypes, not_finite, numbers, large_arrays_of_two_layouts,
            equal_but_for_the_layout, drawn_for_nothing, split_and_joined, indexed, contracted, in_blocks,
            unrolled_network, of_ones_own, hooked]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_a_program(program: Callable[[], Any], tmp_path: Path) -> None:
    found = tz.unroll(program)
    assert found.listing.gradients
    assert_equal(found, tmp_path)


def test_the_power_of_a_number_that_was_just_computed(tmp_path: Path) -> None:
    """One in five would differ in its last bit, were it NumPy's scalar that is raised."""
    c = tz.tensor(0.7)
    assert_equal(tz.unroll(lambda: tuple(F.exp(c * (k / 20)) ** 0.37 for k in range(40))), tmp_path)


def test_gradients_that_were_there_are_added_to(tmp_path: Path) -> None:
    w = leaf("w", 3)
    (w * w).sum().backward()
    first = w.grad

    def twice() -> None:
        (w * 3.0).sum().backward()
        F.exp(w).sum().backward()

    program = unchanged(lambda: tz.unroll(twice), [w])
    assert w.grad is first
    twice()
    assert_gradients(program, [w], tmp_path)


def test_a_loss_begins_without_gradients(tmp_path: Path) -> None:
    w = leaf("w", 3)
    (w * w).sum().backward()
    program = unchanged(lambda: tz.unroll(lambda: F.exp(w).sum()), [w])
    w.grad = None
    F.exp(w).sum().backward()
    assert_gradients(program, [w], tmp_path)


# ---- what goes in


def layouts() -> dict[str, Any]:
    whole = data(12, 14)
    backwards = data(3, 4)[:, ::-1]
    return {
        "Fortran": np.asfortranarray(whole), "transposed": data(3, 4, 5).transpose(2, 0, 1), "window": whole[2:9, 3:11],
        "every second": whole[::2, 1::3], "backwards": backwards, "repeated": np.broadcast_to(data(4), (3, 4)),
        "one number": np.broadcast_to(np.float32(0.5), (3, 4)), "empty": np.zeros((0, 3), np.float32),
        "zeros": np.zeros((20, 30), np.float32), "minus zeros": np.full((5, 5), -0.0, np.float32),
        "half": data(4, 3, dtype=np.float16), "double": data(4, 3, dtype=np.float64), "integers": np.arange(300),
        "bytes": np.arange(256, dtype=np.uint8), "booleans": np.arange(12).reshape(3, 4) % 3 == 0,
        "tiny": np.array([1e-45, 3.4e38, np.nan, -np.inf, 1 / 3], np.float32), "column": data(9, 1),
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("layout", layouts())
def test_every_bit_and_the_layout_of_what_goes_in(layout: str, tmp_path: Path) -> None:
    """An array that nobody can write to is taken as it is; its strides are kept, since sums follow them."""
    array = layouts()[layout]
    array.setflags(write=False)
    base = array
    while isinstance(base.base, np.ndarray):
        base = base.base
        base.setflags(write=False)
    w = leaf("w")
    given = array

    def loss() -> Any:
        return F.where(given > 0, w * given, w).sum() if given.dtype.kind != "b" else F.where(given, w, 0.0).sum()

    program = tz.unroll(loss)
    found = assert_equal(program, tmp_path)
    assert same(found["given"], array)
    assert found["given"].strides == array.strides


def test_a_generator_that_is_used_elsewhere_in_between(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    x = leaf("x", 4, 5)

    def loss() -> Any:
        first = F.dropout(x, 0.5, generator=rng)
        second = F.dropout(first, 0.5, generator=rng)
        rng.random(7)
        return (second * F.dropout(x, 0.3, generator=rng)).sum()

    place = rng.bit_generator.state
    program = tz.unroll(loss)
    assert rng.bit_generator.state == place
    assert program.source.count("bit_generator.state =") == 2
    loss().backward()
    assert_gradients(program, [x], tmp_path)


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_every_kind_of_generator(kind: Any, tmp_path: Path) -> None:
    rng, x = np.random.Generator(kind(3)), leaf("x", 4, 5)
    rng.random(3, np.float32)  # half a word is left over
    program = tz.unroll(lambda: F.dropout(x, 0.5, generator=rng).sum())
    F.dropout(x, 0.5, generator=rng).sum().backward()
    assert_gradients(program, [x], tmp_path)


def test_the_program_prints_its_loss_and_gradients(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    w = tz.tensor([1.0, 2.0], requires_grad=True, name="w")
    program = tz.unroll(lambda: (w * w * w).sum())
    ran(program, tmp_path)
    runpy.run_path(str(tmp_path / "program.py"))
    assert capsys.readouterr().out == "loss = 9.0\ndw\n(2,)\n[ 3. 12.]\n"
