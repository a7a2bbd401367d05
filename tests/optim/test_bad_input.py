"""Bad input to optimizers, schedules and clipping: one sentence, and afterwards nothing has changed."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import nn, optim


@pytest.fixture
def model():
    tz.manual_seed(0)
    return nn.Dense(3, 2)


@pytest.fixture
def optimizer(model):
    """Adam after one step, so that all its state is in use."""
    made = optim.Adam(model.parameters(), lr=0.1)
    model(np.ones((1, 3), np.float32)).sum().backward()
    made.step()
    return made


def snapshot(model, optimizer=None):
    arrays = {**model.state_dict(), **(optimizer.state_dict() if optimizer else {})}
    gradients = {f"∂{name}": p.grad.numpy() for name, p in model.named_parameters() if p.grad is not None}
    return {name: array.tobytes() for name, array in (arrays | gradients).items()}


def still_learns(model, optimizer):
    before = model.W.numpy()
    optimizer.zero_grad()
    model(np.ones((1, 3), np.float32)).sum().backward()
    optimizer.step()
    return not np.array_equal(model.W.numpy(), before)


PARAMETERS = [  # what is given for model.parameters(), error, what the sentence says
    (lambda m: [], ValueError, "an optimizer needs at least one parameter; does the model have any?"),
    (lambda m: m, TypeError, "a list of tensors such as model.parameters(), not a Dense"),
    (lambda m: m.W, TypeError, "a list of tensors such as model.parameters(), not a Tensor"),
    (lambda m: None, TypeError, "a list of tensors such as model.parameters(), not a NoneType"),
    (lambda m: m.state_dict(), TypeError, "such as model.parameters(); number 0 is a str"),
    (lambda m: m.named_parameters(), TypeError, "such as model.parameters(); number 0 is a tuple"),
    (lambda m: [m.W, m.b.numpy()], TypeError, "such as model.parameters(); number 1 is a ndarray"),
    (lambda m: [m.W, m.b.detach()], TypeError, "parameter 1, of shape (2,), is no leaf that requires a gradient"),
    (lambda m: [m.W * 2], TypeError, "parameter 0, of shape (3, 2), is no leaf that requires a gradient"),
    (lambda m: [m.W, m.b, m.W], ValueError, "a parameter was given twice; it would be updated twice"),
]


@pytest.mark.parametrize(("given", "error", "sentence"), PARAMETERS)
def test_parameters_that_are_none(model, given, error, sentence):
    before = snapshot(model)
    with pytest.raises(error, match=re.escape(sentence)) as caught:
        optim.SGD(given(model), lr=0.1)
    assert "\n" not in str(caught.value)
    assert snapshot(model) == before
    assert still_learns(model, optim.SGD(model.parameters(), lr=0.1))


SETTINGS = [  # how it is made, error, what the sentence says
    (lambda p: optim.SGD(p, lr=-0.1), ValueError, "lr is a finite number ≥ 0, not -0.1"),
    (lambda p: optim.SGD(p, lr=float("inf")), ValueError, "lr is a finite number ≥ 0, not inf"),
    (lambda p: optim.SGD(p, lr=float("nan")), ValueError, "lr is a finite number ≥ 0, not nan"),
    (lambda p: optim.SGD(p, lr="0.1"), TypeError, "lr is a number, not '0.1'"),
    (lambda p: optim.SGD(p, lr=None), TypeError, "lr is a number, not None"),
    (lambda p: optim.SGD(p, 0.1, weight_decay=-1), ValueError, "weight_decay is a finite number ≥ 0, not -1"),
    (lambda p: optim.SGD(p, 0.1, l1=float("nan")), ValueError, "l1 is a finite number ≥ 0, not nan"),
    (lambda p: optim.Momentum(p, 0.1, momentum=1.0), ValueError, "momentum lies in [0, 1), not 1.0"),
    (lambda p: optim.Nesterov(p, 0.1, momentum=-0.1), ValueError, "momentum lies in [0, 1), not -0.1"),
    (lambda p: optim.Adam(p, betas=(1.0, 0.9)), ValueError, "beta1 lies in [0, 1), not 1.0"),
    (lambda p: optim.Adam(p, betas=(0.9, 1.5)), ValueError, "beta2 lies in [0, 1), not 1.5"),
    (lambda p: optim.Adam(p, betas=0.9), TypeError, "betas is a pair (β₁, β₂), not 0.9"),
    (lambda p: optim.Adam(p, betas=(0.9, 0.9, 0.9)), TypeError, "betas is a pair (β₁, β₂), not (0.9, 0.9, 0.9)"),
    (lambda p: optim.Adam(p, eps=-1e-8), ValueError, "eps is a finite number ≥ 0, not -1e-08"),
    (lambda p: optim.AdamW(p, weight_decay=-0.1), ValueError, "weight_decay is a finite number ≥ 0, not -0.1"),
]


@pytest.mark.parametrize(("make", "error", "sentence"), SETTINGS, ids=[s for *_, s in SETTINGS])
def test_settings_out_of_range(model, make, error, sentence):
    before = snapshot(model)
    with pytest.raises(error, match=re.escape(sentence)):
        make(model.parameters())
    assert snapshot(model) == before
    assert still_learns(model, optim.SGD(model.parameters(), lr=0.1))


@pytest.mark.parametrize(
    ("rate", "error"), [(-1, ValueError), (float("nan"), ValueError), ("1", TypeError), ([0.1], TypeError)]
)
def test_a_rate_that_is_none(model, optimizer, rate, error):
    before = snapshot(model, optimizer)
    with pytest.raises(error, match="lr is a"):
        optimizer.lr = rate
    assert snapshot(model, optimizer) == before and optimizer.lr == 0.1
    assert still_learns(model, optimizer)


SCHEDULES = [  # how it is made, error, what the sentence says
    (lambda o: optim.LinearLR(o, total=0), ValueError, "total is a number of steps ≥ 1, not 0"),
    (lambda o: optim.LinearLR(o, total=2.5), TypeError, "total is a whole number of steps, not 2.5"),
    (lambda o: optim.LinearLR(o, total=5, end=-1), ValueError, "end is a finite number ≥ 0, not -1.0"),
    (lambda o: optim.LinearLR(o, total=5, start=None), TypeError, "start is a number, not None"),
    (lambda o: optim.ExponentialLR(o, gamma=0), ValueError, "gamma is a finite number > 0, not 0.0"),
    (lambda o: optim.ExponentialLR(o, gamma=float("inf")), ValueError, "gamma is a finite number > 0, not inf"),
    (lambda o: optim.StepLR(o, size=-1), ValueError, "size is a number of steps ≥ 1, not -1"),
    (lambda o: optim.StepLR(o, size="7"), TypeError, "size is a whole number of steps, not '7'"),
    (lambda o: optim.CosineAnnealingLR(o, total=0), ValueError, "total is a number of steps ≥ 1, not 0"),
    (lambda o: optim.CosineAnnealingLR(o, 5, minimum=-1), ValueError, "minimum is a finite number ≥ 0, not -1.0"),
    (lambda o: optim.WarmUp(o, total=0), ValueError, "total is a number of steps ≥ 1, not 0"),
    (lambda o: optim.WarmUp(o, 3, after=0.1), TypeError, "after is a schedule or None, not a float"),
    (lambda o: optim.ExponentialLR(nn.ReLU(), 0.9), TypeError, "the rate of an optimizer, not of a ReLU"),
    (lambda o: optim.Schedule(o), TypeError, "Schedule has no at; define at(self, t) in the class"),
]


@pytest.mark.parametrize(("make", "error", "sentence"), SCHEDULES, ids=[s for *_, s in SCHEDULES])
def test_a_schedule_that_cannot_be(model, optimizer, make, error, sentence):
    before = snapshot(model, optimizer)
    with pytest.raises(error, match=re.escape(sentence)):
        make(optimizer)
    assert snapshot(model, optimizer) == before and optimizer.lr == 0.1
    assert still_learns(model, optimizer)


LIMITS = [(0, ValueError), (-1, ValueError), (float("inf"), ValueError), (float("nan"), ValueError),
          ("1", TypeError), (None, TypeError)]  # fmt: skip


@pytest.mark.parametrize("clip", [optim.clip_grad_norm, optim.clip_grad_value])
@pytest.mark.parametrize(("limit", "error"), LIMITS)
def test_a_limit_that_is_none(model, optimizer, clip, limit, error):
    before = snapshot(model, optimizer)
    with pytest.raises(error, match=f"{clip.__name__}: the limit is a"):
        clip(model.parameters(), limit)
    assert snapshot(model, optimizer) == before
    assert still_learns(model, optimizer)


@pytest.mark.parametrize("clip", [optim.clip_grad_norm, optim.clip_grad_value])
@pytest.mark.parametrize("given", [lambda m: m, lambda m: m.W, lambda m: [m.W, "b"]])
def test_clipping_what_is_no_list_of_tensors(model, optimizer, clip, given):
    before = snapshot(model, optimizer)
    with pytest.raises(TypeError, match=r"a list of tensors such as model\.parameters\(\)"):
        clip(given(model), 1e-6)
    assert snapshot(model, optimizer) == before
    assert still_learns(model, optimizer)


def without(name):
    return lambda state: {key: array for key, array in state.items() if key != name}


STATES = [  # what becomes of a state that fits, error, what the sentence says
    (without("1.v"), ValueError, "does not fit Adam for these parameters, nothing was loaded; missing: 1.v"),
    (without("lr"), ValueError, "missing: lr"),
    (lambda s: s | {"2.m": np.zeros(2)}, ValueError, "not in it: 2.m"),
    (lambda s: s | {"0.m": np.zeros((2, 3))}, ValueError, "of another shape: 0.m is (2, 3), not (3, 2)"),
    (lambda s: s | {"lr": np.zeros(1)}, ValueError, "lr is (1,), not ()"),
    (lambda s: s | {"lr": np.array(-1.0)}, ValueError, "lr is a finite number ≥ 0, not -1.0"),
    (lambda s: s | {"lr": np.array(np.nan)}, ValueError, "lr is a finite number ≥ 0, not nan"),
    (lambda s: s | {"1.t": np.array(1j)}, TypeError, "of another dtype: 1.t is complex128, not float64"),
    (lambda s: s | {"1.v": np.array(["a", "b"])}, TypeError, "of another dtype: 1.v is <U1, not float32"),
    (lambda s: {"lr": s["lr"]}, ValueError, "missing: 0.m, 0.t, 0.v, 1.m, 1.t, 1.v"),
    (lambda s: "optimizer.safetensors", TypeError, "this is a str"),
    (lambda s: None, TypeError, "this is a NoneType"),
]


@pytest.mark.parametrize(("change", "error", "sentence"), STATES, ids=[s for *_, s in STATES])
def test_a_state_that_does_not_fit(model, optimizer, change, error, sentence):
    before = snapshot(model, optimizer)
    other = optim.Adam(nn.Dense(3, 2).parameters(), lr=0.5).state_dict()
    with pytest.raises(error, match=re.escape(sentence)) as caught:
        optimizer.load_state_dict(change(other))
    assert "\n" not in str(caught.value)
    assert snapshot(model, optimizer) == before and optimizer.lr == 0.1
    assert still_learns(model, optimizer)
    optimizer.load_state_dict(other)
    assert optimizer.lr == 0.5


def test_a_base_optimizer_has_no_update(model, optimizer):
    before = snapshot(model, optimizer)
    with pytest.raises(TypeError, match=r"Optimizer has no update; define update\(self, p, g, state, lr\)"):
        optim.Optimizer(model.parameters(), lr=0.1).step()
    assert snapshot(model, optimizer) == before
    assert still_learns(model, optimizer)


def test_a_gradient_of_another_shape_never_gets_in(model, optimizer):
    before = snapshot(model, optimizer)
    with pytest.raises(ValueError, match=r"\(3, 2\).*not .*\(2,\)"):
        model.W.grad = tz.tensor(np.ones(2, np.float32))
    assert snapshot(model, optimizer) == before
    assert still_learns(model, optimizer)
