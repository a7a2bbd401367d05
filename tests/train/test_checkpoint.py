"""A run that was broken off and resumed equals the unbroken one, to the byte."""

from __future__ import annotations

import functools
import operator
import os
import signal

import numpy as np
import pytest

import tinygrad_zh as tz
from tests.train.problems import classes, contents, everything, mlp, output, python, quietly
from tinygrad_zh import nn
from tinygrad_zh.train import (
    Callback,
    Checkpoint,
    DeadUnits,
    EarlyStopping,
    GradientNorms,
    Scheduled,
    metrics,
)

OPTIMIZERS = [tz.optim.SGD, tz.optim.Momentum, tz.optim.Nesterov, tz.optim.Adam, tz.optim.AdamW]


class Session:
    """Everything that a script sets up before it trains, with all that a checkpoint has to keep."""

    def __init__(self, path, optimizer=tz.optim.Adam, patience=50, seed=0, network=everything):
        self.model = network(seed)
        self.optimizer = optimizer(self.model.parameters(), lr=0.05)
        self.early = EarlyStopping(patience=patience)
        self.schedule = tz.optim.CosineAnnealingLR(self.optimizer, total=8)
        self.callbacks = [self.early, Scheduled(self.schedule), GradientNorms(), DeadUnits(classes()[0]),
                          Checkpoint(path)]

    def train(self, epochs, **keywords):
        self.history = quietly(self.model, classes(), validation=classes(30, seed=1), epochs=epochs,
                               optimizer=self.optimizer, metrics=[metrics.accuracy], callbacks=self.callbacks,
                               **keywords)
        return self

    def result(self):
        """All that must be equal in the end."""
        return [*contents(self.model, self.optimizer, self.early), self.schedule.t, self.optimizer.lr,
                list(self.history.items()), self.history.stopped, tz.default_generator().bytes(8),
                self.model[4].generator.bytes(8) if len(self.model) > 4 else None]


# ---- resumed equals unbroken


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_resumed_equals_unbroken(tmp_path, optimizer):
    unbroken = Session(tmp_path / "one", optimizer).train(6).result()
    Session(tmp_path / "two", optimizer).train(2)
    resumed = Session(tmp_path / "two", optimizer, seed=77)  # other weights, masks and order, until it is resumed
    resumed.train(6, resume=tmp_path / "two")
    assert resumed.result() == unbroken


@pytest.mark.parametrize("breaks", [[1, 2, 3, 4, 5], [5], [3, 3]])
def test_it_does_not_matter_how_often_it_was_broken_off(tmp_path, breaks):
    unbroken = Session(tmp_path / "one").train(6).result()
    Session(tmp_path / "two").train(breaks[0])
    for epochs in [*breaks[1:], 6]:
        session = Session(tmp_path / "two", seed=5).train(epochs, resume=tmp_path / "two")
    assert session.result() == unbroken


def test_resumed_in_a_process_of_its_own(tmp_path):
    path = tmp_path / "run"
    unbroken = Session(tmp_path / "one").train(5).result()
    Session(path).train(3)
    output(python("""
import sys
from tests.train.test_checkpoint import Session, tz
session = Session(sys.argv[1], seed=9).train(5, resume=sys.argv[1])
""", path))
    ended = Session(path, seed=10).train(5, resume=path)  # no epoch is left: this only reads the file
    assert ended.result() == unbroken


def test_a_run_that_was_broken_off_in_an_epoch_goes_on_from_the_last_whole_one(tmp_path):
    class Fall(Callback):
        steps = 0

        def on_step(self, run):
            self.steps += 1
            if self.steps == 11:  # four steps an epoch
                raise MemoryError

    data, path = classes(), tmp_path / "run"
    unbroken = mlp()
    quietly(unbroken, data, epochs=4)
    with pytest.raises(MemoryError):
        quietly(mlp(), data, epochs=4, callbacks=[Fall(), Checkpoint(path)])
    Fall.on_step = Callback.on_step
    resumed = mlp(seed=3)
    history = quietly(resumed, data, epochs=4, callbacks=[Fall(), Checkpoint(path)], resume=path)
    assert len(history["loss"]) == 4
    assert contents(resumed) == contents(unbroken)


