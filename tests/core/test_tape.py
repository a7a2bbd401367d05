"""The tape: what it writes down, in which order, and that its lines compute the same again."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.core import Line, Tape
from tinygrad_zh.core.mode import MODE

F = tz.functional


def leaf(values: Any, dtype: Any = np.float64) -> tz.Tensor:
    return tz.tensor(np.asarray(values, dtype), requires_grad=True)


def kinds(tape: Tape) -> list[str]:
    return [line.kind for line in tape]


# ---- what is written


def test_one_line_of_every_kind_in_the_order_in_which_they_ran() -> None:
    w, b = leaf(np.ones((2, 3)), np.float32), leaf(np.ones(3), np.float32)
    x = np.ones((4, 2))  # float64: the product is too, and the gradients are cast back
    with tz.record() as tape:
        y = (x @ w + b).sum()
        (y * y).backward()
        w.assign(w.detach() - 1.0)
        w.item if w.size == 1 else w.numpy()
    assert kinds(tape) == [
        "forward", "forward", "forward", "forward",  # MatMul Add Sum Mul
        "seed",
        "backward", "backward", "accumulate",  # Mul, for both of its inputs, which are one value
        "backward",  # Sum
        "backward", "backward", "sum_to", "cast",  # Add: the matrix, and the bias
        "backward", "cast",  # MatMul
        "gradient", "gradient",
        "forward", "assign",
        "read",
    ]  # fmt: skip


def test_a_line_says_what_it_computed() -> None:
    a, b = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    with tz.record(title="a product") as tape:
        y = F.mul(a, b)
        y.backward([5.0, 6.0])
    assert tape.title == "a product"
    forward, seed, back_a, back_b = tape[:4]
    assert (seed.kind, seed.outputs[0].tolist()) == ("seed", [5.0, 6.0])
    assert forward.function is F.mul.forward
    assert forward.arguments[0] is a.array
    assert forward.outputs[0] is y.array
    assert forward.info["op"] is F.mul
    assert back_a.function is F.mul.backward_a
    assert (back_a.info["slots"], back_b.info["slots"]) == ((0,), (1,))
    assert back_a.info["forward"] is forward
    assert [g.tolist() for g in back_b.arguments] == [[5.0, 6.0], [1.0, 2.0]]
    assert [line.function for line in tape.of("backward")] == [F.mul.backward_a, F.mul.backward_b]
    assert repr(forward) == "forward Mul.forward((2,), (2,))"


def test_leaves_are_named_and_found_by_their_arrays() -> None:
    w, x = tz.tensor([1.0], requires_grad=True, name="w"), tz.tensor([2.0], name="x")
    with tz.record() as tape:
        F.exp(w * x * np.ones(1, np.float32))
    assert tape.leaves[id(w.array)] is w
    assert tape.leaves[id(x.array)] is x
    assert all(isinstance(found, tz.Tensor) for found in tape.leaves.values())


def test_a_gradient_line_names_its_leaf() -> None:
    a, b = leaf(1.0), leaf(2.0)
    with tz.record() as tape:
        (a * b).backward()
    assert [line.info["source"] for line in tape.of("gradient")] == [a.source, b.source]


def test_the_open_modules_are_on_every_forward_line() -> None:
    x = leaf(1.0)
    with tz.record() as tape:
        tape.modules.append("block")
        F.exp(x)
        tape.modules.pop()
        F.exp(x)
    assert [line.info["modules"] for line in tape] == [("block",), ()]


def test_a_generators_state_is_kept_as_it_was_before_the_call() -> None:
    generator = tz.manual_seed(3)
    x = leaf(np.ones(100))
    with tz.record() as tape:
        F.dropout(x, 0.5)
        y = F.dropout(x, 0.5)
    again = np.random.Generator(np.random.Philox(0))
    again.bit_generator.state = tape[1].info["states"]["rng"]
    keywords = {**tape[1].keywords, "rng": again}
    np.testing.assert_array_equal(tape[1].function(*tape[1].arguments, **keywords)[0], y.numpy())
    np.testing.assert_equal(again.bit_generator.state, generator.bit_generator.state)


def test_where_is_the_users_line(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import tinygrad_zh as tz\n"
        "def loss(x):\n"
        "    y = x * x\n"
        "    return tz.functional.mse_loss(y, [1.0])\n"
        "with tz.record() as tape:\n"
        "    loss(tz.tensor([2.0]))\n"
        "    tz.jacobian(lambda z: z + z,\n"
        "                tz.tensor([2.0]))\n",
        encoding="utf-8")
    names: dict[str, Any] = {}
    exec(compile(program.read_text(encoding="utf-8"), str(program), "exec"), names)
    forward = {line.info["op"].__name__: line.info["where"] for line in names["tape"].of("forward")}
    assert forward["Mul"] == (str(program), 3, "loss")
    assert forward["SquaredError"] == (str(program), 4, "loss")
    assert forward["Mean"] == (str(program), 4, "loss")
    assert forward["Add"] == (str(program), 7, "<lambda>")


# ---- errors


def test_a_failing_formula_is_the_last_line() -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match="Add") as caught, tz.record() as tape:
        F.exp(x)
        x + np.ones(3)
    assert kinds(tape) == ["forward", "error"]
    line = tape[-1]
    assert (line.function, line.info["op"], line.info["error"]) == (F.add.forward, F.add, caught.value)
    assert line.info["where"][0] == __file__


def test_a_failing_backward_is_the_last_line() -> None:
    class Fails(tz.Op):
        """y = x"""

        def forward(x):
            return x + 0

        def backward(dy):
            raise ValueError("no")

    x = leaf(1.0)
    with pytest.raises(ValueError, match="no") as caught, tz.record() as tape:
        Fails(x).backward()
    assert kinds(tape) == ["forward", "seed", "error"]
    assert (tape[-1].function, tape[-1].info["error"]) == (Fails.backward, caught.value)


@pytest.mark.parametrize("fail", [
    lambda x: F.matmul(x, tz.tensor([1.0, 2.0, 3.0])),  # refused before a formula runs
    lambda x: (x * x).backward(),
    lambda x: 1 / 0,
])
def test_an_error_outside_of_any_formula_is_the_last_line_too(fail: Any) -> None:
    x = leaf([1.0, 2.0])
    with pytest.raises((ValueError, ZeroDivisionError)) as caught, tz.record() as tape:
        fail(x)
    assert tape[-1].kind == "error"
    assert tape[-1].info["error"] is caught.value
    assert (tape[-1].function, tape[-1].info["op"]) == (None, None)


def test_an_error_is_written_once() -> None:
    with pytest.raises(TypeError), tz.record() as tape:
        F.silu(leaf(1.0), leaf(1.0))
    assert kinds(tape) == ["error"]


# ---- replay


def same(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def again_of(line: Line, arguments: Iterable[Any]) -> tuple[Any, ...]:
    """The line's function on these arguments, its generators put back to where they were."""
    keywords = dict(line.keywords)
    for key, state in (line.info.get("states") or {}).items():
        keywords[key] = np.random.Generator(np.random.Philox(0))
        keywords[key].bit_generator.state = state
    outputs = line.function(*arguments, **keywords)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def programs() -> dict[str, Any]:
    def numbers(w: tz.Tensor, b: tz.Tensor) -> tz.Tensor:
        x, y = w.sum(), b.sum()
        return x * y + x / y + x * np.float64(3) + F.split(b, 3)[0].sum() * (x + np.ones(1)).sum()

    def network(w: tz.Tensor, b: tz.Tensor) -> tz.Tensor:
        x = np.random.default_rng(1).normal(size=(5, 4))
        h = F.layer_norm(F.gelu(x @ w + b), b, b)
        h = F.dropout(h, 0.3) + F.concat([h[:, ::-1], h[:, [0, 0, 2]]], axis=1)[:, :3]
        return F.cross_entropy(h, [0, 1, 2, 1, 0])

    def attention(w: tz.Tensor, b: tz.Tensor) -> tz.Tensor:
        return (F.scaled_dot_product_attention(w, w, w * b, is_causal=True) ** 2).sum()

    def statistics(w: tz.Tensor, b: tz.Tensor) -> tz.Tensor:
        y, mean, var = F.batch_norm(w, tz.tensor(np.zeros(3)), tz.tensor(np.ones(3)), b, b, training=True)
        return (y * F.softmax(w)).std() + F.logsumexp(w) + F.norm(b) + mean.sum() + var.sum()

    return {"numbers": numbers, "network": network, "attention": attention, "statistics": statistics}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", list(programs()))
