"""Whatever is raised, nothing is half updated; what was handed out keeps its values; nothing is kept alive."""

from __future__ import annotations

import gc
import linecache
import weakref

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.program.compiling.twins import Twin, batches, classification, state
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim


def network():
    tz.manual_seed(0)
    model = nn.Sequential(nn.Dense(4, 6), nn.Dropout(0.5), nn.BatchNorm(6), nn.Dense(6, 3))
    return classification(model, optim.Adam(model.parameters()))


def draws():
    return tz.default_generator().bit_generator.state["state"]["counter"].tobytes(), \
        tz.default_generator().bit_generator.state["buffer_pos"]


@pytest.mark.parametrize("calls", [0, 1, 2, 5])
def test_labels_out_of_range(calls):
    """While it is recorded and in a replay: the step's own error, and everything as before."""
    twin = network()
    step = tz.compile(twin.step, kernels="formulas")
    given = batches((5, 4), count=8)
    tz.manual_seed(3)
    for batch in given[:calls]:
        step(*batch)
    before, drawn = state(twin), draws()
    with pytest.raises(IndexError, match=r"cross_entropy: class label 3 is out of range for 3 classes \(0 to 2\)"):
        step(given[0][0], np.array([0, 1, 2, 3, 0]))
    assert state(twin) == before and draws() == drawn
    for batch in given[calls:]:
        step(*batch)
    other = network()
    tz.manual_seed(3)
    for x, y in given:
        other.step(tz.tensor(x), tz.tensor(y))
    assert state(twin) == state(other)


def test_an_error_in_the_step_itself():
    """The running statistics are assigned before it is raised."""
    twin = network()
    broken = False

    def step(x, y):
        loss = twin.step(x, y)
        if broken:
            raise RuntimeError("mine")
        return loss

    compiled = tz.compile(step, kernels="formulas")
    given = batches((5, 4))
    for number in range(5):
        broken = number != 1
        before, drawn = state(twin), draws()
        if broken:
            with pytest.raises(RuntimeError, match="mine"):
                compiled(*given[number])
            assert state(twin) == before and draws() == drawn
        else:
            compiled(*given[number])


def test_an_error_of_a_step_that_is_no_longer_recorded():
    w, count = tz.tensor([1.0], requires_grad=True), 0

    @tz.compile(kernels="formulas")
    def step(x):
        nonlocal count
        count += 1
        w.assign(w * x)
        if count == 10:
            raise RuntimeError("mine")
        return w * count

    for _ in range(9):
        step(np.ones(1, np.float32))
    before, recordings = w.array, step.recordings
    with pytest.raises(RuntimeError, match="mine"):
        step(np.full(1, 2, np.float32))
    assert w.array is before and step.recordings == recordings


def test_an_error_of_a_step_that_never_was_compiled_leaves_the_masks_undrawn():
    """Neither where an argument requires a gradient nor after too many recordings."""
    model = nn.Sequential(nn.Dense(3, 3), nn.Dropout(0.5))
    broken = False

    @tz.compile(kernels="formulas")
    def step(x):
        model.zero_grad()
        loss = model(x).sum()
        loss.backward()
        model.layers[0].W.assign(model.layers[0].W - model.layers[0].W.grad)
        if broken:
            raise RuntimeError("mine")
        return loss

    for given in (tz.tensor(np.ones((2, 3), np.float32), requires_grad=True), np.ones((2, 3), np.float32)):
        for number in range(10):
            broken = number % 2 == 0
            before, drawn = model.layers[0].W.array, draws()
            if broken:
                with pytest.raises(RuntimeError, match="mine"):
                    step(given)
                assert model.layers[0].W.array is before and draws() == drawn
            else:
                step(given)
                assert model.layers[0].W.array is not before and draws() != drawn


def test_an_error_of_a_formula_in_a_replay():
    """NumPy told to raise: the replay stops in the middle, and so does the step."""
    twin = network()
    step = tz.compile(twin.step, kernels="formulas")
    given = batches((5, 4))
    for batch in given[:4]:
        step(*batch)
    assert step.replays == 2
    before, drawn = state(twin), draws()
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        step(np.full((5, 4), 1e30, np.float32), given[0][1])
    assert state(twin) == before and draws() == drawn
    assert "FloatingPointError" in step.explain()


