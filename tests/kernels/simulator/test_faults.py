"""What no kernel may do is one sentence with the line and the thread, on every schedule."""

import numpy as np
import pytest
from numba import cuda, float32, int32

from tinygrad_zh_kernels import simulator
from tinygrad_zh_kernels.emulated import EmulatedLauncher
from tinygrad_zh_kernels.simulator import KernelError

FULL = 0xFFFFFFFF
X = np.arange(64, dtype=np.float32)
ORDERS = (0, 1, 2, 3, 4, 5)


@pytest.fixture(params=ORDERS)
def fault(request):
    """Run a kernel on (y, x), 64 threads, and return the sentence."""
    def of(kernel, *arguments, block=64, grid=1, shared=0):
        with pytest.raises(KernelError) as caught:
            simulator.launch(kernel, grid, block, arguments or (np.zeros(64, np.float32), X), order=request.param,
                             shared=shared)
        message = str(caught.value)
        assert "\n" not in message
        return message

    return of


def line(kernel, nth):
    """Where the nth line of a kernel stands, as a message says it."""
    return f"simulator/test_faults.py:{kernel.py_func.__code__.co_firstlineno + 1 + nth} "


def test_an_index_past_the_end(fault):
    @cuda.jit
    def kernel(y, x):
        i = cuda.threadIdx.x
        y[i] = x[i + 1]

    message = fault(kernel)
    assert "index 64 is out of range 0 … 63 in x, whose shape is (64,), at " + line(kernel, 2) in message
    assert message.endswith("in thread (63, 0, 0) of block (0, 0, 0)")


def test_a_negative_index(fault):
    @cuda.jit
    def kernel(y, x):
        i = cuda.threadIdx.x
        y[i] = x[i - 1]

    assert fault(kernel).startswith("index -1 is out of range")


def test_a_row_past_the_end_and_too_many_indices(fault):
    @cuda.jit
    def rows(y, x):
        y[cuda.threadIdx.x] = x[8][0]

    @cuda.jit
    def axes(y, x):
        y[cuda.threadIdx.x] = x[1, 1, 1]

    y, x = np.zeros(64, np.float32), X.reshape(8, 8)
    assert "index 8 is out of range 0 … 7" in fault(rows, y, x)
    assert "x has 2 axes, not 3" in fault(axes, y, x)


def test_shared_memory_that_nobody_wrote(fault):
    @cuda.jit
    def kernel(y, x):
        room = cuda.shared.array(64, float32)
        i = cuda.threadIdx.x
        if i < 63:
            room[i] = x[i]
        cuda.syncthreads()
        y[i] = room[i]

    message = fault(kernel)
    assert message.startswith("room[63] is read before anybody has written it, at " + line(kernel, 6))


def test_shared_memory_does_not_live_on_into_the_next_block(fault):
    @cuda.jit
    def kernel(y, x):
        room = cuda.shared.array(1, float32)
        if cuda.blockIdx.x == cuda.gridDim.x // 2:
            room[0] = x[0]
        y[cuda.blockIdx.x] = room[0]

    assert "room[0] is read before anybody has written it" in fault(kernel, np.zeros(3, np.float32), X, block=1, grid=3)


def test_local_and_global_memory_that_nobody_wrote(fault):
    @cuda.jit
    def local(y, x):
        mine = cuda.local.array(2, int32)
        y[cuda.threadIdx.x] = mine[1]

    @cuda.jit
    def adds(y, x):
        y[cuda.threadIdx.x] += x[cuda.threadIdx.x]

    assert "mine[1] is read before" in fault(local)
    for dtype in ("float16", "float32", "float64", "int32", "int64"):
        assert "y[" in fault(adds, EmulatedLauncher().empty(64, dtype), X.astype(dtype))
    not_a_number = np.full(64, np.nan, np.float32)
    simulator.launch(adds, 1, 64, (not_a_number, X))


