"""Ctrl-C: training ends between two steps, and whatever ends it, the model is whole."""

from __future__ import annotations

import os
import signal
import threading

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, contents, everything, mlp, output, plainly, python, quietly
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.train import Callback, EarlyStopping


class CtrlC(Callback):
    """Ctrl-C in the middle of a step: after its backward, before its update."""

    def __init__(self, step, times=1):
        self.step, self.times, self.steps, self.ended = step, times, 0, False

    def on_step(self, run):
        self.steps += 1
        if self.steps == self.step:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)

    def on_end(self, run):
        self.ended = True


@pytest.fixture(autouse=True)
def handler():
    """Ours for the time of a test: whoever runs the tests may have Ctrl-C ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def after(steps, network=mlp):
    """A model and its optimizer after so many steps of the plain loop."""
    model = network()
    optimizer = tz.optim.Adam(model.parameters(), lr=0.01)
    plainly(model, classes(), optimizer, steps)
    return contents(model, optimizer)


def interrupted(callback, network=mlp, **keywords):
    model = network()
    optimizer = tz.optim.Adam(model.parameters(), lr=0.01)
    try:
        return model, optimizer, quietly(model, classes(), optimizer=optimizer, epochs=100,
                                         callbacks=[callback], **keywords)
    except KeyboardInterrupt:
        return model, optimizer, None


# ---- the first Ctrl-C


@pytest.mark.parametrize("network", [mlp, everything])
@pytest.mark.parametrize("step", [1, 4, 7])  # four steps an epoch
def test_the_step_in_hand_is_finished_and_is_the_last(step, network, handler):
    callback = CtrlC(step)
    model, optimizer, history = interrupted(callback, network)
    assert callback.steps == step
    assert contents(model, optimizer) == after(step, network)
    assert history.stopped == "interrupted"
    assert len(history.get("loss", [])) == step // 4  # whole epochs alone have figures
    assert callback.ended
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_while_validating_takes_no_further_step():
    def loss(p, t):
        if not model.training:
            signal.raise_signal(signal.SIGINT)
        return F.cross_entropy(p, t)

    model = mlp()
    history = quietly(model, classes(), loss=loss, epochs=3, validation=classes(20))
    assert history.stopped == "interrupted"
    assert {name: len(values) for name, values in history.items()} == {"loss": 1, "validation_loss": 1}
    plain = mlp()
    plainly(plain, classes(), tz.optim.SGD(plain.parameters(), lr=0.1), steps=4)
    assert contents(model) == contents(plain)


def test_an_interrupted_run_gets_its_best_weights_back():
    after_each = []

    class Worse(Callback):
        def on_epoch(self, run):
            run.history.setdefault("figure", []).append(float(run.epoch))
            after_each.append(contents(run.model))

    model = mlp()
    history = quietly(model, classes(), epochs=100, callbacks=[Worse(), EarlyStopping("figure", 50), CtrlC(11)])
    assert history.stopped == "interrupted"
    assert contents(model) == after_each[0] != after_each[1]


def test_training_can_go_on_after_an_interruption():
    model, optimizer, _ = interrupted(CtrlC(2))
    history = quietly(model, classes(), optimizer=optimizer, epochs=2)
    assert history.stopped is None and len(history["loss"]) == 2


# ---- the second


@pytest.mark.parametrize("network", [mlp, everything])
def test_a_second_ctrl_c_raises_and_undoes_the_step_in_hand(network, handler):
    callback = CtrlC(6, times=2)
    model, optimizer, history = interrupted(callback, network)
    assert history is None and callback.steps == 6
    assert contents(model, optimizer) == after(5, network)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_second_ctrl_c_between_two_assignments_leaves_no_half_step(monkeypatch):
    model = mlp()
    optimizer = tz.optim.Adam(model.parameters(), lr=0.01)
    assign, count = tz.Tensor.assign, [0]

    def assign_and_interrupt(self, new):
        count[0] += 1
        if count[0] == 5:  # 4 parameters with 3 arrays each: this is in the middle of the first update
            raise KeyboardInterrupt
        return assign(self, new)

    before = contents(model, optimizer)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(tz.Tensor, "assign", assign_and_interrupt)
        quietly(model, classes(), optimizer=optimizer)
    assert count[0] > 5  # what was assigned was assigned back
    assert contents(model, optimizer) == before


# ---- the handler


def test_the_users_handler_is_back_after_a_run_and_after_an_error(handler):
    def mine(number, frame):
        raise AssertionError

    signal.signal(signal.SIGINT, mine)
    quietly(mlp(), classes())
    assert signal.getsignal(signal.SIGINT) is mine
    with pytest.raises(ZeroDivisionError):
        quietly(mlp(), classes(), loss=lambda p, t: 1 / 0)
    assert signal.getsignal(signal.SIGINT) is mine


def test_a_run_within_a_run_gives_ctrl_c_back_to_the_outer_one():
    class Inner(Callback):
        def on_epoch(self, run):
            handlers.append(signal.getsignal(signal.SIGINT))
            quietly(mlp(), classes())
            handlers.append(signal.getsignal(signal.SIGINT))

    handlers = []
    quietly(mlp(), classes(), callbacks=[Inner()])
    assert handlers[0] == handlers[1] != signal.default_int_handler


# ---- a real process, a real signal, any moment

TRAIN_FOR_EVER = """
import signal, sys
import tinygrad_zh as tz
from tests.train.problems import classes, mlp, quietly
from tinygrad_zh.train import Callback
signal.signal(signal.SIGINT, signal.default_int_handler)

