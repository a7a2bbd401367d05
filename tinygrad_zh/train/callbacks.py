"""Callbacks: what else happens after each epoch. Each is a few lines; write your own the same way."""

from __future__ import annotations

import math
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.core import record
from tinygrad_zh.core.tensor import leaf
from tinygrad_zh.device import move
from tinygrad_zh.ops.activation import ReLU
from tinygrad_zh.optim import Schedule, clip_grad_norm
from tinygrad_zh.train.arrays import home
from tinygrad_zh.train.checkpoint import State, prefixed, save_run, state_of, under
from tinygrad_zh.train.evaluate import inference

if TYPE_CHECKING:
    from tinygrad_zh.train.fit import Run


class Callback:
    """Called by `fit` with the run: its model, optimizer, history, epoch. 中文：回调。

    `run.history` maps a name to one number an epoch; `run.stop(reason)` ends training after this epoch. What a
    callback remembers goes into `state_dict`, so that a resumed run equals an unbroken one. A callback that only
    looks, and keeps nothing, says `observer = True`: checkpoints fit runs with it and without.
    """

    observer = False

    def on_begin(self, run: Run) -> None:
        """Before the first epoch, or after resuming."""

    def on_step(self, run: Run) -> None:
        """After each backward, before the update: the gradients are there."""

    def on_epoch(self, run: Run) -> None:
        """After each epoch; the figures of the epoch are in the history."""

    def on_end(self, run: Run) -> None:
        """After the last epoch, also if training was stopped or interrupted."""

    def on_error(self, run: Run, error: BaseException) -> None:
        """Instead of `on_end`, when something was raised, which then passes on."""

    def state_dict(self) -> State:
        return {}

    def load_state_dict(self, state: State) -> None:
        pass


GREATER_IS_BETTER = {"accuracy", "exact_match", "precision", "recall", "f1", "auc", "average_precision", "r2"}


class EarlyStopping(Callback):
    """Stop when a figure has not improved for `patience` epochs; the best epoch's weights are put back. 中文：早停。

    monitor: a name in the history. maximize: whether greater is better; unless given, it is for the metrics of which
    that is known (accuracy, f1, r2, …), on training or validation data, and not for any other. Document 001 §2.4.3.
    """

    def __init__(self, monitor: str = "validation_loss", patience: int = 5, minimum_change: float = 0.0,
                 maximize: bool | None = None, restore_best: bool = True) -> None:
        if patience < 1:
            raise ValueError(f"EarlyStopping: patience is a number of epochs ≥ 1, not {patience}")
        self.monitor, self.patience, self.minimum_change = monitor, patience, minimum_change
        known = monitor.removeprefix("validation_") in GREATER_IS_BETTER
        self.sign = -1.0 if (known if maximize is None else maximize) else 1.0
        self.restore_best = restore_best
        self._forget()

    def _forget(self) -> None:
        self.best, self.best_epoch = math.inf, 0
        self.weights: State = {}

    def on_begin(self, run: Run) -> None:
        if not run.epoch:  # what another run has left must neither end this one nor come into its model
            self._forget()

    def on_epoch(self, run: Run) -> None:
        if self.monitor not in run.history:
            raise ValueError(f"EarlyStopping watches {self.monitor!r}, which the history has not; "
                             f"it has {', '.join(run.history)} (give fit a validation set?)")
        value = self.sign * run.history[self.monitor][-1]
        if value < self.best - self.minimum_change:
            self.best, self.best_epoch = value, run.epoch
            self.weights = run.model.state_dict()
        elif run.epoch - self.best_epoch >= self.patience:
            run.stop(f"{self.monitor} has not improved since epoch {self.best_epoch}")

    def on_end(self, run: Run) -> None:
        if self.restore_best and self.weights:
            run.model.load_state_dict(self.weights)

    def state_dict(self) -> State:
        return {"best": np.array([self.best, self.best_epoch]), **prefixed("weights", self.weights)}

    def load_state_dict(self, state: State) -> None:
        self.best, self.best_epoch = float(state["best"][0]), int(state["best"][1])
        self.weights = under("weights", state)


