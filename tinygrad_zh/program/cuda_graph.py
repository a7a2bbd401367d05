"""cuda_graph: a training step becomes one launch. 整个训练步只需一次启动

A step of a small network is hundreds of launches of some microseconds each, and the GPU waits for Python between them.
A CUDA graph is the list of these launches, with all their arguments; replaying it costs about what one of them does.
But the arguments are addresses, so nothing may move, and Python does not run again:

    what changes                       how the replay sees it
    the batch                          copied into buffers before
    weights, state, statistics         the graph ends with a copy into the buffers that it starts from
    the learning rate, t, and          data too, in arrays on the GPU: what was assigned between two steps
      whatever else is assigned        is copied into its buffer before
    dropout's masks                    drawn as always, and copied before
    Python's `if` on a value           it does not: looking at a value raises while the step is captured
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor, tensor, using
from tinygrad_zh.core.mode import MODE
from tinygrad_zh.core.tape import recording
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.device import capturing, device_of, index_of, on_cuda, use
from tinygrad_zh.device import stream as stream_of
from tinygrad_zh.ops.regularization import Dropout
from tinygrad_zh.program.static import Buffer, Leaves, Stale

EAGER = 3
"""Steps before the capture: kernels are compiled, libraries warm, and the leaves known."""


def cuda_graph(step: Callable[..., Any], device: str = "cuda") -> CudaGraph:
    """step, as one launch: the fourth call captures what the first three did, from then on it is replayed.
    中文：CUDA 图（录制一步训练，反复重放）。

    step(*inputs): a whole training step, from batch to update, whose model and optimizer are on the device; it returns
    tensors or nothing. Call the result with arrays or tensors of the same shapes and dtypes each time; what it returns
    stays on the GPU until `.item()` asks for it. The numbers are the plain step's, to the bit. A schedule steps between
    the calls, not inside.

        train_step = tz.program.cuda_graph(step)
        for x, y in batches:
            loss = train_step(x, y)
            schedule.step()

    From the capture on, the step's leaves (weights, running statistics, the optimizer's state) keep one buffer each,
    and a replay writes into it: what was taken from them after the fourth call, t.data and t.detach(), changes with
    them; state_dict() and what was taken before do not. Their `.grad` is the last step's. The mode of layers (train,
    eval) and the kernels in use are those of the capture. An optimizer in flat buffers updates its parameters one by
    one there, since launches inside a graph cost next to nothing.

    Raises RuntimeError in one sentence without CUDA, and where the step looks at a value, takes data from the CPU, or
    adds to old gradients while it is captured; ValueError for inputs of another shape or dtype; IndexError for labels
    or tokens that the step would refuse.
    """
    if not callable(step):
        raise TypeError(f"cuda_graph takes a function, the training step, not {type(step).__name__}")
    number = index_of(device)
    if number is None:
        raise ValueError('cuda_graph replays steps on a GPU; its device is "cuda" or "cuda:1", not "cpu"')
    return CudaGraph(step, number)


class CudaGraph:
    """A step that `cuda_graph` made; `replays` counts the launches of the graph. 中文：可重放的训练步。"""

    def __init__(self, step: Callable[..., Any], number: int) -> None:
        self.step = step
        self.device = f"cuda:{number}"
        self.calls = 0
        self.replays = 0
        self._number = number
        self._cupy = use(number)
        self._stream = stream_of(number)
        self._inputs: list[tuple[Buffer, Tensor]] = []
        self._leaves: list[Tensor] = []
        self._homes: list[Any] = []  # the leaves' buffers
        self._draws: list[tuple[Buffer, Callable[[], Any]]] = []
        self._pool: Any = None
        self._graph: Any = None
        self._outputs: Any = None

    def __call__(self, *inputs: Any) -> Any:
        use(self._number)  # this thread's GPU and stream, whatever they were
        self._feed(inputs)
        self.calls += 1
        if self.calls <= EAGER:
            return self._eager()
        if self._graph is None:
            self._capture()
        return self._replay()

    # ---- the batch

    def _feed(self, inputs: tuple[Any, ...]) -> None:
        arrays = [x.array if isinstance(x, Tensor) else x if hasattr(x, "dtype") else tensor(x).array for x in inputs]
        if not self.calls:
            buffers = [Buffer(self._cupy, self._stream, array.shape, array.dtype) for array in arrays]
            self._inputs = [(buffer, leaf(buffer.array)) for buffer in buffers]
        if len(arrays) != len(self._inputs):
            raise ValueError(f"this step was called with {len(self._inputs)} inputs before, not {len(arrays)}")
        for i, (array, (buffer, _)) in enumerate(zip(arrays, self._inputs, strict=True)):
            if (array.shape, array.dtype) != (buffer.array.shape, buffer.array.dtype):
                raise ValueError(f"input {i} is {array.dtype} {array.shape}, but this step began with "
                                 f"{buffer.array.dtype} {buffer.array.shape}; a CUDA graph is for one shape and dtype: "
                                 "leave out the last, smaller batch, or make another cuda_graph for it")
            if on_cuda(array) and device_of(array) != self.device:
                raise ValueError(f"input {i} is on {device_of(array)}, the step on {self.device}; move it with t.to(…)")
            buffer.check(f"input {i}", array)
        for array, (buffer, _) in zip(arrays, self._inputs, strict=True):
            buffer.fill(array)

    # ---- as it is

    def _run(self) -> Any:
        return detached(self.step(*[t for _, t in self._inputs]))

    def _eager(self) -> Any:
        if self.calls < EAGER:
            return self._run()
        with recording(Leaves()) as leaves:
            outputs = self._run()
        self._leaves = leaves.lasting(t for _, t in self._inputs)
        return outputs

    # ---- noted down

    def _capture(self) -> None:
        self._check_place()
        before = [(t, t.array, t.grad) for t in self._leaves]
        self._homes = [t.array.copy() for t in self._leaves]  # nobody else holds these
        self._draws.clear()
        for t, home in zip(self._leaves, self._homes, strict=True):
            t.array = home
            if t.grad is not None:
                t.source.grad = Stale()  # type: ignore[union-attr]
        self._pool = self._cupy.cuda.MemoryPool()  # what the graph uses is never handed out again
        try:
            with self._cupy.cuda.using_allocator(self._pool.malloc):
                self._graph, self._outputs = self._captured()
        except BaseException:
            for t, array, gradient in before:
                t.array = array
                if t.source is not None:
                    t.source.grad = gradient  # type: ignore[union-attr]
            raise
        for t, _, gradient in before:
            if isinstance(t.grad, Stale):
                t.source.grad = gradient  # type: ignore[union-attr]

    def _captured(self) -> tuple[Any, Any]:
        kernels = {**(MODE.get().kernels or {}), Dropout.forward: self._dropout}
        leaves = Leaves()
        self._stream.begin_capture()
        try:
            with capturing("the step"), using(kernels=kernels), recording(leaves):
                outputs = self._run()
                self._check_same(leaves)
                self._bring_home()
        except BaseException:
            for t, array in leaves.assigned.values():
                t.array = array
            with suppress(Exception):  # CUDA has given the capture up already, or does so now
                self._stream.end_capture()
            raise
        return self._stream.end_capture(), outputs

    def _dropout(self, x: Any, *, p: float, scale: float, rng: np.random.Generator) -> Any:
        """Dropout.forward with a mask that is drawn before each replay, as the formula draws it."""
        mask = Buffer(self._cupy, self._stream, x.shape, np.bool_)
        self._draws.append((mask, lambda: rng.random(x.shape, np.float32) >= p))
        return x * mask.array * scale, mask.array

    def _check_same(self, leaves: Leaves) -> None:
        ours = {id(t) for t in self._leaves}
        for key, (t, _) in leaves.assigned.items():
            if key not in ours:
                raise RuntimeError(f"this step assigns to a tensor of shape {t.shape} that the step before did not "
                                   "touch; a CUDA graph repeats one and the same step")

    def _bring_home(self) -> None:
        """The last launches of the graph: what the leaves have become, into the buffers that it starts from."""
        homes = {id(home) for home in self._homes}
        moved = [(t, home) for t, home in zip(self._leaves, self._homes, strict=True) if t.array is not home]
        values = [t.array.copy() if id(t.array) in homes or id(t.array.base) in homes else t.array for t, _ in moved]
        for (t, home), array in zip(moved, values, strict=True):  # two that changed places are both read before
            home[...] = array
            t.array = home

    # ---- and again

    def _replay(self) -> Any:
        self._check_place()
        for t, home in zip(self._leaves, self._homes, strict=True):
            if t.array is not home:
                home[...] = t.array
                t.array = home
        for mask, draw in self._draws:
            mask.fill(draw())
        self._graph.launch(self._stream)
        self.replays += 1
        return mapped(lambda t: Tensor(t.array.copy()), self._outputs)

    def _check_place(self) -> None:
        for t in self._leaves:
            if t.device != self.device:
                raise RuntimeError(f"the step has a tensor of shape {t.shape} on {t.device}; a step that is replayed "
                                   f"on {self.device} has all of them there: model.to, optimizer.to")


def mapped(function: Callable[[Tensor], Tensor], outputs: Any) -> Any:
    """What a step returns, with each tensor replaced. TypeError for what is no tensor."""
    if outputs is None:
        return None
    if isinstance(outputs, (tuple, list)):
        return tuple(map(partial(mapped, function), outputs))
    if not isinstance(outputs, Tensor):
        raise TypeError(f"a step for cuda_graph returns tensors, not {type(outputs).__name__}; leave .item() to "
                        "whoever wants the number")
    return function(outputs)


def detached(outputs: Any) -> Any:
    return mapped(Tensor.detach, outputs)
