"""A replayed step is the step: its numbers to the bit, whatever changes between two of them, or one clear error."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.devices import launches
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim
from tinygrad_zh.documents.training import step as training_step
from tinygrad_zh.program import cuda_graph
from tinygrad_zh.program.cuda_graph import EAGER

rng = np.random.default_rng(0)
BATCHES = [(rng.normal(size=(5, 4)).astype(np.float32), rng.integers(0, 3, 5)) for _ in range(9)]


def network() -> nn.Sequential:
    tz.manual_seed(0)
    return nn.Sequential(nn.Dense(4, 6), nn.BatchNorm(6), nn.ReLU(), nn.Dropout(0.3), nn.Dense(6, 3))


class Training:
    """A model, its optimizer, and a step of them."""

    def __init__(self, make: Callable[..., Any] = optim.Adam, device: str = "cuda", **settings: Any) -> None:
        self.model = network().to(device)
        self.optimizer = make(self.model.parameters(), lr=0.1, **settings)

    def step(self, x: Any, y: Any) -> tz.Tensor:
        loss = F.cross_entropy(self.model(x), y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self) -> list[tuple[str, bytes]]:
        kept = self.model.state_dict() | self.optimizer.state_dict()
        return [(name, array.tobytes()) for name, array in kept.items()]


def eagerly(training: Training, batches: Any = BATCHES, between: Callable[[], None] = lambda: None) -> list[float]:
    losses = []
    for x, y in batches:
        place = training.model.parameters()[0].device
        losses.append(training.step(tz.tensor(x, device=place), tz.tensor(y, device=place)).item())
        between()
    return losses


def replayed(training: Training, batches: Any = BATCHES, between: Callable[[], None] = lambda: None) -> list[float]:
    graph = cuda_graph(training.step)
    losses = []
    for x, y in batches:
        losses.append(graph(x, y))
        between()
    assert graph.replays == len(batches) - EAGER
    return [loss.item() for loss in losses]


OPTIMIZERS = {
    "SGD": (optim.SGD, {}), "SGD, penalised": (optim.SGD, {"weight_decay": 0.1, "l1": 0.01}),
    "Momentum": (optim.Momentum, {}), "Nesterov": (optim.Nesterov, {}), "Adam": (optim.Adam, {}),
    "AdamW": (optim.AdamW, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_replays_equal_steps_with_dropout_batch_norm_and_a_schedule(name: str, cupy: Any) -> None:
    make, settings = OPTIMIZERS[name]
    found = []
    for device, run in (("cpu", eagerly), ("cuda", replayed)):
        training = Training(make, device, **settings)
        schedule = optim.CosineAnnealingLR(training.optimizer, 9)
        found.append((run(training, between=schedule.step), training.state()))
    assert found[1] == found[0]
    assert cupy.gpu.counts["graph launch"] == len(BATCHES) - EAGER
    assert not cupy.gpu.counts["launch on the null stream"]


def test_an_optimizer_in_flat_buffers(cupy: Any) -> None:
    found = []
    for device, run in (("cpu", eagerly), ("cuda", eagerly), ("cuda", replayed)):
        training = Training(device=device)
        optim.flattened(training.optimizer)
        schedule = optim.CosineAnnealingLR(training.optimizer, 9)
        found.append((run(training, between=schedule.step), training.state()))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("name", launches.STEPS)
def test_the_documents_networks_replayed(name: str, cupy: Any) -> None:
    make, loss, batch, clip = launches.STEPS[name]
    found = []
    for replay in (False, True):
        tz.manual_seed(0)
        model = make().to("cuda")
        optimizer = optim.Adam(model.parameters())

        def step(x: Any, y: Any) -> None:
            training_step(model, x, y, loss, optimizer, clip)  # noqa: B023

        run = cuda_graph(step) if replay else step
        draws = np.random.default_rng(1)
        for _ in range(6):
            run(*(tz.tensor(array, device="cuda") for array in batch(draws)))
        found.append({key: array.tobytes() for key, array in model.state_dict().items()})
    assert found[1] == found[0]


def test_a_replay_launches_nothing_else_and_waits_for_no_result(cupy: Any) -> None:
    training = Training()
    graph = cuda_graph(training.step)
    for x, y in BATCHES[:6]:
        graph(x, y)
    cupy.gpu.counts.clear()
    graph(*BATCHES[6])
    counts = cupy.gpu.counts
    assert counts["graph launch"] == 1
    assert counts["sync"] == counts["to host"] == 0
    assert counts["launch"] == counts["launch copy"] == 1  # of the loss, so that the next replay leaves it alone
    assert counts["to device"] == 3  # x, y and dropout's mask
    assert counts["wait for an event"] == 3  # until the last ones were copied, not until they were used


def test_the_losses_of_several_replays_can_be_read_afterwards(cupy: Any) -> None:
    graph = cuda_graph(Training().step)
    losses = [graph(x, y) for x, y in BATCHES]
    assert [loss.item() for loss in losses] == eagerly(Training())


def test_what_is_assigned_between_two_replays_is_seen(cupy: Any) -> None:
    found = []
    for run in (eagerly, replayed):
        training = Training()
        weights = {name: array * 0.5 for name, array in network().state_dict().items()}
        steps = 0

        def between() -> None:
            nonlocal steps
            steps += 1
            if steps == 6:
                training.model.load_state_dict(weights)  # noqa: B023
                training.optimizer.lr = 0.01  # noqa: B023

        found.append((run(training, between=between), training.state()))
    assert found[1] == found[0]


def test_a_leaf_may_leave_and_come_back(cupy: Any) -> None:
    training, steps = Training(), 0

    def between() -> None:
        nonlocal steps
        steps += 1
        if steps == 5:
            training.model.to("cpu").to("cuda")
            training.optimizer.to("cpu").to("cuda")

    assert replayed(training, between=between) == eagerly(Training())


def test_leaves_that_change_places(cupy: Any) -> None:
    a, b = tz.tensor([1.0], device="cuda"), tz.tensor([2.0], device="cuda")

    def swap() -> None:
        first = a.detach()
        a.assign(b)
        b.assign(first)

    graph, expected = cuda_graph(swap), [1.0, 2.0]
    for _ in range(7):
        graph()
        expected = expected[::-1]
        assert [a.item(), b.item()] == expected


def test_two_leaves_of_one_array_get_a_buffer_each(cupy: Any) -> None:
    w = tz.tensor([1.0], device="cuda")
    average = w.detach()

    def step() -> None:
        w.assign(w + 1.0)
        average.assign(average * 0.5 + w * 0.5)

    graph, expected = cuda_graph(step), [1.0, 1.0]
    for _ in range(8):
        graph()
        expected = [expected[0] + 1, expected[1] * 0.5 + (expected[0] + 1) * 0.5]
        assert [w.item(), average.item()] == expected


def test_what_was_taken_before_the_capture_stays_and_a_state_dict_always_does(cupy: Any) -> None:
    training = Training()
    graph = cuda_graph(training.step)
    for x, y in BATCHES[:3]:
        graph(x, y)
    earlier = copy.deepcopy(training.model)
    before = [array.tobytes() for array in earlier.state_dict().values()]
    for x, y in BATCHES[3:6]:
        graph(x, y)
    saved = training.model.state_dict()
    kept = {name: array.copy() for name, array in saved.items()}
    graph(*BATCHES[6])
    assert [array.tobytes() for array in earlier.state_dict().values()] == before
    assert all((saved[name] == kept[name]).all() for name in saved)


def test_only_what_lasts_has_a_buffer(cupy: Any) -> None:
    """Weights, statistics, state and η; not the gradients of the steps before."""
    training = Training()
    graph = cuda_graph(training.step)
    for x, y in BATCHES[:4]:
        graph(x, y)
    kept = [t for state in training.optimizer.state for t in state.values()]
    assert len(graph._homes) == len(list(training.model.named_tensors())) + len(kept) + 1


def test_a_gradient_that_a_step_leaves_alone_stays(cupy: Any) -> None:
    w = tz.tensor([1.0], requires_grad=True, device="cuda")
    (w * 3.0).sum().backward()
    graph = cuda_graph(lambda x: w.detach() * x + w * 0.0)
    for _ in range(5):
        graph(np.ones(1, np.float32))
    assert w.grad.tolist() == [3.0]


def test_the_gradients_are_those_of_the_last_step(cupy: Any) -> None:
    found = []
    for device, run in (("cpu", eagerly), ("cuda", replayed)):
        training = Training(device=device)
        run(training)
        found.append([p.grad.tolist() for p in training.model.parameters()])
    assert found[1] == found[0]


# ---- what cannot be replayed


def test_without_cuda_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(RuntimeError, match=r'^device "cuda" needs CuPy: pip install "tinygrad-zh\[gpu\]"$'):
        cuda_graph(lambda x: x)
    with pytest.raises(ValueError, match=r'^cuda_graph replays steps on a GPU; its device is .*, not "cpu"$'):
        cuda_graph(lambda x: x, device="cpu")


@pytest.mark.parametrize("device", ["gpu", 0])
def test_bad_arguments(device: Any, cupy: Any) -> None:
    with pytest.raises(ValueError, match="there is no device"):
        cuda_graph(lambda x: x, device=device)
    with pytest.raises(TypeError, match=r"^cuda_graph takes a function, the training step, not list$"):
        cuda_graph([], device="cuda")


def refused(step: Callable[..., Any], *inputs: Any) -> pytest.ExceptionInfo[BaseException]:
    """Three steps run; the fourth, which is to be captured, raises."""
    graph = cuda_graph(step)
    for _ in range(EAGER):
        graph(*inputs)
    with pytest.raises((RuntimeError, TypeError)) as caught:
        graph(*inputs)
    assert graph.replays == 0
    return caught


def test_a_step_that_looks_at_a_value(cupy: Any) -> None:
    w = tz.tensor([1.0], device="cuda")

    def step(x: Any) -> None:
        if (x * w).sum().item() > 0:
            w.assign(w * 2.0)

    caught = refused(step, np.ones(1, np.float32))
    assert str(caught.value).startswith("the step looks at a value while it is captured")
    assert w.item() == 8.0
    w.assign([3.0])
    assert (w * 2.0).tolist() == [6.0]  # nothing is being captured any more


def test_a_schedule_inside_the_step(cupy: Any) -> None:
    training = Training()
    schedule = optim.ExponentialLR(training.optimizer, 0.5)

    def step(x: Any, y: Any) -> None:
        training.step(x, y)
        schedule.step()

    caught = refused(step, *BATCHES[0])
    assert "set learning rates between the steps" in str(caught.value)


def test_a_step_that_adds_to_old_gradients(cupy: Any) -> None:
    w = tz.tensor([1.0], requires_grad=True, device="cuda")

    def step(x: Any) -> None:
        (w * x).sum().backward()

    caught = refused(step, np.ones(1, np.float32))
    assert "adds to the gradients of the step before" in str(caught.value)
    assert w.grad.tolist() == [3.0]


def test_a_step_that_changes_another_leaf_now_and_then(cupy: Any) -> None:
    a, b, calls = tz.tensor([1.0], device="cuda"), tz.tensor([1.0], device="cuda"), 0

    def step() -> None:
        nonlocal calls
        calls += 1
        (b if calls == EAGER + 1 else a).assign(a * 2.0)

    caught = refused(step)
    assert "a CUDA graph repeats one and the same step" in str(caught.value)
    assert (a.item(), b.item()) == (8.0, 1.0)


def test_a_step_that_returns_a_number(cupy: Any) -> None:
    with pytest.raises(TypeError, match=r"^a step for cuda_graph returns tensors, not float; leave \.item\(\)"):
        cuda_graph(lambda x: x.sum().item())(np.ones(3, np.float32))


@pytest.mark.parametrize(("inputs", "says"), [
    ((BATCHES[0][0][:3], BATCHES[0][1][:3]), r"^input 0 is float32 \(3, 4\), but this step began with float32 \(5"),
    ((BATCHES[0][0].astype(np.float64), BATCHES[0][1]), r"^input 0 is float64 \(5, 4\), but this step began with"),
    ((BATCHES[0][0],), r"^this step was called with 2 inputs before, not 1$"),
])
@pytest.mark.parametrize("calls", [1, 5])
def test_inputs_that_differ(inputs: Any, says: str, calls: int, cupy: Any) -> None:
    training = Training()
    graph = cuda_graph(training.step)
    for x, y in BATCHES[:calls]:
        graph(x, y)
    before = training.state()
    with pytest.raises(ValueError, match=says):
        graph(*inputs)
    assert training.state() == before
    graph(*BATCHES[calls])
    assert training.state() != before


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("bad", [-1, 3])
def test_a_label_out_of_range_is_found_in_a_replay_too(bad: int, device: str, cupy: Any) -> None:
    training = Training()
    graph = cuda_graph(training.step)
    for x, y in BATCHES[:5]:
        graph(x, y)
    before = training.state()
    labels = BATCHES[5][1].copy()
    labels[2] = bad
    with pytest.raises(IndexError, match=rf"^input 1 holds {bad}, but the step takes values from 0 to 2$"):
        graph(BATCHES[5][0], tz.tensor(labels, device=device))
    assert training.state() == before


def test_a_model_that_was_moved_away(cupy: Any) -> None:
    training = Training()
    graph = cuda_graph(training.step)
    for x, y in BATCHES[:5]:
        graph(x, y)
    training.model.to("cpu")
    with pytest.raises(RuntimeError, match=r"^the step has a tensor of shape .* on cpu; .*: model\.to, optimizer\.to$"):
        graph(*BATCHES[5])


def test_a_compiled_step_on_cuda_is_a_graph(cupy: Any) -> None:
    plain, training = Training(), Training()
    tz.manual_seed(1)
    expected = eagerly(plain)
    tz.manual_seed(1)
    step = tz.compile(training.step)
    assert [step(x, y).item() for x, y in BATCHES] == expected
    assert training.state() == plain.state()
    assert step.calls == len(BATCHES) and step.replays == len(BATCHES) - EAGER
    assert "CUDA" in step.explain() and "cuda:0" in step.explain()
    with pytest.raises(TypeError, match="on CUDA the arguments of a compiled step have no names: give y by position"):
        step(BATCHES[0][0], y=BATCHES[0][1])
