"""Looking takes its share of the time and no more, whatever one look costs."""

from __future__ import annotations

import pytest

from tinygrad_zh.stepper.live.pace import Pace


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("cost", [1e-4, 0.01, 3.0])
def test_looks_take_their_share(cost):
    clock = Clock()
    pace, looking = Pace(0.05, clock=clock, work=clock), 0.0
    for _ in range(200_000):
        clock.now += 1e-3
        if pace.due():
            with pace.look():
                clock.now += cost
            looking += cost
    last = min(cost, looking)  # the last one is not paid for yet
    assert (looking - last) / clock.now <= 0.05
    assert cost < 1e-3 or looking / clock.now >= 0.045  # of what takes less than a step, steps are the grain


def test_the_first_look_is_due_at_once_and_the_next_after_the_least_time():
    clock = Clock()
    pace = Pace(0.5, least=10.0, clock=clock, work=clock)
    assert pace.due()
    with pace.look():
        clock.now = 1.0
    clock.now = 10.99
    assert not pace.due()
    clock.now = 11.0
    assert pace.due()


def test_two_looks_in_a_row_are_both_paid_for():
    clock = Clock()
    pace = Pace(0.1, clock=clock, work=clock)
    for _ in range(2):
        with pace.look():
            clock.now += 1.0
    clock.now = 20.9
    assert not pace.due()
    clock.now = 21.0
    assert pace.due()


def test_a_look_that_fails_is_paid_for_too():
    clock = Clock()
    pace = Pace(0.1, clock=clock, work=clock)
    with pytest.raises(ZeroDivisionError), pace.look():
        clock.now = 1.0
        raise ZeroDivisionError
    assert not pace.due()


def test_a_look_that_another_program_interrupts_costs_its_own_work_alone():
    clock, work = Clock(), Clock()
    pace = Pace(0.1, clock=clock, work=work)
    with pace.look():
        clock.now, work.now = 60.0, 1.0
    clock.now = 69.9
    assert not pace.due()
    clock.now = 70.0
    assert pace.due()