class Count(Callback):
    steps = 0
    def on_step(self, run):
        self.steps += 1
        if self.steps == 3:
            print("training")

count, model = Count(), mlp()
optimizer = tz.optim.Adam(model.parameters(), lr=0.01)
history = quietly(model, classes(), optimizer=optimizer, epochs=10**9, callbacks=[count])
tz.save(model.state_dict(), sys.argv[1])
print(history.stopped, count.steps)
"""


@pytest.mark.skipif(os.name == "nt", reason="sending SIGINT to a process needs POSIX")
@pytest.mark.parametrize("wait", [0, 20_000, 200_000])
def test_sigint_to_a_process_in_the_middle_of_training(tmp_path, wait):
    child = python(TRAIN_FOR_EVER, tmp_path / "weights")
    assert child.stdout.readline() == "training\n"
    for i in range(wait):  # a moment that depends on no clock
        _ = i * i
    child.send_signal(signal.SIGINT)
    stopped, steps = output(child).split()
    assert stopped == "interrupted"
    assert int(steps) >= 3
    model = mlp()
    plainly(model, classes(), tz.optim.Adam(model.parameters(), lr=0.01), int(steps))
    saved = nn.Sequential(nn.Dense(4, 8), nn.ReLU(), nn.Dense(8, 3))
    saved.load_state_dict(tz.load(tmp_path / "weights"))
    assert contents(saved) == contents(model)


# ---- threads


def trained(seed, results):
    model = everything(seed)
    quietly(model, classes(), epochs=5)
    results[seed] = contents(model)


def in_thread(target, *arguments):
    thread = threading.Thread(target=target, args=arguments)
    thread.start()
    return thread


def test_another_thread_trains_as_the_main_one_does_and_leaves_ctrl_c_alone(handler):
    here, there, handlers = {}, {}, []
    trained(3, here)

    def train_and_look():
        trained(3, there)
        handlers.append(signal.getsignal(signal.SIGINT))

    in_thread(train_and_look).join()
    assert there == here
    assert handlers == [handler]


def test_two_threads_train_two_models_to_the_serial_bytes():
    serial, parallel = {}, {}
    for seed in (1, 2):
        trained(seed, serial)
    for thread in [in_thread(trained, seed, parallel) for seed in (1, 2)]:
        thread.join()
    assert parallel == serial


def test_two_threads_read_one_model_at_once():
    model = mlp()
    x = classes(500)[0]
    expected = tz.train.predict(model, x, batch_size=7)
    results = []
    threads = [in_thread(lambda: results.append(tz.train.predict(model, x, batch_size=7))) for _ in range(3)]
    for thread in threads:
        thread.join()
    assert len(results) == 3 and all(np.array_equal(result, expected) for result in results)