def test_a_run_that_was_stopped_early_stays_stopped(tmp_path):
    session = Session(tmp_path / "run", patience=1)
    session.schedule = tz.optim.ExponentialLR(session.optimizer, gamma=4.0)  # soon much too fast
    session.callbacks[1] = Scheduled(session.schedule)
    unbroken = session.train(40).result()
    epochs = len(session.history["loss"])
    assert session.history.stopped is not None and epochs < 40
    again = Session(tmp_path / "run", patience=1, seed=4)
    again.schedule = tz.optim.ExponentialLR(again.optimizer, gamma=4.0)
    again.callbacks[1] = Scheduled(again.schedule)
    assert again.train(40, resume=tmp_path / "run").result() == unbroken


def test_a_generator_of_its_own_for_the_order_is_kept_too(tmp_path):
    def run(epochs, seed, **keywords):
        model = mlp(seed=0)
        generator = np.random.Generator(np.random.Philox(seed))
        quietly(model, classes(), epochs=epochs, generator=generator, callbacks=[Checkpoint(tmp_path / "run")],
                **keywords)
        return contents(model), generator.bytes(8)

    unbroken = run(5, seed=1)
    run(2, seed=1)
    assert run(5, seed=2, resume=tmp_path / "run") == unbroken


def test_every_other_epoch(tmp_path):
    path, existed = tmp_path / "run", []

    class Look(Callback):
        def on_epoch(self, run):
            existed.append(path.exists() and tz.load(path)["history/loss"].size)

    quietly(mlp(), classes(), epochs=5, callbacks=[Checkpoint(path, every=2), Look()])
    assert existed == [False, 2, 2, 4, 4]


def test_a_callback_of_the_users_own_is_kept(tmp_path):
    class Total(Callback):
        total = 0.0

        def on_epoch(self, run):
            self.total += run.history["loss"][-1]

        def state_dict(self):
            return {"total": np.array(self.total)}

        def load_state_dict(self, state):
            self.total = float(state["total"])

    path, totals = tmp_path / "run", []
    for epochs, resume in [(4, None), (2, None), (4, path)]:
        total = Total()
        history = quietly(mlp(), classes(), epochs=epochs, callbacks=[total, Checkpoint(path)], resume=resume)
        totals.append(total.total)
    in_order = functools.reduce(operator.add, history["loss"])  # sum() compensates since Python 3.12
    assert totals[0] == totals[2] == in_order != totals[1]


# ---- what does not fit


def narrower(session):
    session.model = nn.Sequential(nn.Dense(4, 7), nn.BatchNorm(7), nn.ReLU(), nn.Dropout(0.3),
                                  nn.Dropout(0.2, generator=np.random.Generator(np.random.Philox(11))), nn.Dense(7, 3))
    session.optimizer = tz.optim.Adam(session.model.parameters(), lr=0.05)
    session.callbacks[1] = Scheduled(tz.optim.CosineAnnealingLR(session.optimizer, total=8))


def deeper(session):
    session.model.layers.append(nn.Dense(3, 3))
    session.optimizer = tz.optim.Adam(session.model.parameters(), lr=0.05)
    session.callbacks[1] = Scheduled(tz.optim.CosineAnnealingLR(session.optimizer, total=8))


def optimizing(kind):
    def change(session):
        session.optimizer = kind(session.model.parameters(), lr=0.05)
        session.callbacks[1] = Scheduled(tz.optim.CosineAnnealingLR(session.optimizer, total=8))

    return change


def fewer_parameters(session):
    session.optimizer = tz.optim.Adam(session.model.parameters()[2:], lr=0.05)
    session.callbacks[1] = Scheduled(tz.optim.CosineAnnealingLR(session.optimizer, total=8))


def without_its_own_generator(session):
    session.model[4].generator = None


def swapped_callbacks(session):
    session.callbacks[:2] = session.callbacks[1::-1]


def without_early_stopping(session):
    del session.callbacks[0]


def another_rate(session):
    session.optimizer.lr = 0.01
    session.callbacks[1] = Scheduled(tz.optim.CosineAnnealingLR(session.optimizer, total=8))


class Picky(Checkpoint):
    def load_state_dict(self, state):
        raise LookupError("not mine")


def picky_callback(session):
    session.callbacks[4] = type("Checkpoint", (Picky,), {})(session.callbacks[4].path)