def test_an_interruption_in_a_replay():
    """Ctrl-C in a formula: nothing has changed, no mask is drawn, and the interruption passes on."""
    class Interrupting(tz.Op):
        on = False

        def forward(x):
            if Interrupting.on:
                raise KeyboardInterrupt
            return x * 1

        def backward(dy):
            return dy

    twin = network()

    @tz.compile(kernels="formulas")
    def step(x, y):
        twin.optimizer.zero_grad()
        loss = F.cross_entropy(Interrupting(twin.model(x)), y)
        loss.backward()
        twin.optimizer.step()
        return loss

    given = batches((5, 4))
    for batch in given[:4]:
        step(*batch)
    before, drawn = state(twin), draws()
    Interrupting.on = True
    with pytest.raises(KeyboardInterrupt):
        step(*given[4])
    assert state(twin) == before and draws() == drawn
    Interrupting.on = False
    step(*given[4])
    assert step.replays == 3, step.explain()


def interrupted_after(function):
    """The function, after which Ctrl-C comes once."""
    pending = [KeyboardInterrupt]

    def run(*arguments):
        result = function(*arguments)
        if pending:
            raise pending.pop()
        return result

    return run


@pytest.mark.parametrize("where", ["formulas", "numba", "compiled code"])
def test_an_interruption_when_all_is_computed(where):
    """Signals come between two lines of Python. The step is taken, then, with its masks and gradients, and passes on
    the interruption; the next call goes on from there."""
    if where != "formulas":
        pytest.importorskip("numba")
    results = []
    for interrupted in (False, True):
        twin = network()
        step = tz.compile(twin.step, kernels="formulas" if where == "formulas" else "numba")
        tz.manual_seed(3)
        for number, batch in enumerate(batches((5, 4), count=7)):
            if interrupted and number in (4, 5):
                program = step.variants[0].made.program
                if where == "compiled code":
                    names, last = program.names, max(n for n in program.names if n[0] == "f" and n[1:].isdigit())
                    names[last] = interrupted_after(names[last])
                else:
                    names = step.variants[0].enter.__globals__
                    names["program"] = interrupted_after(names["program"])
                if number == 5:  # the gradients are somebody's: new ones are on their way
                    held = [p.grad for p in twin.model.parameters()]
                with pytest.raises(KeyboardInterrupt):
                    step(*batch)
            else:
                step(*batch)
        results.append((state(twin), draws()))
    assert held and results[0] == results[1]


def test_what_was_handed_out_keeps_its_values():
    twin = network()
    step = tz.compile(twin.step, kernels="formulas")
    kept = []
    for batch in batches((5, 4), count=6):
        loss = step(*batch)
        kept += [(t, t.array.copy()) for t in (
            loss, *[p.detach() for p in twin.model.parameters()], *[p.grad for p in twin.model.parameters()])]
    for t, values in kept:
        np.testing.assert_array_equal(t.numpy(), values)
        with pytest.raises(ValueError, match="read-only"):
            t.array[...] = 0


@pytest.mark.parametrize("when", ["available", "call", "settle"])
def test_what_another_thread_takes_in_the_middle_of_a_step_keeps_its_values(when):
    """Python runs others before work is shared out, in a kernel, and while values move to a new home."""
    pytest.importorskip("numba")
    plain, twin = network(), network()
    step = tz.compile(twin.step)
    held, results = [], []
    for run, model in ((plain.step, plain.model), (step, twin.model)):
        tz.manual_seed(3)
        for number, batch in enumerate(batches((5, 4), count=7)):
            if run is step and number in (4, 5):
                names = step.variants[0].made.program.names
                name = min(n for n in names if n.startswith(when))
                names[name] = and_look(names[name], twin.model, held)
                own = [p.grad for p in twin.model.parameters()]  # so that this call settles
            run(*map(tz.tensor, batch))
        results.append([p.numpy() for p in model.parameters()])
    assert own and len(held) == 2 * 6
    for array, copy in held:
        np.testing.assert_array_equal(array, copy)
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def and_look(function, model, held):
    """The function, in which another thread takes the weights once."""
    pending = [True]

    def run(*arguments, **keywords):
        if pending:
            pending.pop()
            held.extend((p.numpy(), p.numpy().copy()) for p in model.parameters())
        return function(*arguments, **keywords)

    return run


