"""Checkpoints: all that a run needs to go on as if it had never stopped, as one dict of arrays."""

from __future__ import annotations

import contextlib
import json
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_zh.core import random
from tinygrad_zh.serialization import load, load_metadata, save

if TYPE_CHECKING:
    from tinygrad_zh.train.callbacks import Callback
    from tinygrad_zh.train.fit import Run

State = dict[str, np.ndarray[Any, Any]]


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}/{name}": value for name, value in state.items()}


def under(prefix: str, state: State) -> State:
    """The part of a state under a prefix, without it."""
    return {name.removeprefix(f"{prefix}/"): v for name, v in state.items() if name.startswith(f"{prefix}/")}


def save_run(run: Run, path: str | PathLike[str]) -> None:
    """Write weights, optimizer, generators, callbacks and history; the old file stays until the new is whole."""
    history = prefixed("history", {name: np.array(values) for name, values in run.history.items()})
    notes = {"made_of": made_of(run), "epoch": run.epoch, "stopped": run.history.stopped, "figures": list(run.history)}
    save(state_of(run) | history, path, metadata={"run": json.dumps(notes)})


def load_run(run: Run, path: str | PathLike[str]) -> None:
    """Put a run back to where `save_run` found it.

    Raises ValueError for a file of another run, or of none; then nothing has changed.
    """
    state, metadata = load(path), load_metadata(path)
    if "run" not in metadata:
        raise ValueError(f"{path} is no checkpoint of a run; the Checkpoint callback writes them")
    notes = json.loads(metadata["run"])
    if notes["made_of"] != made_of(run):
        raise ValueError(f"{path} is a checkpoint of a run with {notes['made_of']}, but this one has {made_of(run)}")
    before = state_of(run)
    try:
        put_back(run, state)
    except Exception as error:
        with contextlib.suppress(Exception):  # what fails to load may fail again; all before it is put back
            put_back(run, before)
        raise ValueError(f"{path} is no checkpoint of a run like this one: {error}") from error
    run.epoch = notes["epoch"]
    run.history.update({name: state[f"history/{name}"].tolist() for name in notes["figures"]})
    run.history.stopped = notes["stopped"]


def made_of(run: Run) -> dict[str, Any]:
    """What must be the same for a run to go on: two optimizers may well keep arrays of the same names."""
    return {"optimizer": type(run.optimizer).__name__,
            "callbacks": [type(callback).__name__ for callback in _counted(run)],
            "generators": list(run.generators())}


def _counted(run: Run) -> list[Callback]:
    """The callbacks that can make a difference."""
    return [callback for callback in run.callbacks if not callback.observer]


def state_of(run: Run) -> State:
    """Everything that changes as a run goes on, but for its history."""
    state = prefixed("model", run.model.state_dict())
    state |= prefixed("optimizer", run.optimizer.state_dict())
    for name, generator in run.generators().items():
        state |= prefixed(f"generator/{name}", random.get_state(generator))
    for i, callback in enumerate(_counted(run)):
        state |= prefixed(f"callback/{i}", callback.state_dict())
    return state


def put_back(run: Run, state: State) -> None:
    """The reverse of `state_of`."""
    run.model.load_state_dict(under("model", state))
    run.optimizer.load_state_dict(under("optimizer", state))
    for name, generator in run.generators().items():
        random.set_state(generator, under(f"generator/{name}", state))
    for i, callback in enumerate(_counted(run)):
        callback.load_state_dict(under(f"callback/{i}", state))