MISFITS = {
    "a layer of another width": (narrower, r"this state does not fit.*0\.W is \(4, 8\), not \(4, 7\)"),
    "a layer more": (deeper, r"this state does not fit.*6\.W"),
    "SGD for Adam": (optimizing(tz.optim.SGD), r"'optimizer': 'Adam'.*this one has \{'optimizer': 'SGD'"),
    "AdamW for Adam, whose arrays have the same names": (optimizing(tz.optim.AdamW), r"'optimizer': 'AdamW'"),
    "an optimizer of fewer parameters": (fewer_parameters, "this state does not fit"),
    "no generator of its own": (without_its_own_generator, r"'generators': \['default', '4\.generator'\]"),
    "callbacks in another order": (swapped_callbacks, r"\['Scheduled', 'EarlyStopping'"),
    "a callback less": (without_early_stopping, r"this one has .*'callbacks': \['Scheduled'"),
    "a schedule from another rate": (another_rate, r"the schedule gives the rate 0\.00\d+ at t = 2, but gave 0\.04"),
    "a callback that fails": (picky_callback, "not mine"),
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "run"
    Session(path).train(2)
    return path


def frozen(session):
    """Everything that a failed resume must leave as it was."""
    return [*contents(session.model, session.optimizer), *contents(*session.callbacks), session.optimizer.lr,
            tz.default_generator().bit_generator.state["state"]["counter"].tolist(),
            tz.default_generator().bit_generator.state["buffer"].tolist()]


def refused(session, error, message, path):
    begun = []
    session.callbacks.append(Begun(begun)) if error is not ValueError else None
    before = frozen(session)
    with pytest.raises(error, match=message):
        session.train(6, resume=path)
    assert frozen(session) == before and not begun


class Begun(Callback):
    def __init__(self, begun):
        self.begun = begun

    def on_begin(self, run):
        self.begun.append(run)


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_checkpoint_of_another_run_is_refused_and_nothing_changes(checkpoint, tmp_path, misfit):
    change, message = MISFITS[misfit]
    session = Session(tmp_path / "other", seed=1)
    change(session)
    refused(session, ValueError, message, checkpoint)


def damaged(path, tmp_path):
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    return tmp_path / "damaged"


def truncated(path, tmp_path):
    (tmp_path / "truncated").write_bytes(path.read_bytes()[:-50])
    return tmp_path / "truncated"


def weights_alone(path, tmp_path):
    tz.save(everything().state_dict(), tmp_path / "weights")
    return tmp_path / "weights"


def no_file(path, tmp_path):
    return tmp_path / "nowhere"


@pytest.mark.parametrize("make, error, message", [
    (damaged, ValueError, "its checksum does not match"),
    (truncated, ValueError, "truncated"),
    (weights_alone, ValueError, "is no checkpoint of a run; the Checkpoint callback writes them"),
    (no_file, FileNotFoundError, "nowhere"),
])
def test_a_file_that_is_no_checkpoint_is_refused_and_nothing_changes(checkpoint, tmp_path, make, error, message):
    refused(Session(tmp_path / "other", seed=1), error, message, make(checkpoint, tmp_path))


def test_after_a_refusal_the_right_file_is_taken(checkpoint, tmp_path):
    unbroken = Session(tmp_path / "one").train(4).result()
    session = Session(tmp_path / "two", seed=1)
    refused(session, ValueError, "truncated", truncated(checkpoint, tmp_path))
    assert session.train(4, resume=checkpoint).result() == unbroken


def test_a_generator_that_cannot_be_saved_is_named_before_an_epoch_is_spent(tmp_path):
    model = mlp()
    before = contents(model)
    with pytest.raises(TypeError, match="only Philox generators can be saved, not PCG64"):
        quietly(model, classes(), generator=np.random.default_rng(0), callbacks=[Checkpoint(tmp_path / "run")])
    assert contents(model) == before


# ---- killed

TRAIN_FOR_EVER = """
import sys
from tests.train.test_checkpoint import Session, Callback

class Say(Callback):
    def on_epoch(self, run):
        print(run.epoch)

session = Session(sys.argv[1])
session.callbacks.append(Say())
session.train(10**6)
"""


class Say(Callback):
    """Stands where the child had its own."""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 needs POSIX")
def test_kill_leaves_a_checkpoint_that_goes_on(tmp_path):
    path = tmp_path / "run"
    for wait in (0, 3_000, 30_000):
        child = python(TRAIN_FOR_EVER, path)
        assert child.stdout.readline() == "1\n"
        for i in range(wait):  # a moment that depends on no clock
            _ = i * i
        os.kill(child.pid, signal.SIGKILL)
        printed, _ = child.communicate()
        last = max([1, *map(int, printed.split("\n")[:-1])])
        epochs = tz.load(path)["history/loss"].size
        assert epochs in (last, last + 1)
        results = []
        for seed, resume in [(8, path), (0, None)]:
            session = Session(tmp_path / "other", seed=seed)
            session.callbacks.append(Say())
            results.append(session.train(epochs + 1, resume=resume).result())
        assert results[0] == results[1]
        path.unlink()
