"""The program reads as one would write it: the field's letters, the user's names, nothing said twice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.program.unrolling.running import assert_equal, ran
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim
from tinygrad_zh.core.tape import record
from tinygrad_zh.program.unrolling import unroll_system, unroll_tape


def data(*shape: int) -> Any:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def code(program: tz.program.Unrolled) -> list[str]:
    """The statements, without what is said beside them."""
    return [line.partition("  #")[0].rstrip() for line in program.source.splitlines() if not line.startswith("#")]


class SelfAttention(nn.Module):
    def __init__(self, width: int) -> None:
        self.query, self.key, self.value = nn.Dense(width, width), nn.Dense(width, width), nn.Dense(width, width)

    def forward(self, x: Any) -> Any:
        Q, K, V = self.query(x), self.key(x), self.value(x)
        return F.softmax(Q @ K.swapaxes(-1, -2) / np.sqrt(Q.shape[-1])) @ V


def test_attention_by_hand(tmp_path: Path) -> None:
    model = SelfAttention(4)
    program = tz.unroll(lambda x, y: F.mse_loss(model(x), y), data(2, 3, 4), data(2, 3, 4))
    for line in ("Q = x @ W_Q + b_Q", "scores = Q @ K.mT / 2.0", "weights = e / e.sum(axis=-1, keepdims=True)",
                 "prediction = weights @ V", "dV = weights.mT @ dprediction"):
        assert line in code(program), program.source
    assert_equal(program, tmp_path)


def test_a_block_of_a_transformer(tmp_path: Path) -> None:
    block = nn.TransformerBlock(8, 2, 16, dropout=0.1)
    program = tz.unroll(lambda x: F.mean(block(x, is_causal=True)), data(2, 3, 8))
    for line in ("q = Q.reshape(2, 3, 2, 4).transpose(0, 2, 1, 3)", "heads = weights_dropped @ v",
                 "O = heads_flat @ W_O + b_O", "x_hat1 = (h - mean1) * rstd1", "layer_norm1 = gamma1 * x_hat1 + beta1",
                 "z1 = layer_norm1 @ W1 + b1", "dweights_dropped = dheads @ v.mT", "dO = dh * mask_2 * (10 / 9)"):
        assert line in code(program), f"{line}\n{program.source}"
    assert sum(line.startswith("x_hat1 = ") for line in code(program)) == 1  # backward reads it again
    assert "if " not in "".join(line for line in code(program) if line.startswith("top"))
    assert_equal(program, tmp_path)


class Cell(nn.Module):
    """An LSTM, with a cut of its own."""

    def __init__(self) -> None:
        self.gates = nn.Dense(3 + 4, 16)

    def cut(self, x: Any, h: Any) -> Any:
        return F.split(self.gates(F.concat([x, h], axis=1)), 4, axis=1)

    def forward(self, xs: Any) -> Any:
        h = c = tz.tensor(np.zeros((2, 4), np.float32))
        for k in range(xs.shape[1]):
            i, f, g, o = self.cut(xs[:, k], h)
            c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
            h = F.sigmoid(o) * F.tanh(c)
        return h


def test_gates_have_the_users_names_in_every_turn_of_the_loop(tmp_path: Path) -> None:
    cell = Cell()
    program = tz.unroll(lambda xs: F.mean(cell(xs)), data(2, 2, 3))
    assert code(program).count("i, f, g, o = np.split(z, (4, 8, 12), axis=1)") == 2
    assert any(line.startswith("h_3 = sigmoid_o") or line.startswith("h_2 = sigmoid_o") for line in code(program))
    assert_equal(program, tmp_path)


def test_a_step_with_adam_and_clipping(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dense(6, 2))
    optimizer = optim.Adam(model.parameters(), 0.01)
    x = data(4, 2, 3)

    def step() -> None:
        loss = F.cross_entropy(model(tz.tensor(x)), [0, 1, 1, 0])
        optimizer.zero_grad()
        loss.backward()
        optim.clip_grad_norm(optimizer.parameters, 0.1)
        optimizer.step()

    program = tz.unroll(step)
    lines = code(program)
    for line in ("x_flat = x.reshape(4, 6)", "dW = x_flat.T @ dz", "g = dW.astype(np.float64)",
                 "norm_W = np.sqrt((g * g).sum())", "t = np.asarray(t + 1.0)", "m_W = 0.9 * m_W + (1 - 0.9) * dW"):
        assert line in lines, f"{line}\n{program.source}"
    assert lines.count("t = np.asarray(t + 1.0)") == 1
    assert sum(line.startswith("hot = ") for line in lines) == 1
    found = assert_equal(program, tmp_path)
    step()  # the gradients that it ends with are those that the engine is left with: clipped
    for name, p in zip(("dW", "db"), model.parameters(), strict=True):
        assert p.grad is not None
        assert found[name].tobytes() == p.grad.numpy().tobytes()


def test_what_an_update_read_before_it_was_changed(tmp_path: Path) -> None:
    """One t for all parameters, unless they are not of one age."""
    a, b = (tz.tensor(data(3), requires_grad=True, name=name) for name in "ab")
    optimizer = optim.Adam([a, b], 0.01)

    def step() -> None:
        for loss in ((a * a).sum(), (a * b).sum()):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    assert_equal(tz.unroll(step), tmp_path)
    a.grad = tz.tensor(data(3))
    b.grad = None
    optimizer.step()
    program = tz.unroll(step)
    assert "t_a" in program.source and "t_b" in program.source
    assert_equal(program, tmp_path)


def test_batch_norm_has_no_copies(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Dense(3, 4), nn.BatchNorm(4))
    program = tz.unroll(lambda x: F.mean(model(x)), data(5, 3))
    assert not [line for line in code(program) if re.fullmatch(r"\w+ = [a-z_]\w*", line)], program.source
    assert "mean = z.mean(axis=0, keepdims=True)" in code(program)
    assert_equal(program, tmp_path)


def test_a_long_statement_goes_on_in_the_next_line() -> None:
    y = tz.tensor([[0.25], [0.75]])
    w = tz.tensor([[0.5], [0.5]], requires_grad=True, name="a_name_that_is_rather_long")
    source = tz.unroll(lambda: F.binary_cross_entropy(F.sigmoid(w), y)).source
    assert max(map(len, source.splitlines())) <= 120
    assert "(1 - y)" in source and "x = 1 - y" not in source


# ---- titles


def test_a_system_is_named_and_told(tmp_path: Path) -> None:
    w = tz.tensor([1.0], requires_grad=True)
    program = unroll_system(lambda: (w * w).sum(), "S0", 'the "smallest" """system""" \\', "en")
    assert program.source.startswith('"""A loss and its gradients, S0, in NumPy alone.\n\nthe "smallest" ')
    assert '"""system""" \\' in ran(program, tmp_path)["__doc__"]


