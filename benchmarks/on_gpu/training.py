"""A training step of S3 and of S4 on the GPU: ours eager and as a replayed CUDA graph, PyTorch's eager and as one.

All four begin with the same weights and see the same batch, which is on the GPU already; their first losses must
agree. Times are of whole steps in a row, the host's work included, until the GPU is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import tinygrad_zh as tz
from benchmarks import s4_step
from benchmarks.on_gpu.torch_ways import usable
from benchmarks.on_gpu.work import Work
from tinygrad_zh import functional as F
from tinygrad_zh.bench import Row
from tinygrad_zh.documents import s3
from tinygrad_zh.documents.s4 import reviews
from tinygrad_zh.program.cuda_graph import EAGER, cuda_graph
from tinygrad_zh_kernels import units
from tinygrad_zh_kernels.timing import interleaved

WARM = 3  # PyTorch's steps before its capture
CLOSE = 2e-3  # of the first losses

Step = Callable[[], Any]
Batch = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


class Task(NamedTuple):
    """A document's network and a batch for it; in PyTorch the network is a function of the engine's weights."""

    name: str
    network: Callable[[], tz.nn.Module]
    batch: Callable[[], Batch]
    loss: Callable[[Any, Any], Any]
    torch: Callable[[tz.nn.Module], tuple[Any, Callable[[Any], Any], Callable[[Any, Any], Any]]]


def run(work: Work) -> dict[str, Any]:
    found: dict[str, Any] = {"problems": {}, "losses": {}}
    for task in TASKS[: 1 if work.quick else None]:
        with _kernels(work):
            steps = _steps(task, work, found["problems"])
            losses = {way: _first(step, task, way, found["problems"]) for way, step in steps.items()}
            found["losses"][task.name] = losses
            _compare(task, found)
            working = {way: step for way, step in steps.items() if losses[way] is not None}
            took = interleaved(working, seconds=0.0 if work.quick else 0.6, clock=_until_done(work))
        for way, each in took.items():
            work.rows.append(Row({"task": task.name, "step": way}, each.seconds, {"low": each.low, "high": each.high}))
            print(f"{task.name} {way}: {units.duration(each.seconds)}", flush=True)
        work.note(found)
    return found


def _compare(task: Task, found: dict[str, Any]) -> None:
    """The first losses of ours and of PyTorch's eager step must agree."""
    ours, theirs = (found["losses"][task.name].get(way) for way in ("ours", "PyTorch"))
    if ours is not None and theirs is not None and abs(ours - theirs) > CLOSE * abs(theirs):
        found["problems"][f"{task.name} loss"] = f"ours begins with {ours}, PyTorch's with {theirs}"


def _until_done(work: Work) -> Callable[[Step, int], float]:
    def clock(step: Step, repeats: int) -> float:
        _wait(work)
        started = time.perf_counter()
        for _ in range(repeats):
            step()
        _wait(work)
        return time.perf_counter() - started

    return clock


def _wait(work: Work) -> None:
    """Until everything on the GPU is done, PyTorch's too."""
    if work.place.name == "cuda":
        work.place.xp.cuda.runtime.deviceSynchronize()


def _kernels(work: Work) -> Any:
    """The best bodies on CUDA; the formulas where there is no GPU."""
    return tz.use_kernels(*(("cuda-c", "numba-cuda") if work.place.name == "cuda" else ("formulas",)))


def _steps(task: Task, work: Work, problems: dict[str, str]) -> dict[str, Step]:
    """Every way that can be had here; why not, for the others."""
    tz.manual_seed(0)
    model = task.network()
    batch = task.batch()
    makers: dict[str, Callable[[], Step]] = {"ours": lambda: ours(task, model, batch, work)}
    if work.place.name == "cuda":
        makers["ours, graph"] = lambda: ours_replayed(task, model, batch, work)
    if usable(work.place):
        makers["PyTorch"] = lambda: torch_eager(task, model, batch, work)
        if work.place.name == "cuda":
            makers["PyTorch, graph"] = lambda: torch_graphed(task, model, batch, work)
    found = {}
    for way, make in makers.items():
        try:
            found[way] = make()
        except Exception as error:  # one way that cannot be had does not end the others
            problems[f"{task.name} {way}"] = f"{type(error).__name__}: {error}"
    return found


