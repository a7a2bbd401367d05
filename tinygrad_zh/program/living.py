"""What there is in this process, of some classes. 进程中现存的对象"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any


def living(*classes: type[Any]) -> list[Any]:
    """All objects of these classes and of their subclasses.

    Looks once at everything that the garbage collector knows: in a process with millions of objects that takes a
    second, so ask for all classes together.
    """
    wanted = {kind for base in classes for kind in _descent(base)}
    return [x for x in gc.get_objects() if type(x) in wanted]


def _descent(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from _descent(subclass)