class Scheduled(Callback):
    """One step of a learning-rate schedule an epoch; the rate goes into the history. 中文：按轮调整学习率。"""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def on_epoch(self, run: Run) -> None:
        run.history.setdefault("learning_rate", []).append(run.optimizer.lr)
        self.schedule.step()

    def state_dict(self) -> State:
        return {"t": np.array(self.schedule.t), "rate": np.array(self.schedule.at(self.schedule.t))}

    def load_state_dict(self, state: State) -> None:
        t, rate = int(state["t"]), float(state["rate"])
        if not math.isclose(self.schedule.at(t), rate):
            raise ValueError(f"the schedule gives the rate {self.schedule.at(t)} at t = {t}, but gave {rate} when it "
                             "was saved; make the optimizer and its schedule anew, as before the first epoch")
        self.schedule.t = t


class ScheduledSteps(Scheduled):
    """One step of a learning-rate schedule a batch, before its update. 中文：按步调整学习率。

    The first update has the rate η(1). The history has the rate of each epoch's last step.
    """

    def on_step(self, run: Run) -> None:
        self.schedule.step()

    def on_epoch(self, run: Run) -> None:
        run.history.setdefault("learning_rate", []).append(run.optimizer.lr)


class ClippedNorm(Callback):
    """g ← g min(1, c / ‖g‖) before every update, ‖g‖ over all gradients. Pascanu et al. 2013. 中文：按范数裁剪梯度。"""

    def __init__(self, norm: float) -> None:
        self.norm = norm

    def on_step(self, run: Run) -> None:
        clip_grad_norm(run.optimizer.parameters, self.norm)


class GradientNorms(Callback):
    """‖∂L/∂W‖ of every parameter, averaged over the steps of an epoch: "gradient_norm/0.W". 中文：梯度范数。"""

    def on_begin(self, run: Run) -> None:
        self.sums: dict[str, float] = {}
        self.steps = 0

    def on_step(self, run: Run) -> None:
        self.steps += 1
        for name, p in run.model.named_parameters():
            if p.grad is not None:
                self.sums[name] = self.sums.get(name, 0.0) + float(np.linalg.norm(move(p.grad.data, "cpu")))

    def on_epoch(self, run: Run) -> None:
        for name, total in self.sums.items():
            run.history.setdefault(f"gradient_norm/{name}", []).append(total / self.steps)
        self.on_begin(run)


class DeadUnits(Callback):
    """The share of ReLU units that are 0 for every sample of x: "dead_units/0", "dead_units/1", … 中文：死亡神经元。

    Their gradient is 0 too, so they stay dead (F12). x: a few hundred inputs.
    """

    def __init__(self, x: Any) -> None:
        self.x = np.array(x)

    def on_epoch(self, run: Run) -> None:
        with inference(run.model), record() as tape:
            run.model(leaf(move(self.x.copy(), home(run.model))))
        relus = [move(line.outputs[0], "cpu") for line in tape.of("forward") if line.info["op"] is ReLU]
        for i, y in enumerate(relus):
            share = float((y.reshape(len(y), -1) == 0).all(axis=0).mean())
            run.history.setdefault(f"dead_units/{i}", []).append(share)


class Checkpoint(Callback):
    """Save the whole run to a file every so many epochs; `fit(…, resume=path)` goes on from it. 中文：检查点。

    Put it last among the callbacks, so that it saves what the others have noted.
    """

    def __init__(self, path: str | PathLike[str], every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"Checkpoint: every is a number of epochs ≥ 1, not {every}")
        self.path, self.every = path, every

    def on_begin(self, run: Run) -> None:
        state_of(run)  # raises for a generator that cannot be saved, before an epoch is spent

    def on_epoch(self, run: Run) -> None:
        if run.epoch % self.every == 0:
            save_run(run, self.path)
