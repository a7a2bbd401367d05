"""Schedules: PyTorch's rates, the formulas at their edges, and rates that the update really uses."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.golden import cases
from tinygrad_zh import optim


def sgd(lr=0.1):
    return optim.SGD([tz.tensor(1.0, requires_grad=True)], lr=lr)


MADE = {  # with PyTorch's names for the settings
    "step": lambda o, step_size, gamma: optim.StepLR(o, size=step_size, gamma=gamma),
    "exponential": lambda o, gamma: optim.ExponentialLR(o, gamma=gamma),
    "cosine": lambda o, T_max, eta_min: optim.CosineAnnealingLR(o, total=T_max, minimum=eta_min),
    "linear": lambda o, start_factor, end_factor, total_iters: optim.LinearLR(
        o, total=total_iters, start=start_factor, end=end_factor
    ),
}


@pytest.mark.parametrize("case", cases("schedules"), ids=str)
def test_the_rates_are_pytorch_s(case):
    settings = dict(case.attributes)
    optimizer = sgd(settings.pop("lr"))
    schedule = MADE[case.name](optimizer, **settings)
    rates = [optimizer.lr]
    for _ in case.outputs["lr"][1:]:
        schedule.step()
        rates.append(optimizer.lr)
    np.testing.assert_allclose(rates, case.outputs["lr"], rtol=1e-12)
    np.testing.assert_allclose([schedule.at(t) for t in range(len(rates))], rates, rtol=0)
    assert schedule.t == len(rates) - 1


def test_linear_decay_goes_from_the_rate_to_nothing_and_stays():
    optimizer = sgd(0.8)
    schedule = optim.LinearLR(optimizer, total=4)
    assert [schedule.at(t) for t in range(7)] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0, 0, 0])


def test_cosine_annealing_is_half_way_at_half_time_and_at_its_minimum_at_the_end():
    schedule = optim.CosineAnnealingLR(sgd(0.9), total=10, minimum=0.1)
    assert schedule.at(0) == pytest.approx(0.9)
    assert schedule.at(5) == pytest.approx(0.5)
    assert schedule.at(10) == pytest.approx(0.1)
    assert schedule.at(3) == pytest.approx(0.1 + 0.4 * (1 + math.cos(0.3 * math.pi)))


def test_warm_up_climbs_to_the_rate_and_stays():
    optimizer = sgd(0.4)
    schedule = optim.WarmUp(optimizer, 4)
    assert optimizer.lr == pytest.approx(0.1)
    assert [schedule.at(t) for t in range(7)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4])


@pytest.mark.parametrize(
    "after",
    [
        lambda o: optim.LinearLR(o, total=3, start=0.5, end=0.1),
        lambda o: optim.CosineAnnealingLR(o, total=5, minimum=0.01),
        lambda o: optim.StepLR(o, size=2),
        lambda o: optim.ExponentialLR(o, 0.9),
    ],
)
def test_warm_up_goes_over_into_another_schedule_from_its_beginning(after):
    optimizer = sgd(0.4)
    inner = after(optimizer)
    alone = [inner.at(t) for t in range(6)]
    schedule = optim.WarmUp(optimizer, 3, inner)
    rates = [optimizer.lr]
    for _ in range(8):
        schedule.step()
        rates.append(optimizer.lr)
    assert rates[:3] == pytest.approx([0.4 / 3, 0.8 / 3, 0.4])
    assert rates[3:] == alone


def test_the_update_uses_the_scheduled_rate():
    p = tz.tensor(np.float32(0.0), requires_grad=True)
    optimizer = optim.SGD([p], lr=1.0)
    schedule = optim.ExponentialLR(optimizer, 0.5)
    for _ in range(4):
        p.grad = tz.tensor(np.float32(1.0))
        optimizer.step()
        schedule.step()
    assert p.item() == -(1 + 0.5 + 0.25 + 0.125)


def test_a_schedule_of_one_s_own_is_one_formula():
    class InverseSquareRoot(optim.Schedule):
        def at(self, t):
            return self.initial / (t + 1) ** 0.5

    optimizer = sgd(0.3)
    schedule = InverseSquareRoot(optimizer)
    schedule.step()
    assert optimizer.lr == pytest.approx(0.3 / 2**0.5)


def test_a_schedule_that_gives_no_rate_stays_where_it_was():
    class Broken(optim.Schedule):
        def at(self, t):
            return 0.5 - t

    optimizer = sgd()
    schedule = Broken(optimizer)
    with pytest.raises(ValueError, match=r"lr is a finite number ≥ 0, not -0\.5"):
        schedule.step()
    assert schedule.t == 0 and optimizer.lr == 0.5