def _first(step: Step, task: Task, way: str, problems: dict[str, str]) -> float | None:
    """The loss of the next step, as a number."""
    try:
        return float(np.asarray(_host(step())))
    except Exception as error:
        problems[f"{task.name} {way}"] = f"{type(error).__name__}: {error}"
        return None


def _host(loss: Any) -> Any:
    return loss.item() if hasattr(loss, "item") else loss


# ---- ours


def ours(task: Task, start: tz.nn.Module, batch: Batch, work: Work) -> Step:
    step, (x, y) = _step_and_batch(task, start, batch, work)
    return lambda: step(x, y)


def ours_replayed(task: Task, start: tz.nn.Module, batch: Batch, work: Work) -> Step:
    """The step recorded once as a CUDA graph; every call replays it."""
    step, (x, y) = _step_and_batch(task, start, batch, work)
    replayed = cuda_graph(step)
    for _ in range(EAGER + 1):
        replayed(x, y)
    return lambda: replayed(x, y)


def _step_and_batch(task: Task, start: tz.nn.Module, batch: Batch, work: Work) -> tuple[Callable[..., Any], Any]:
    device = "cuda" if work.place.name == "cuda" else "cpu"
    model = task.network()
    model.load_state_dict(start.state_dict())
    model.to(device)
    optimizer = tz.optim.flattened(tz.optim.Adam(model.parameters(), lr=1e-3))

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = task.loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step, tuple(tz.tensor(part, device=device) for part in batch)


# ---- PyTorch's


def torch_eager(task: Task, start: tz.nn.Module, batch: Batch, work: Work) -> Step:
    step, _ = _torch_step(task, start, batch, work, capturable=False)
    return step


def torch_graphed(task: Task, start: tz.nn.Module, batch: Batch, work: Work) -> Step:
    """As PyTorch's documentation has it: warmed up on another stream, gradients made within the graph's memory."""
    import torch

    step, forget = _torch_step(task, start, batch, work, capturable=True)
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    forget()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()

    def replay() -> Any:
        graph.replay()
        return loss

    return replay


def _torch_step(task: Task, start: tz.nn.Module, batch: Batch, work: Work, capturable: bool) -> tuple[Step, Step]:
    import torch

    device = "cuda" if work.place.name == "cuda" else "cpu"
    network, forward, loss_of = task.torch(start)
    network.to(device)
    on_gpu = {"capturable": True} if capturable else {}
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True, **on_gpu)
    x, y = (torch.from_numpy(part).to(device) for part in batch)

    def step() -> Any:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(forward(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, lambda: optimizer.zero_grad(set_to_none=True)


# ---- the tasks


def s3_batch() -> Batch:
    rng = np.random.default_rng(0)
    return rng.random((32, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 32)


def s3_torch(start: tz.nn.Module) -> tuple[Any, Callable[[Any], Any], Callable[[Any, Any], Any]]:
    import torch

    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 128), torch.nn.ReLU(),
                                  torch.nn.Linear(128, 10))
    weights = [torch.from_numpy(array.T.copy()) for array in start.state_dict().values()]
    with torch.no_grad():
        for mine, theirs in zip(weights, network.parameters(), strict=True):
            theirs.copy_(mine)
    return network, network, torch.nn.functional.cross_entropy


def s4_torch(start: tz.nn.Module) -> tuple[Any, Callable[[Any], Any], Callable[[Any, Any], Any]]:
    import torch

    network, forward = s4_step.torch_network(start)
    return network, forward, torch.nn.functional.binary_cross_entropy_with_logits


TASKS = (
    Task("S3", s3.network, s3_batch, F.cross_entropy, s3_torch),
    Task("S4", reviews.network, lambda: s4_step.batches(1)[0], F.binary_cross_entropy_with_logits, s4_torch),
)
