"""The mode: what a call of an op does besides computing. One immutable value per context (thread or task)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from tinygrad_zh.core.tape import Tape


class Mode(NamedTuple):
    """grad: remember calls for backward. tape: write every line there. kernels: faster bodies, by formula."""

    grad: bool = True
    tape: Tape | None = None
    kernels: Mapping[Callable[..., Any], Callable[..., Any]] | None = None


MODE: ContextVar[Mode] = ContextVar("tinygrad_zh.mode", default=Mode())  # noqa: B039, a NamedTuple is immutable


@contextmanager
def using(**changes: Any) -> Iterator[None]:
    """Within the block the mode is as before but for `changes`."""
    token = MODE.set(MODE.get()._replace(**changes))
    try:
        yield
    finally:
        MODE.reset(token)


def no_grad() -> Any:
    """∂ off: results computed in this block are constants, and nothing is kept for backward.

    Also a decorator. 中文：关闭梯度。

    >>> import tinygrad_zh as tz
    >>> w = tz.tensor([1.0, 2.0], requires_grad=True)
    >>> with tz.no_grad():
    ...     y = w * 2
    >>> y.requires_grad
    False
    """
    return using(grad=False)


def is_grad_enabled() -> bool:
    """Whether calls are remembered for backward in this context."""
    return MODE.get().grad
