"""Checkpoints: all that a run needs to go on as if it had never stopped, as one dict of arrays."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.core import random
from tinygrad_zh.serialization import load, save

if TYPE_CHECKING:
    from tinygrad_zh.train.fit import Run

State = dict[str, np.ndarray[Any, Any]]


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}/{name}": value for name, value in state.items()}


def under(prefix: str, state: State) -> State:
    """The part of a state under a prefix, without it."""
    return {name.removeprefix(f"{prefix}/"): v for name, v in state.items() if name.startswith(f"{prefix}/")}


def save_run(run: Run, path: str | PathLike[str]) -> None:
    """Write weights, optimizer, history, callbacks and random generators; the old file stays until the new is whole."""
    state: State = {"epoch": np.array(run.epoch)}
    state |= prefixed("model", run.model.state_dict())
    state |= prefixed("optimizer", run.optimizer.state_dict())
    state |= prefixed("history", {name: np.array(values) for name, values in run.history.items()})
    for name, generator in run.generators().items():
        state |= prefixed(f"generator/{name}", random.get_state(generator))
    for i, callback in enumerate(run.callbacks):
        state |= prefixed(f"callback/{i}", callback.state_dict())
    save(state, path)


def load_run(run: Run, path: str | PathLike[str]) -> None:
    """Put a run back to where `save_run` found it. Raises ValueError, before anything changes, if it is another run's."""
    state = load(path)
    generators = run.generators()
    callbacks = {name.split("/")[1] for name in state if name.startswith("callback/")}
    expected = {str(i) for i, callback in enumerate(run.callbacks) if callback.state_dict()}
    if "epoch" not in state or callbacks != expected or not all(under(f"generator/{name}", state) for name in generators):
        raise ValueError(f"{path} is no checkpoint of a run like this one (same model, optimizer and callbacks)")
    before = run.model.state_dict()
    run.model.load_state_dict(under("model", state))
    try:
        run.optimizer.load_state_dict(under("optimizer", state))
    except ValueError:
        run.model.load_state_dict(before)
        raise
    for name, generator in generators.items():
        random.set_state(generator, under(f"generator/{name}", state))
    for i, callback in enumerate(run.callbacks):
        callback.load_state_dict(under(f"callback/{i}", state))
    run.history.clear()
    run.history.update({name: values.tolist() for name, values in under("history", state).items()})
    run.epoch = int(state["epoch"])