def test_every_line_computes_its_outputs_again_to_the_bit(name: str, dtype: Any) -> None:
    rng = np.random.default_rng(0)
    w, b = leaf(rng.normal(size=(4, 3)), dtype), leaf(rng.normal(size=3), dtype)
    tz.manual_seed(0)
    with tz.record() as tape:
        loss = programs()[name](w, b)
        loss.backward()
        (w * 2).sum().backward()
        w.assign(w.detach() - 0.1 * w.grad)
    replayed = 0
    for line in tape:
        outputs = again_of(line, line.arguments)
        assert len(outputs) == len(line.outputs)
        for again, once in zip(outputs, line.outputs, strict=True):
            assert same(np.asarray(again), np.asarray(once)), line
            replayed += 1
    assert replayed >= len(tape)


@pytest.mark.parametrize("name", list(programs()))
def test_the_recorded_accumulations_reproduce_every_gradient(name: str) -> None:
    """From the lines alone: run the program on the tape, and what its gradient lines give is .grad."""
    rng = np.random.default_rng(0)
    w, b = leaf(rng.normal(size=(4, 3))), leaf(rng.normal(size=3))
    tz.manual_seed(0)
    with tz.record() as tape:
        programs()[name](w, b).backward()
    given = {id(a) for line in tape.of("forward") for a in line.arguments}
    values: dict[int, Any] = {}  # a line's output, computed anew, by the id of the recorded one
    fresh = lambda a: values.get(id(a), tuple(map(fresh, a)) if isinstance(a, tuple) else a)  # noqa: E731
    grads = {}
    for line in tape:
        arrays = [a for a in line.arguments if isinstance(a, np.ndarray)]
        assert all(id(a) in values or id(a) in given for a in arrays), f"{line} has an array from nowhere"
        for once, again in zip(line.outputs, again_of(line, map(fresh, line.arguments)), strict=True):
            if id(once) not in values:  # an op may hand on its own argument
                values[id(once)] = again
        if line.kind == "gradient":
            grads[line.info["source"]] = values[id(line.outputs[0])]
    assert same(grads[w.source], w.grad.numpy())
    assert same(grads[b.source], b.grad.numpy())


