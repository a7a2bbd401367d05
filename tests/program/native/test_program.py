"""A compiled step does what the step does, and nothing that anybody could notice besides."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.program.native import steps_of_training as steps
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.core import Tensor
from tinygrad_zh.program.compiling.recorded import Changed, Recorded, Unsupported, run
from tinygrad_zh.program.native import program as native
from tinygrad_zh.program.native.program import build
from tinygrad_zh_kernels import blas


def close(mine, theirs):
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("make", [
    steps.regression, steps.classes, steps.yes_or_no, steps.dropped,
    pytest.param(steps.sentences, marks=pytest.mark.slow), pytest.param(steps.pictures, marks=pytest.mark.slow)])
def test_five_steps_are_the_formulas_to_rounding(make):
    plain = make()
    for _ in range(2):
        plain.step(*plain.batch)
    theirs = [plain.step(*plain.batch).item() for _ in range(5)]
    state = plain.state()  # before the other is made, which seeds the generator again
    mine = make()
    program = steps.compiled(mine)
    losses = [program(mine.arrays())[0] for _ in range(5)]
    assert all(x.dtype == np.float32 and x.shape == () and not x.flags.writeable for x in losses)
    np.testing.assert_allclose(losses, theirs, rtol=1e-4)
    close(mine.state(), state)


def test_other_data_and_another_rate_are_seen():
    plain, mine = steps.regression(), steps.regression()
    for training in (plain, mine):
        training.step(*training.batch)
    plain.step(*plain.batch)
    value, tape = run(lambda: mine.step(*mine.batch), mine.arrays())
    program = build(Recorded(tape, [value.array]))
    x, y = (tz.tensor(t.numpy() * 0.5 + 0.1) for t in plain.batch)
    plain.optimizer.lr = mine.optimizer.lr = 0.3
    theirs = plain.step(x, y).item()
    np.testing.assert_allclose(program([x.array, y.array])[0], theirs, rtol=1e-5)
    close(mine.state(), plain.state())


# ---- values that others hold


def test_what_was_taken_keeps_its_values():
    mine = steps.regression()
    program = steps.compiled(mine)
    program(mine.arrays())
    w = mine.optimizer.parameters[0]
    taken = [w.numpy(), w.detach(), w.grad, w.grad.numpy(), w.array, w.numpy()[:1].T, program(mine.arrays())[0]]
    kept = [np.array(getattr(x, "array", x)) for x in taken]
    for _ in range(3):
        program(mine.arrays())
    for x, before in zip(taken, kept, strict=True):
        np.testing.assert_array_equal(getattr(x, "array", x), before)
    assert not np.array_equal(w.numpy(), kept[0])


@pytest.mark.parametrize("take", [lambda w: w.array, lambda w: w.numpy(), lambda w: w.detach(), lambda w: w.grad,
                                  lambda w: w.grad.array, lambda w: w.grad.numpy()[0]])
def test_each_way_to_take_a_value_is_noticed(take):
    """One after the other: what one holder gives away must not make up for what another one took."""
    mine = steps.regression()
    program = shared_program(mine)
    w = mine.optimizer.parameters[0]
    for _ in range(2):
        taken = take(w)
        before = np.array(getattr(taken, "array", taken))
        program(mine.arrays())
        np.testing.assert_array_equal(getattr(taken, "array", taken), before)


def shared_program(mine):
    program = steps.compiled(mine)
    program(mine.arrays())
    return program


def test_steps_that_nobody_watches_stay_where_they_are():
    mine = steps.regression()
    program = shared_program(mine)
    places = [(id(p.array), id(p.grad)) for p in mine.optimizer.parameters]
    for _ in range(3):
        program(mine.arrays())
    assert places == [(id(p.array), id(p.grad)) for p in mine.optimizer.parameters]


def test_what_is_assigned_in_between_is_taken():
    plain, mine = steps.regression(), steps.regression()
    for _ in range(2):
        plain.step(*plain.batch)
    program = steps.compiled(mine)
    for _ in range(2):
        for training in (plain, mine):
            w, b = training.optimizer.parameters[:2]
            held = w.array  # the count of references alone would not tell: one more, and one less
            w.assign(np.full(w.shape, 0.25, np.float32))
            b.assign(np.full(b.shape[::-1], 0.5, np.float32).T)
            before = held.copy()
        plain.step(*plain.batch)
        program(mine.arrays())
        np.testing.assert_array_equal(held, before)
        close(mine.state(), plain.state())


def test_gradients_that_were_taken_away_or_replaced_come_back():
    mine = steps.regression()
    program = shared_program(mine)
    w, b = mine.optimizer.parameters[:2]
    for change in (lambda: mine.optimizer.zero_grad(), lambda: setattr(w, "grad", tz.tensor(np.ones_like(w.array))),
                   lambda: w.grad.assign(np.zeros_like(w.array)), lambda: setattr(b, "grad", None)):
        change()
        other = w.grad
        before = None if other is None else other.array.copy()
        program(mine.arrays())
        assert other is None or np.array_equal(other.array, before)
        assert w.grad.shape == w.shape and b.grad is not None and np.abs(w.grad.numpy()).max() > 0


def test_users_cannot_write_into_the_programs_memory():
    mine = steps.regression()
    shared_program(mine)
    for array in (mine.optimizer.parameters[0].array, mine.optimizer.parameters[0].grad.array):
        for view in (array, array.view(), array[:1].T):
            with pytest.raises(ValueError, match="WRITEABLE"):
                view.setflags(write=True)


# ---- what could go wrong


def test_nan_flows_through():
    mine = steps.classes()
    program = shared_program(mine)
    x, y = mine.arrays()
    broken = x.copy()
    broken[0, 0] = np.nan
    assert np.isnan(program([broken, y])[0])
    assert np.isnan(mine.optimizer.parameters[0].numpy()).any()


@pytest.mark.parametrize("label", [-5, 4, 2**40])
def test_labels_out_of_range_change_nothing(label):
    mine = steps.classes()
    program = shared_program(mine)
    x, y = mine.arrays()
    before = mine.state()
    with pytest.raises(Changed):
        program([x, np.array([*y[:-1], label])])
    for a, b in zip(mine.state(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    program(mine.arrays())


def test_an_error_in_pythons_part_changes_nothing():
    mine = steps.dropped()
    program = shared_program(mine)
    before, gradients = mine.state(), [p.grad for p in mine.optimizer.parameters]
    name = next(name for name in program.names if name.startswith("call"))
    body = program.names[name]

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    program.names[name] = interrupted
    with pytest.raises(KeyboardInterrupt):
        program(mine.arrays())
    for a, b in zip(mine.state(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    assert all(p.grad is g for p, g in zip(mine.optimizer.parameters, gradients, strict=True))
    program.names[name] = body
    program(mine.arrays())
    assert not np.array_equal(mine.state()[0], before[0])


@pytest.mark.parametrize("make", [steps.regression, steps.dropped])
def test_nothing_is_read_before_it_is_written(make):
    """The arena full of nan between two steps makes no difference."""
    results = []
    for poison in (False, True):
        mine = make()
        program = steps.compiled(mine)
        for _ in range(3):
            if poison:
                program.names["memory"].view(np.uint8)[:] = 0xFF
            loss = program(mine.arrays())[0]
        results.append([loss, *mine.state()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_body_that_computes_something_else_is_found_out(monkeypatch):
    mine = steps.dropped()
    recorded = steps.recorded(mine)
    before = mine.state()

    class Wrong(native.Steps):
        def _called(self, step):
            super()._called(step)
            body = step.run
            step.run = lambda *a, **k: tuple(x * 1.001 if x.dtype.kind == "f" else x for x in body(*a, **k)) \
                if not step.single else body(*a, **k) * 1.001

    monkeypatch.setattr(native, "Steps", Wrong)
    with pytest.raises(Unsupported) as error:
        build(recorded)
    assert error.value.key == "compile.why.differs"
    for a, b in zip(mine.state(), before, strict=True):
        np.testing.assert_array_equal(a, b)


# ---- other programs than training steps


def test_a_value_that_python_looked_at_is_a_guard():
    w = tz.tensor([1.0, 2.0, 3.0], requires_grad=True)

    def step(x, n):
        return (w * x).sum() * 2.0 if n.item() > 3 else w.sum()

    x, n = tz.tensor([0.5, 0.25, 2.0]), tz.tensor(4)
    value, tape = run(lambda: step(x, n), [x.array, n.array])
    program = build(Recorded(tape, [value.array]))
    np.testing.assert_allclose(program([x.array, n.array])[0], 14.0)
    with pytest.raises(Changed):
        program([x.array, np.array(5)])


def test_large_outputs_views_and_constants_are_handed_out():
    w = tz.tensor(np.arange(6.0, dtype=np.float32).reshape(2, 3), requires_grad=True)
    c = tz.tensor([[1.0, -1.0, 2.0]])

    def step(x):
        y = F.tanh(w * x + c)
        return y, y.T, y.reshape(3, 2), c

    x = tz.tensor(np.float32(0.1))
    outputs, tape = run(lambda: step(x), [x.array])
    program = build(Recorded(tape, [t.array for t in outputs]))
    first = program([x.array])
    second = program([np.array(0.2, np.float32)])
    close(first, [t.array for t in outputs])
    close(second, [t.array for t in step(tz.tensor(np.float32(0.2)))])


@pytest.mark.parametrize("limit", [0.01, 100.0])
def test_values_that_are_written_in_parts(limit):
    """The norms of all gradients, side by side in one array; the gradient of a slice, in zeros."""
    w, b = tz.tensor(np.eye(4, 3), np.float32, requires_grad=True), tz.tensor([0.1, -0.2, 0.3], requires_grad=True)
    x = tz.tensor(np.arange(20.0, dtype=np.float32).reshape(5, 4) - 9)

    def step(x):
        w.grad = b.grad = None
        (F.tanh(x @ w + b)[1:4] ** 2).sum().backward()
        tz.optim.clip_grad_norm([w, b], limit)
        return F.concat([x[0], b * 2.0])

    value, tape = run(lambda: step(x), [x.array])
    expected = [value.array, w.grad.array, b.grad.array]
    program = build(Recorded(tape, [value.array]))
    outputs = program([x.array])
    close([*outputs, w.grad.array, b.grad.array], expected)


def test_a_run_with_kernels_is_the_same_program():
    """Their bodies sum over what was broadcast, which the formulas leave to the engine."""
    W, b = tz.tensor(np.eye(4, 3), np.float32, requires_grad=True), tz.tensor([0.1, -0.2, 0.3], requires_grad=True)
    x = tz.tensor((np.arange(16_000) % 20 - 9).astype(np.float32).reshape(4000, 4))  # not too small for a body

    def step(x):
        W.grad = b.grad = None
        value = (F.bias_relu(x @ W, b) ** 2).mean()
        value.backward()
        return value

    with tz.use_kernels("numba"):
        value, tape = run(lambda: step(x), [x.array])
        assert any(line.kind == "backward" and [o.shape for o in line.outputs] == [(4000, 3), (3,)] for line in tape)
        program = build(Recorded(tape, [value.array]))
    expected = step(x)
    gradients = [W.grad.array, b.grad.array]
    close([program([x.array])[0], W.grad.array, b.grad.array], [expected.array, *gradients])


def test_a_forward_and_an_update_may_be_two_programs():
    """As fit does it: what one gives as gradients the other takes as inputs."""
    plain, mine = steps.regression(), steps.regression()
    for training in (plain, mine):
        training.step(*training.batch)
    parameters = mine.optimizer.parameters
    arrays = [p.grad.array for p in parameters]
    gradients = [tz.tensor(g) for g in arrays]

    def update(*given: Tensor) -> Tensor:
        for p, g in zip(parameters, given, strict=True):
            p.grad = g
        mine.optimizer.step()
        return given[0]

    value, tape = run(lambda: update(*gradients), [g.array for g in gradients])
    program = build(Recorded(tape, [value.array]))
    before = parameters[0].numpy().copy()
    program([g.array for g in gradients])
    np.testing.assert_allclose(parameters[0].numpy(), before - 0.05 * gradients[0].numpy(), rtol=1e-6)


def test_modules_without_parameters_in_common_do_not_share_memory():
    layer = nn.Dense(3, 3)
    x = tz.tensor(np.eye(3, dtype=np.float32))
    value, tape = run(lambda: layer(layer(x)), [x.array])
    program = build(Recorded(tape, [value.array]))
    close(program([x.array]), [layer(layer(x)).array])


def test_programs_of_the_same_leaves_share_their_homes():
    """Two batch sizes, and a program that only reads: taking turns, nothing is copied."""
    mine = steps.regression()
    programs = {1: shared_program(mine)}
    half = [a[:10] for a in mine.arrays()]
    value, tape = run(lambda: mine.step(*map(tz.tensor, half)), half)
    two = build(Recorded(tape, [value.array]))
    w = mine.optimizer.parameters[0]
    value, tape = run(lambda: (w * 2.0).sum(), [])
    reader = build(Recorded(tape, [value.array]))
    turns = [lambda: programs[1](mine.arrays()), lambda: two(half), lambda: reader([])]
    for turn in turns:
        turn()
    places = [p.array for p in mine.optimizer.parameters]
    places = [id(a) for a in places]
    for _ in range(3):
        for turn in turns:
            before = np.sum(w.numpy() * 2)
            result = turn()[0]
            assert turn is not turns[2] or np.isclose(result, before)
    assert places == [id(p.array) for p in mine.optimizer.parameters]
    for turn in turns[:2]:
        taken, before = w.array, w.numpy().copy()
        turn()
        np.testing.assert_array_equal(taken, before)
    del programs[1]
    gc.collect()
    taken, before = w.array, w.numpy().copy()
    two(half)
    np.testing.assert_array_equal(taken, before)


@pytest.mark.skipif(blas._library is None, reason="this NumPy brings no OpenBLAS of its own")
def test_kernels_that_python_calls_have_the_cores_to_themselves(monkeypatch):
    layer, threads = tz.nn.Sequential(tz.nn.Dense(4, 3), tz.nn.Dropout(0.5)), []
    step = tz.compile(lambda x: layer(x).sum())
    x = np.ones((2, 4), np.float32)
    for _ in range(3):
        step(x)
    assert step.replays == 1
    names = step.variants[0].made.program.names
    call = next(name for name in names if name.startswith("call"))
    kernel = names[call]

    def seen(*arguments, **keywords):
        threads.append(blas._library.scipy_openblas_get_num_threads64_())
        return kernel(*arguments, **keywords)

    names[call] = seen
    before = blas._library.scipy_openblas_get_num_threads64_()
    try:
        blas._library.scipy_openblas_set_num_threads64_(2)
        monkeypatch.setitem(names, "available", lambda: 2)
        step(x)
        assert threads == [1]
        assert blas._library.scipy_openblas_get_num_threads64_() == 2
    finally:
        blas._library.scipy_openblas_set_num_threads64_(before)
