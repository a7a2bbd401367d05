"""Shadows: what is known of an array when its memory is not needed any more. 数组的影子

To record a step is to remember every array of it; to remember their values would take several times the memory of the
step. A shadow has an array's shape, dtype and layout, and is a part of the shadow of the array that it is a part of.
Its memory is zeros that nobody has ever touched, which an operating system gives away for nothing.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


def root(array: Any) -> Any:
    """The array that owns the memory, or the last one that is NumPy's."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class Shadows:
    """The shadows of arrays that come and go. What was there before, and what looks at its memory, is kept itself."""

    def __init__(self, kept: Iterable[Any]) -> None:
        self._kept = {id(array): array for array in kept}
        self._roots = {id(root(array)) for array in self._kept.values()}
        self._shadows: dict[int, tuple[Any, Any]] = {}  # by the id of an array that lives: (a weak reference, shadow)
        self._zeros = b""

    def of(self, x: Any, outside: Callable[[Any], None]) -> Any:
        """An argument with shadows in the place of arrays. outside(array): is told of one that nothing here made."""
        if isinstance(x, (tuple, list)):
            return type(x)([self.of(part, outside) for part in x])
        if isinstance(x, np.ndarray) and id(x) not in self._kept and id(x) not in self._shadows:
            outside(x)
            self._kept[id(x)] = x
            self._roots.add(id(root(x)))
        return self.known(x)

    def known(self, x: Any) -> Any:
        """The shadow of an array; itself if it has none."""
        return self._shadows[id(x)][1] if id(x) in self._shadows else x

    def made(self, x: Any) -> Any:
        """The shadow of a result."""
        if isinstance(x, np.ndarray) and id(x) not in self._kept and id(x) not in self._shadows:
            owner = root(x)
            if id(owner) in self._roots:
                self._kept[id(x)] = x
            else:
                if id(owner) not in self._shadows:
                    self._remember(owner, self._empty(owner))
                if x is not owner:
                    offset = x.ctypes.data - owner.ctypes.data
                    self._remember(x, np.ndarray(x.shape, x.dtype, root(self.known(owner)), offset, x.strides))
        return self.known(x)

    def is_part(self, array: Any) -> bool:
        """Whether an array is, or looks at, one that was made here."""
        return id(root(array)) in self._shadows

    def alive(self) -> dict[int, Any]:
        """Of every shadow whose array still lives that array, by the shadow's id."""
        living = ((reference(), shadow) for reference, shadow in self._shadows.values())
        return {id(shadow): array for array, shadow in living if array is not None}

    def _remember(self, array: Any, shadow: Any) -> None:
        me, key = weakref.ref(self), id(array)

        def forget(_: Any) -> None:
            shadows = me()
            if shadows is not None:
                del shadows._shadows[key]

        self._shadows[key] = weakref.ref(array, forget), shadow

    def _empty(self, array: Any) -> Any:
        """An array of that shape and layout, and below it one of bytes that stands for its memory."""
        if len(self._zeros) < array.nbytes:
            self._zeros = bytes(2 * array.nbytes)
        memory = np.ndarray(array.nbytes, np.uint8, self._zeros)
        return np.ndarray(array.shape, array.dtype, memory, strides=array.strides)