# ---- when it writes


def test_nothing_is_recorded_outside() -> None:
    x = leaf(1.0)
    y = x * x
    with tz.record() as tape:
        pass
    y.backward()
    x.item()
    assert tape == []
    assert MODE.get().tape is None


def test_results_do_not_depend_on_recording() -> None:
    def gradient() -> bytes:
        x = leaf(np.linspace(-2, 2, 7))
        (F.softmax(x) * F.gelu(x)).sum().backward()
        return x.grad.numpy().tobytes()

    plain = gradient()
    with tz.record():
        assert gradient() == plain


def test_a_record_inside_another_takes_its_lines_for_itself() -> None:
    x = leaf(1.0)
    with tz.record() as outer:
        F.exp(x)
        with tz.record() as inner:
            F.sin(x)
        F.cos(x)
    assert [line.info["op"] for line in outer] == [F.exp, F.cos]
    assert [line.info["op"] for line in inner] == [F.sin]


def test_the_mode_is_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), tz.record():
        1 / 0  # noqa: B018
    assert MODE.get().tape is None


def test_a_thread_of_its_own_context_writes_on_no_tape_but_its_own() -> None:
    x = leaf(1.0)
    tapes = {}

    def work() -> None:
        with tz.record() as tapes["theirs"]:
            F.sin(x)

    with tz.record() as tapes["ours"]:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        F.cos(x)
    assert [line.info["op"] for line in tapes["theirs"]] == [F.sin]
    assert [line.info["op"] for line in tapes["ours"]] == [F.cos]


# ---- backward, a contribution at a time


def test_steps_are_contributions_that_add_up() -> None:
    a, b = leaf([1.0, 2.0]), leaf(3.0)
    loss = (a * b + a).sum()
    steps = list(tz.backward_steps(loss))
    assert [(step.call.op, step.slot) for step in steps] == [
        (F.sum.__globals__["Sum"], 0), (F.add, 0), (F.add, 1), (F.mul, 0), (F.mul, 1)]  # fmt: skip
    last = steps[-1]
    assert last.raw.tolist() == [1.0, 2.0]
    assert (last.contribution.tolist(), last.before, last.source) == (3.0, None, b.source)
    again = steps[3]
    before, contribution, after = (g.tolist() for g in (again.before, again.contribution, again.after))
    assert (before, contribution, after) == ([1.0, 1.0], [3.0, 3.0], [4.0, 4.0])
    assert (a.grad.tolist(), b.grad.item()) == ([4.0, 4.0], 3.0)
    with pytest.raises(RuntimeError, match="retain_graph"):
        loss.backward()


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_an_abandoned_walk_changes_nothing(taken: int) -> None:
    x = leaf([1.0, 2.0])
    loss = (x * x + x).sum()
    walk = tz.backward_steps(loss)
    for _ in range(taken):
        next(walk)
    walk.close()
    assert x.grad is None
    assert MODE.get() == type(MODE.get())()
    loss.backward()  # nor is the graph released
    assert x.grad.tolist() == [3.0, 5.0]


def test_a_mode_does_not_leak_out_of_a_walk_that_stands_still() -> None:
    x = leaf(1.0)
    walk = tz.backward_steps(F.exp(x))
    with tz.no_grad():
        next(walk)
    assert tz.is_grad_enabled()
    with tz.record() as tape:
        F.sin(x)
    assert kinds(tape) == ["forward"]


def test_steps_may_retain_the_graph() -> None:
    x = leaf(3.0)
    loss = x * x
    list(tz.backward_steps(loss, retain_graph=True))
    list(tz.backward_steps(loss))
    assert x.grad.item() == 12.0


GLOBAL = tz.tensor([1.0, 2.0], requires_grad=True)


def test_a_global_of_the_users_program_has_its_name() -> None:
    with tz.record() as tape:
        GLOBAL * 2.0
    assert tape.names[id(GLOBAL.array)] == "GLOBAL"
