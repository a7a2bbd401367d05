"""Optimizers, the training loop, checkpoints, metrics and derivatives on the GPU: as on the CPU, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import nn, optim
from tinygrad_zh.train import Checkpoint, ClippedNorm, EarlyStopping, ScheduledSteps, evaluate, fit, metrics, predict
from tinygrad_zh.train.callbacks import DeadUnits, GradientNorms

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1), "SGD, penalised": lambda p: optim.SGD(p, lr=0.1, weight_decay=0.1, l1=0.01),
    "Momentum": lambda p: optim.Momentum(p, lr=0.1), "Nesterov": lambda p: optim.Nesterov(p, lr=0.1),
    "Adam": lambda p: optim.Adam(p, lr=0.1), "AdamW": lambda p: optim.AdamW(p, lr=0.1),
}  # fmt: skip
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(20, 4)).astype(np.float32), rng.integers(0, 3, 20)


def network() -> nn.Sequential:
    tz.manual_seed(0)
    return nn.Sequential(nn.Dense(4, 6), nn.BatchNorm(6), nn.ReLU(), nn.Dropout(0.2), nn.Dense(6, 3))


def take(model: nn.Module, optimizer: optim.Optimizer, steps: int = 4) -> None:
    place = model.parameters()[0].device
    for _ in range(steps):
        loss = F.cross_entropy(model(tz.tensor(X, device=place)), tz.tensor(Y, device=place))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def state(*owners: Any) -> list[tuple[str, bytes]]:
    return [(name, array.tobytes()) for owner in owners for name, array in owner.state_dict().items()]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_gives_the_same_on_both(name: str, cupy: Any) -> None:
    found = []
    for device in ("cpu", "cuda"):
        model = network().to(device)
        optimizer = OPTIMIZERS[name](model.parameters())
        schedule = optim.ExponentialLR(optimizer, 0.5)
        for _ in range(2):
            take(model, optimizer)
            schedule.step()
        assert {t.device for part in optimizer.state for t in part.values()} <= {model.parameters()[0].device}
        found.append(state(model, optimizer))
    assert found[1] == found[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_run_moves_to_the_gpu_and_back_between_two_steps(name: str, cupy: Any) -> None:
    stays, moves = network(), network()
    first, second = (OPTIMIZERS[name](model.parameters()) for model in (stays, moves))
    take(stays, first, 6)
    tz.manual_seed(0)
    network()
    for device in ("cuda", "cpu", "cuda:0"):
        parameters = moves.parameters()
        moves.to(device)
        second.to(device)
        assert all(a is b for a, b in zip(moves.parameters(), parameters, strict=True))
        assert {p.grad.device for p in parameters if p.grad is not None} <= {parameters[0].device}
        take(moves, second, 2)
    assert state(moves, second) == state(stays, first)


def test_weights_saved_on_either_device_load_on_the_other(cupy: Any, tmp_path: Path) -> None:
    here, there = network(), network().to("cuda")
    optimizers = [optim.Adam(model.parameters()) for model in (here, there)]
    take(here, optimizers[0])
    tz.save(here.state_dict(), tmp_path / "weights")
    there.load_state_dict(tz.load(tmp_path / "weights"))
    optimizers[1].load_state_dict(optimizers[0].state_dict())
    assert {t.device for _, t in there.named_tensors()} == {"cuda:0"}
    assert state(there, optimizers[1]) == state(here, optimizers[0])
    take(there, optimizers[1])
    here.load_state_dict(there.state_dict())
    assert {t.device for _, t in here.named_tensors()} == {"cpu"}
    assert state(here) == state(there)


def fitted(device: str, **more: Any) -> tuple[nn.Module, optim.Optimizer, dict[str, list[float]]]:
    model = network().to(device)
    optimizer = optim.AdamW(model.parameters(), lr=0.05)
    history = fit(model, (X, Y), validation=(X[:7], Y[:7]), loss=F.cross_entropy, optimizer=optimizer, batch_size=8,
                  metrics=[metrics.accuracy], progress="none", **{"epochs": 3, **more})
    return model, optimizer, dict(history)


def test_fit_gives_the_same_on_both_with_everything_that_it_has(cupy: Any) -> None:
    found = []
    for device in ("cpu", "cuda"):
        class Late(ScheduledSteps):
            """A schedule of an optimizer that fit is given."""

            def __init__(self) -> None:
                pass

            def on_begin(self, run: Any) -> None:
                self.schedule = optim.CosineAnnealingLR(run.optimizer, 9)

        model, optimizer, history = fitted(
            device, callbacks=[Late(), EarlyStopping(patience=1), GradientNorms(), DeadUnits(X[:5])],
            augment=lambda x, generator: x + generator.normal(size=x.shape).astype(np.float32) * 0.1)
        found.append((state(model, optimizer), history))
    assert found[1] == found[0]
    assert any(name.startswith("gradient_norm/") for name in found[1][1])


def test_clipping_in_fit_is_the_same_on_both(cupy: Any) -> None:
    (a, _, first), (b, _, second) = (fitted(device, callbacks=[ClippedNorm(0.1)]) for device in ("cpu", "cuda"))
    assert (state(a), first) == (state(b), second)


def test_a_checkpoint_goes_on_on_the_other_device(cupy: Any, tmp_path: Path) -> None:
    whole, _, history = fitted("cpu", epochs=4)
    path = tmp_path / "run"
    fitted("cuda", epochs=2, callbacks=[Checkpoint(path)])
    resumed, _, after = fitted("cpu", epochs=4, callbacks=[Checkpoint(path)], resume=path)
    assert (state(resumed), after) == (state(whole), history)
    fitted("cpu", epochs=2, callbacks=[Checkpoint(path)])
    resumed, _, after = fitted("cuda", epochs=4, callbacks=[Checkpoint(path)], resume=path)
    assert (state(resumed), after) == (state(whole), history)


def test_a_step_that_is_not_finite_is_not_taken(cupy: Any) -> None:
    model = network().to("cuda")
    before = state(model)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def loss(p: Any, t: Any) -> tz.Tensor:
        return F.cross_entropy(p, t) + F.sqrt(F.sum(p * 0.0)) * 0.0  # finite; its slope at 0 is ∞ · 0

    with pytest.raises(FloatingPointError, match=r"of the optimizer's parameter 0, \(4, 6\), is not finite"):
        fit(model, (X, Y), loss=loss, optimizer=optimizer, progress="none")
    assert state(model) == before
    assert {p.device for p in model.parameters()} == {"cuda:0"}


def test_predictions_and_evaluation(cupy: Any) -> None:
    here, there = network(), network().to("cuda")
    assert predict(there, X, batch_size=6).tobytes() == predict(here, X, batch_size=6).tobytes()
    scores = [evaluate(model, (X, Y), F.cross_entropy, [metrics.accuracy]) for model in (here, there)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("name", ["accuracy", "exact_match", "confusion", "precision", "recall", "f1", "roc", "auc",
                                  "precision_recall", "average_precision", "mse", "r2"])
def test_a_metric_takes_tensors_of_the_gpu(name: str, cupy: Any) -> None:
    metric = getattr(metrics, name)
    p, t = np.array([0.1, 0.2, 0.6, 0.9]), np.array([0, 1, 0, 1])
    if name == "auc":
        t = np.array([0.0, 0.5, 0.5, 1.0])
    on_gpu = metric(tz.tensor(p, device="cuda"), tz.tensor(t, device="cuda"))
    for found, expected in zip(np.atleast_1d(on_gpu), np.atleast_1d(metric(p, t)), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_clipping(cupy: Any) -> None:
    found = []
    for device in ("cpu", "cuda"):
        w = tz.tensor([3.0, 4.0], requires_grad=True, device=device)
        (w * w).sum().backward()
        cupy.gpu.counts.clear()
        norm = optim.clip_grad_norm([w], 1.0)
        assert not cupy.gpu.counts["sync"]
        clipped = w.grad.tolist()
        optim.clip_grad_value([w], 0.5)
        found.append((float(norm), clipped, w.grad.tolist()))
    assert found[0] == found[1]


@pytest.mark.parametrize("ask", [
    lambda f, x: tz.jacobian(f, x), lambda f, x: tz.hessian(lambda x: f(x).sum(), x),
    lambda f, x: tz.jvp(f, x, [1.0, 2.0])[1], lambda f, x: tz.vjp(f, x, [1.0, 2.0])[1],
    lambda f, x: tz.hvp(lambda x: f(x).sum(), x, [1.0, 2.0])[1],
], ids=["jacobian", "hessian", "jvp", "vjp", "hvp"])
def test_derivatives_of_functions(ask: Any, cupy: Any) -> None:
    def f(x: Any) -> Any:
        return F.tanh(x) * x + F.prod(x)

    here, there = (ask(f, tz.tensor([0.5, -0.25], device=device)) for device in ("cpu", "cuda"))
    assert there.device == "cuda:0"
    assert there.tolist() == here.tolist()


def test_a_seed_of_numbers_goes_where_the_tensor_is(cupy: Any) -> None:
    x = tz.tensor([1.0, 2.0], requires_grad=True, device="cuda")
    (x * x).backward([1.0, 10.0])
    assert x.grad.tolist() == [2.0, 40.0]
    (g,) = tz.grad(x * x, x, [[1.0, 1.0]])
    assert g.device == "cuda:0"