@pytest.mark.parametrize("style", ["numpy", "loops"])
def test_whatever_the_file_is_called(style: str, tmp_path: Path) -> None:
    w = tz.tensor([1.0], requires_grad=True)
    with record() as tape:
        (w * w).sum().backward()
    program = unroll_tape(tape, 'a"""; import nothing\\n.py', "en", style)
    assert 'a"""; import nothing\\n.py' in ran(program, tmp_path)["__doc__"]


def test_two_models_and_what_is_pooled(tmp_path: Path) -> None:
    images, classes = nn.Conv2d(1, 2, 3), nn.Sequential(nn.Flatten(), nn.Dense(8, 3))
    program = tz.unroll(lambda x: F.mean(classes(F.max_pool2d(F.relu(images(x)), 2))), data(2, 1, 6, 6))
    assert "# Conv2d.W  float32 (2, 1, 3, 3)" in program.source
    assert "# Sequential[1].W  float32 (8, 3)" in program.source
    assert "pooled1_flat = pooled1.reshape(2, 8)" in code(program), program.source
    assert_equal(program, tmp_path)


@pytest.mark.parametrize("style", ["numpy", "loops"])
def test_numbers_with_a_name(style: str, tmp_path: Path) -> None:
    """A number of the user's has its name; one that is bound again has a second one; written out, it has none."""
    W = tz.tensor([[0.5], [0.25]], requires_grad=True, name="W")

    def step(X: Any, y: Any) -> None:
        alpha, decay = float("0.125"), -float("inf")
        for _ in range(2):
            (loss,) = [F.mse_loss(X @ W, y) + F.maximum(W, decay).sum() * 0.75]
            dW = tz.grad(loss, [W])[0]
            with tz.no_grad():
                W.assign(W - alpha * dW)
            alpha = alpha / 2

    program = tz.unroll(step, [[1.0, 2.0]], [[3.0]], style=style)
    assert "alpha = 0.125" in code(program) and "alpha_2 = 0.0625" in code(program), program.source
    assert ("decay = -np.inf" if style == "numpy" else "decay = -math.inf") in code(program), program.source
    assert "0.75" in program.source
    if style == "numpy":
        assert_equal(program, tmp_path)
    else:
        ran(program, tmp_path)
