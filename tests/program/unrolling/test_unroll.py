"""What unroll leaves alone, what it says of a program that it cannot write out, and the text itself."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.program.unrolling.running import assert_equal, ran, same
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim
from tinygrad_zh.core import using
from tinygrad_zh.i18n import in_language
from tinygrad_zh.ops.arithmetic import Exp
from tinygrad_zh.program.printing.numbers import number, written


def weight(*values: float) -> tz.Tensor:
    return tz.tensor(list(values), requires_grad=True, name="w")


# ---- everything is as it was before


def test_a_step_leaves_nothing_behind() -> None:
    generator = tz.manual_seed(0)
    model = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4), nn.Dropout(0.5), nn.Dense(4, 2))
    optimizer = optim.Adam(model.parameters(), 0.01)
    x, other = np.ones((4, 3), np.float32), np.random.default_rng(1)
    x[1:] *= 2

    def step() -> Any:
        tz.manual_seed(7)
        model.eval()
        model.train()
        optimizer.lr = 0.5
        other.random(5)
        loss = F.cross_entropy(model(x), [0, 1, 1, 0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    step()
    model.eval()
    optimizer.lr = 0.25
    tensors = [t for _, t in model.named_tensors()] + [t for state in optimizer.state for t in state.values()]
    before = [(t.array, t.grad) for t in tensors], optimizer.lr, str(other.bit_generator.state), model.training
    ours, place = tz.default_generator(), str(tz.default_generator().bit_generator.state)
    tz.unroll(step)
    assert ours is tz.default_generator() is not generator
    assert str(ours.bit_generator.state) == place
    after = [(t.array, t.grad) for t in tensors], optimizer.lr, str(other.bit_generator.state), model.training
    assert after[1:] == before[1:]
    assert all(a is b for pair, other_pair in zip(before[0], after[0], strict=True)
               for a, b in zip(pair, other_pair, strict=True))


def test_an_error_of_the_function_passes_on_and_leaves_nothing_behind() -> None:
    w = weight(1.0, 2.0)
    array = w.array

    def fails() -> None:
        w.assign([3.0, 4.0])
        raise KeyError("of the user's")

    with pytest.raises(KeyError, match="of the user's"):
        tz.unroll(fails)
    assert w.array is array


def test_the_formulas_run_whatever_kernels_are_in_use(tmp_path: Path) -> None:
    with using(kernels={Exp.forward: lambda x: x * 0}):
        program = tz.unroll(lambda: F.exp(weight(1.0, 2.0)).sum())
    found = assert_equal(program, tmp_path)
    assert found["loss"] == np.exp(np.array([1, 2], np.float32)).sum()


# ---- what cannot be written out, in one sentence


def computed_before() -> Any:
    w = weight(1.0)
    y = w * w
    return lambda: y.sum()


def two_derivatives() -> Any:
    w = weight(2.0)

    def loss() -> Any:
        (g,) = tz.grad((w * w * w).sum(), w, create_graph=True)
        return (g * g).sum()

    return loss


class Branching(tz.Op):
    """y = x"""

    def forward(x):  # type: ignore[no-untyped-def]
        if x.ndim > 1:
            x = x + 0
        return x * 1

    def backward(dy):  # type: ignore[no-untyped-def]
        return dy


def without_source() -> Any:
    space: dict[str, Any] = {"Op": tz.Op}
    exec("class Hidden(Op):\n    def forward(x): return x * 2\n    def backward(dy): return dy * 2", space)
    return lambda: space["Hidden"](weight(1.0)).sum()


@pytest.mark.parametrize(("make", "kind", "said"), [
    (lambda: 3, TypeError, "a loss or a training step, not a int"),
    (lambda: lambda: None, ValueError, "computes nothing with the engine"),
    (lambda: lambda: None if F.exp(weight(1.0)) is None else 3, ValueError, "nothing to write out"),
    (computed_before, ValueError, "was not recorded.*inside the function"),
    (two_derivatives, ValueError, "Mul takes the result of a .* that was not recorded.*create_graph=True"),
    (lambda: lambda: Branching(weight(1.0)).sum(), ValueError, "assignments and one return"),
    (without_source, OSError, "source of Hidden.forward cannot be read"),
])  # fmt: skip
def test_what_cannot_be_written_out(make: Any, kind: type[Exception], said: str) -> None:
    function = make()
    with pytest.raises(kind, match=said) as raised:
        tz.unroll(function)
    assert "\n" not in str(raised.value)


# ---- the text


def network() -> Any:
    tz.manual_seed(0)
    model = nn.Sequential(nn.Dense(3, 40), nn.Sigmoid(), nn.Dense(40, 2))
    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
    return lambda: F.cross_entropy(model(x), [0, 1, 1, 0])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_text_is_readable(lang: str) -> None:
    """In one language, within 120 columns, NumPy and the standard library alone."""
    source = tz.unroll(network(), lang=lang).source
    lines = source.splitlines()
    assert max(map(len, lines)) <= 120
    assert not any(line != line.rstrip() for line in lines)
    modules = {a.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for a in node.names}
    assert modules == {"numpy", "base64", "zlib"}
    assert bool(re.search("[一-鿿]", source)) == (lang == "zh")
    for line in ("z1 = x @ W1 + b1", "a1 = np.where(z1 >= 0, 1, e) / (1 + e)", "dW2 = a1.T @ dz2",
                 "dz1 = da1 * a1 * (1 - a1)", "db1 = dz1.sum(axis=0)"):
        assert re.search(rf"^{re.escape(line)}( +#|$)", source, re.M), line
    assert "layers[0].W  float32 (3, 40)" in source


def test_the_language_in_force_is_the_default() -> None:
    with in_language("zh"):
        assert "前向传播" in str(tz.unroll(network()))


def test_no_name_hides_one_of_pythons_own() -> None:
    def loss() -> Any:
        sum = weight(1.0, 2.0)
        np_ = sum * 2
        lambda_ = np_.max() + np_.abs().min()
        return F.pow(lambda_, 2) + np_.sum()

    source = tz.unroll(loss).source
    bound = {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    assert not bound & {"np", "sum", "max", "min", "abs", "pow", "print", "open"}


def test_in_a_process_of_its_own_that_has_no_engine(tmp_path: Path) -> None:
    """Isolated, from another folder: NumPy and the file are all there is."""
    loss = network()
    path = tmp_path / "program.py"
    tz.unroll(loss).save(path)
    code = ("import runpy, sys, importlib.util\n"
            "assert importlib.util.find_spec('tinygrad_zh') is None or not sys.path.insert(0, '')\n"
            f"found = runpy.run_path({str(path)!r})\n"
            "assert not any(name.startswith('tinygrad_zh') for name in sys.modules)\n"
            "print(found['loss'].tobytes().hex(), found['dW1'].tobytes().hex())")
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    value = loss()
    value.backward()
    W1 = next(iter(loss.__closure__[0].cell_contents.parameters()))
    assert done.stdout.splitlines()[-1] == f"{value.numpy().tobytes().hex()} {W1.grad.numpy().tobytes().hex()}"


# ---- numbers


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_number_keeps_every_bit(dtype: Any) -> None:
    bits = np.random.default_rng(0).integers(0, 256, 4000 * np.dtype(dtype).itemsize, np.uint8)
    values = np.concatenate([bits.view(dtype), np.array([0.1, -0.0, np.inf, 1 / 3, 5e-324], dtype)])
    for value in values[~np.isnan(values)]:
        assert dtype(eval(number(value), {"np": np})).tobytes() == value.tobytes()


def test_a_small_array_is_a_literal_and_a_large_one_is_stored() -> None:
    assert written("x", np.arange(100.0)).packed == ""
    assert written("x", np.arange(101.0)).expression == 'stored("x", np.float64, (101,))'
    assert written("x", np.zeros((50, 50))).expression == "np.zeros((50, 50), dtype=np.float64)"
    assert written("x", np.broadcast_to([1.0, 2.0], (50, 2))).expression == (
        "np.broadcast_to(np.array([[1.0, 2.0]], dtype=np.float64), (50, 2))")


def test_two_names_of_which_one_begins_like_the_other(tmp_path: Path) -> None:
    a = tz.tensor(np.arange(200.0), requires_grad=True, name="W")
    b = tz.tensor(np.arange(200.0)[::-1] / 3, requires_grad=True, name="W1")
    found = assert_equal(tz.unroll(lambda: (b * a).sum()), tmp_path)
    assert same(found["dW"], b.numpy()) and same(found["dW1"], a.numpy())


def test_it_can_be_stepped_through(tmp_path: Path) -> None:
    """Each statement is a line of the file that a debugger stops at."""
    program = tz.unroll(network())
    found = ran(program, tmp_path)
    assert found["__file__"] == str(tmp_path / "program.py")