def test_what_is_written_for_others_to_see_is_written_while_no_one_looks():
    """The last compiled function keeps Python's lock."""
    pytest.importorskip("numba")
    twin = network()
    step = tz.compile(twin.step)
    for batch in batches((5, 4), count=3):
        step(*batch)
    names = step.variants[0].made.program.names
    parts = sorted(name for name in names if name[0] == "f" and name[1:].isdigit())
    assert [names[name].targetoptions["nogil"] for name in parts] == [True] * (len(parts) - 1) + [False]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_program_that_goes_leaves_the_others_with_a_right_count(count):
    """They share a home, and count who refers to it: as many new references as the old program had are no balance."""
    pytest.importorskip("numba")
    w = tz.tensor(np.ones(3, np.float32))
    first, second = tz.compile(lambda x: w.assign(w * x + 1).sum()), tz.compile(lambda x: w.assign(w * x + 2).sum())
    x = np.ones(3, np.float32)
    for _ in range(4):
        first(x)
        second(x)
    del second
    held = [w.numpy() for _ in range(count)]
    first(x)
    assert first.replays == 3
    np.testing.assert_array_equal(held, np.full((count, 3), 13, np.float32))
    np.testing.assert_array_equal(w.numpy(), np.full(3, 14, np.float32))


def test_the_caller_s_array_stays_writable_and_is_not_kept():
    """A step that returns its argument, keeps it in a leaf, and returns a view of it."""
    kept = tz.tensor(np.zeros(3))

    @tz.compile(kernels="formulas")
    def step(x):
        kept.assign(x)
        return x, x.reshape((3, 1)), x * 2

    x = np.arange(3.0)
    for _ in range(4):
        same, view, _ = step(x)
    assert step.replays == 2 and x.flags.writeable
    x[:] = 7
    for t in (kept, same, view):
        np.testing.assert_array_equal(t.numpy().reshape(-1), [0, 1, 2])


def test_a_thousand_calls_keep_nothing():
    twin = network()
    step = tz.compile(twin.step, kernels="formulas")
    batch = batches((5, 4))[0]
    for _ in range(5):
        step(*batch)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(1000):
        step(*batch)
    gc.collect()
    assert len(gc.get_objects()) <= before + 10


def test_a_compiled_step_that_goes_takes_its_model_along():
    twin = network()
    step = tz.compile(twin.step, kernels="formulas")
    for batch in batches((5, 4)):
        step(*batch)
    files = [file for file in linecache.cache if file.startswith("<tz.compile")]
    model, program = weakref.ref(twin.model), weakref.ref(step)
    gc.disable()
    try:
        del twin, step
        assert program() is None and model() is None
    finally:
        gc.enable()
    assert len([file for file in linecache.cache if file.startswith("<tz.compile")]) <= len(files) - 2


def test_a_recording_keeps_no_results_alive():
    """What was computed on the way is gone when the call is over."""
    model = nn.Dense(4, 3)
    results = weakref.WeakKeyDictionary()

    @tz.compile(kernels="formulas")
    def step(x):
        y = model(x)
        results[y] = True
        return y.sum()

    for _ in range(3):
        step(np.ones((2, 4), np.float32))
    assert step.replays == 1 and not results


def test_a_debugger_finds_the_text_of_a_replay():
    twin = Twin(nn.Dense(4, 3), None, None)
    step = tz.compile(lambda x: twin.model(x).sum(), kernels="formulas")
    for _ in range(3):
        step(np.ones((2, 4), np.float32))
    program = step.variants[0].made.program
    text = "".join(linecache.getlines(program.__code__.co_filename))
    assert "MatMul_forward(x0, p" in text
    assert text.startswith("def replay(arrays):")
