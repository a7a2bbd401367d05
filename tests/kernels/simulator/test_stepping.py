"""The steps of one thread: every line that it ran, in order, with what it assigned, stored, gave and received."""

import sys

import numpy as np
import pytest
from numba import cuda, float32

from tinygrad_zh_kernels.emulated import EmulatedLauncher
from tinygrad_zh_kernels.simulator import KernelError, Thread

X = np.arange(64, dtype=np.float32)
WATCHED = Thread((1, 0, 0), (3, 0, 0))


@cuda.jit(device=True)
def twice(x):
    y = 2 * x
    return float32(y)


@cuda.jit
def kernel(y, x):
    room = cuda.shared.array(64, float32)
    t = cuda.threadIdx.x
    for k in range(2):
        room[t] = twice(x[t + 0 * k])
    cuda.syncthreads()
    v = cuda.shfl_xor_sync(0xFFFFFFFF, room[t], 1)
    v = max(v, float32(0))
    y[cuda.grid(1)] = v


def steps(order=0, launches=1, thread=WATCHED):
    launch = EmulatedLauncher(order, thread)
    for _ in range(launches):
        launch.numba(kernel, (2,), (64,), (launch.empty(128, np.float32), X))
    return launch.steps


@pytest.mark.parametrize("order", range(4))
def test_lines_values_and_events(order):
    found = [(step.source, step.values, step.event) for step in steps(order)]
    call = [("y = 2 * x", {"y": 6.0}, None), ("return float32(y)", {"return": 6.0}, None)]
    assert found == [
        ("room = cuda.shared.array(64, float32)", {"room": "float32 (64,)"}, None),
        ("t = cuda.threadIdx.x", {"t": 3}, None),
        ("for k in range(2):", {"k": 0}, None), *call, ("room[t] = twice(x[t + 0 * k])", {"room[3]": 6.0}, None),
        ("for k in range(2):", {"k": 1}, None), *call, ("room[t] = twice(x[t + 0 * k])", {"room[3]": 6.0}, None),
        ("for k in range(2):", {}, None),
        ("cuda.syncthreads()", {}, "waits at syncthreads"),
        ("v = cuda.shfl_xor_sync(0xFFFFFFFF, room[t], 1)", {"v": 4.0},
         "shfl_xor_sync: gives 6; receives 4 from lane 2"),
        ("v = max(v, float32(0))", {"v": 4.0}, None),
        ("y[cuda.grid(1)] = v", {"y[67]": 4.0}, None),
    ]


def test_where_a_step_is():
    first, last = steps(launches=2)[0], steps(launches=2)[-1]
    assert (first.launch, last.launch, first.kernel, first.file) == (0, 1, "kernel", "test_stepping.py")
    assert first.line == kernel.py_func.__code__.co_firstlineno + 2


def test_a_thread_that_is_not_there_takes_no_step():
    assert steps(thread=Thread((2, 0, 0), (0, 0, 0))) == []


def test_the_steps_up_to_a_failure_end_with_the_line_that_fails():
    @cuda.jit
    def fails(y, x):
        t = cuda.threadIdx.x
        y[t + 1000] = x[t]

    launch = EmulatedLauncher(watch=Thread())
    with pytest.raises(KernelError) as caught:
        launch.numba(fails, (1,), (64,), (launch.empty(64, np.float32), X))
    assert [step.source for step in launch.steps] == ["t = cuda.threadIdx.x", "y[t + 1000] = x[t]"]
    assert caught.value.steps


def test_another_tracer_is_there_again_afterwards():
    def tracer(*_):
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        steps()
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


def test_a_debugger_stops_in_one_thread_and_goes_on_past_a_barrier(monkeypatch):
    import bdb

    class Next(bdb.Bdb):
        """Steps from line to line in the frame where it was called."""

        def user_line(self, frame):
            seen.append((frame.f_lineno - kernel_with_stop.py_func.__code__.co_firstlineno, frame.f_locals.get("t")))
            self.set_next(frame)

    seen: list = []
    debugger = Next()
    monkeypatch.setattr(sys, "breakpointhook", lambda: debugger.set_trace(sys._getframe(1)))
    before = sys.gettrace()
    try:
        EmulatedLauncher().numba(kernel_with_stop, (1,), (64,), (np.zeros(64, np.float32), X))
    finally:
        sys.settrace(before)
    assert [line for line, _ in seen][:2] == [5, 6] and {t for _, t in seen[:2]} == {3}


@cuda.jit
def kernel_with_stop(y, x):
    t = cuda.threadIdx.x
    if t == 3:
        breakpoint()
    cuda.syncthreads()
    y[t] = x[t]
