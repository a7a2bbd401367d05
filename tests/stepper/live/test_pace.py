"""Looking takes its share of the time and no more, whatever one look costs."""

from __future__ import annotations

import pytest

from tinygrad_zh.stepper.live.pace import Moment, Pace


class Time:
    """A thread that works, or waits while others do."""

    def __init__(self):
        self.moment = Moment(0.0, 0.0)

    def __call__(self):
        return self.moment

    def work(self, seconds):
        self.moment = Moment(self.moment.work + seconds, self.moment.clock + seconds)

    def wait(self, seconds):
        self.moment = Moment(self.moment.work, self.moment.clock + seconds)


@pytest.mark.parametrize("waiting", [0.0, 0.01])
@pytest.mark.parametrize("cost", [1e-4, 0.01, 3.0])
def test_looks_take_their_share(cost, waiting):
    time = Time()
    pace, looking = Pace(0.05, now=time), 0.0
    for _ in range(100_000):
        time.work(1e-3)
        time.wait(waiting)
        if pace.due(time()):
            with pace.look():
                time.work(cost)
                time.wait(waiting)
            looking += cost
    last = min(cost, looking)  # the last one is not paid for yet
    assert (looking - last) / time().work <= 0.05
    assert cost < 1e-3 or looking / time().work >= 0.045  # of what takes less than a step, steps are the grain


def test_the_first_look_is_due_at_once_and_the_next_after_the_least_time():
    time = Time()
    pace = Pace(0.5, least=10.0, now=time)
    assert pace.due(time())
    with pace.look():
        time.work(1.0)
    time.work(9.9)
    assert not pace.due(time())
    time.wait(0.1)
    assert pace.due(time())


def test_two_looks_in_a_row_are_both_paid_for():
    time = Time()
    pace = Pace(0.1, now=time)
    for _ in range(2):
        with pace.look():
            time.work(1.0)
    time.work(18.9)
    assert not pace.due(time())
    time.work(0.1 + 1e-9)
    assert pace.due(time())


def test_a_look_that_fails_is_paid_for_too():
    time = Time()
    pace = Pace(0.1, now=time)
    with pytest.raises(ZeroDivisionError), pace.look():
        time.work(1.0)
        raise ZeroDivisionError
    assert not pace.due(time())


def test_what_other_programs_do_meanwhile_costs_nothing():
    time = Time()
    pace = Pace(0.1, now=time)
    with pace.look():
        time.work(1.0)
        time.wait(60.0)
    time.work(10.0)
    assert pace.due(time())