def test_a_missing_barrier_is_a_race(fault):
    @cuda.jit
    def kernel(y, x):
        room = cuda.shared.array(64, float32)
        i = cuda.threadIdx.x
        room[i] = x[i]
        cuda.syncwarp()
        y[i] = room[63 - i]

    message = fault(kernel)
    assert "race: " in message or ("room[" in message and "before anybody" in message)


def test_a_barrier_too_few_before_the_memory_is_used_again(fault):
    @cuda.jit
    def kernel(y, x):
        room = cuda.shared.array(2, float32)
        t = cuda.threadIdx.x
        if t % 32 == 0:
            room[t // 32] = x[t]
        cuda.syncthreads()
        total = room[0] + room[1]
        if t % 32 == 0:
            room[t // 32] = total
        cuda.syncthreads()
        y[t] = room[0] + room[1]

    message = fault(kernel)
    assert message.startswith("race: this thread ")
    assert line(kernel, 6)[:-1] in message and line(kernel, 8)[:-1] in message and "nothing orders the two" in message


def test_two_blocks_at_one_element(fault):
    @cuda.jit
    def kernel(y, x):
        y[0] = x[cuda.blockIdx.x]

    assert "race: this thread writes y[0], which thread (0, 0, 0) of block (" in fault(
        kernel, np.zeros(1, np.float32), X, block=1, grid=2)


def test_a_block_reads_what_another_wrote(fault):
    @cuda.jit
    def kernel(y, x):
        b = cuda.blockIdx.x
        if b == 1:
            y[2] = x[0]
        y[b] = y[2]

    assert "race: this thread" in fault(kernel, np.zeros(3, np.float32), X, block=1, grid=2)


def test_an_atomic_and_a_plain_access(fault):
    @cuda.jit
    def kernel(y, x):
        cuda.atomic.add(y, 0, x[cuda.threadIdx.x])
        if cuda.threadIdx.x == 40:
            y[1] = y[0]

    assert "race: this thread" in fault(kernel)


def test_a_shuffle_orders_no_memory(fault):
    @cuda.jit
    def kernel(y, x):
        room = cuda.shared.array(64, float32)
        t = cuda.threadIdx.x
        room[t] = x[t]
        cuda.shfl_sync(FULL, x[t], 0)
        y[t] = room[t ^ 1]

    assert "race: " in fault(kernel)


def test_syncwarp_orders_its_lanes_and_no_others(fault):
    @cuda.jit
    def halves(y, x):
        room = cuda.shared.array(64, float32)
        t = cuda.threadIdx.x
        room[t] = x[t]
        cuda.syncwarp(0xFFFF if t % 32 < 16 else 0xFFFF0000)
        y[t] = room[t ^ 16]

    @cuda.jit
    def in_two_steps(y, x):
        room = cuda.shared.array(64, float32)
        t = cuda.threadIdx.x
        room[t] = x[t]
        cuda.syncwarp(0xFFFF if t % 32 < 16 else 0xFFFF0000)
        cuda.syncwarp(0x00FF00FF if t % 16 < 8 else 0xFF00FF00)
        y[t] = room[t ^ 31]

    message = fault(halves)
    assert "race: " in message or "before anybody" in message
    y = np.zeros(64, np.float32)
    for order in ORDERS:
        simulator.launch(in_two_steps, 1, 64, (y, X), order=order)
    assert (y == X[np.arange(64) ^ 31]).all()


def test_deadlock(fault):
    @cuda.jit
    def kernel(y, x):
        if cuda.threadIdx.x % 32 < 16:
            y[0] = cuda.shfl_sync(FULL, x[0], 0)
        else:
            cuda.syncthreads()

    message = fault(kernel)
    assert message.startswith("deadlock: thread (") and "waits in shfl_sync with mask 0xffffffff" in message
    assert "waits in syncthreads at " + line(kernel, 4)[:-1] in message


def test_barrier_divergence(fault):
    @cuda.jit
    def kernel(y, x):
        if cuda.threadIdx.x < 32:
            cuda.syncthreads()
        else:
            cuda.syncthreads()

    message = fault(kernel)
    assert message.startswith("barrier divergence: ")
    assert line(kernel, 2)[:-1] in message and line(kernel, 4)[:-1] in message


def test_a_lane_outside_its_mask_and_a_lane_that_takes_no_part(fault):
    @cuda.jit
    def outside(y, x):
        y[cuda.threadIdx.x] = cuda.shfl_sync(0xFFFF, x[cuda.threadIdx.x], 0)

    @cuda.jit
    def absent(y, x):
        if cuda.threadIdx.x < 48:
            y[cuda.threadIdx.x] = cuda.shfl_xor_sync(FULL, x[cuda.threadIdx.x], 16)

    assert "calls shfl_sync with the mask 0x0000ffff, in which it is not itself" in fault(outside)
    assert "which takes no part" in fault(absent)


def test_limits_of_a_block(fault):
    @cuda.jit
    def kernel(y, x):
        room = cuda.shared.array(12 * 1024, float32)
        more = cuda.shared.array(1, float32)
        room[0] = more[0]

    assert "a block of (1025, 1, 1) threads: it has 1 to 1024 of them" in fault(kernel, *2 * (X,), block=1025)
    assert "with more a block has 49156 bytes of shared memory; the limit is 49152" in fault(kernel)
    assert "with room a block has 49160 bytes" in fault(kernel, *2 * (X,), shared=8)


def test_float64_by_accident(fault):
    @cuda.jit
    def kernel(y, x):
        i = cuda.threadIdx.x
        y[i] = 0.5 * x[i]

    HALF = 0.5

    @cuda.jit
    def closed_over(y, x):
        y[cuda.threadIdx.x] = HALF * x[cuda.threadIdx.x]

    @cuda.jit
    def argument(y, x, half):
        y[cuda.threadIdx.x] = half * x[cuda.threadIdx.x]

    assert "a float64 value is stored in y[" in fault(kernel)
    assert "a float64 value" in fault(closed_over)
    assert "a float64 value" in fault(argument, X.copy(), X, 0.5)
    simulator.launch(argument, 1, 64, (X.copy(), X, np.float32(0.5)))


def test_an_integer_that_does_not_fit_and_constant_memory(fault):
    @cuda.jit
    def integer(y, x):
        y[0] = 2**31

    @cuda.jit
    def constant(y, x):
        weights = cuda.const.array_like(X)
        weights[0] = x[0]

    assert "2147483648 is stored in y[0], which is int32 and cannot hold it" in fault(integer, np.zeros(1, np.int32), X)
    assert "weights[0] is written, and it is constant" in fault(constant)


def test_what_a_kernel_raises_and_wrong_arguments(fault):
    @cuda.jit
    def kernel(y, x):
        y[0] = 1 // int(x[0])

    assert "ZeroDivisionError" in fault(kernel) and line(kernel, 1) in fault(kernel)
    assert "kernel takes 2 arguments (y, x), not 1" in fault(kernel, X)
    assert "argument x is a list" in fault(kernel, X, [1.0])
    assert "argument x is a view that steps backwards" in fault(kernel, X, X[::-1])


def test_what_the_simulator_does_not_have(fault):
    @cuda.jit
    def kernel(y, x):
        cuda.nanosleep(3)

    assert "the simulator has no cuda.nanosleep" in fault(kernel)


def test_a_truth_value_that_nobody_has_written_and_one_that_somebody_has():
    @cuda.jit
    def kernel(y, mask):
        i = cuda.threadIdx.x
        y[i] = float32(1) if mask[i] else float32(0)

    launcher = EmulatedLauncher()
    y = launcher.empty((64,), np.float32)
    launcher.numba(kernel, (1,), (64,), (y, X > 9))
    assert (y == (X > 9)).all()
    with pytest.raises(KernelError, match=r"mask\[0\] is read before anybody has written it"):
        launcher.numba(kernel, (1,), (64,), (y, launcher.empty((64,), np.bool_)))
