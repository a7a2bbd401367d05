"""Observers: callbacks of every `fit` in a block, whoever calls it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tinygrad_zh.train.callbacks import Callback

_OBSERVERS: ContextVar[tuple[Callback, ...]] = ContextVar("tinygrad_zh.observers", default=())


@contextmanager
def observed(*observers: Callback) -> Iterator[None]:
    """Within the block every fit has these callbacks too, after its own. 中文：旁观训练。

    For callbacks that change nothing (Callback.observer): a system that trains somewhere inside can be watched
    without knowing of it. Raises TypeError for any other.
    """
    for observer in observers:
        if not isinstance(observer, Callback) or not observer.observer:
            raise TypeError(f"an observer is a Callback with observer = True, not {observer!r:.80}; give other "
                            "callbacks to fit")
    token = _OBSERVERS.set((*_OBSERVERS.get(), *observers))
    try:
        yield
    finally:
        _OBSERVERS.reset(token)


def observers() -> tuple[Callback, ...]:
    """The observers in force."""
    return _OBSERVERS.get()
