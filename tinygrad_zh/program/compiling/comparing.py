"""Two runs of a step: did they do the same, and with the same constants? 两次录制的比较"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_zh.program.compiling.recorded import Recorded, Unsupported
from tinygrad_zh.program.compiling.structure import Leaf


class Pending:
    """What has to be known of a run when the next one comes; the arrays in between are not."""

    def __init__(self, recorded: Recorded, structure: Any, kind: Any) -> None:
        branches = tuple([r.array.tobytes() for r in recorded.reads if r.array.dtype == np.bool_])
        self.key = kind, recorded.signature, branches
        self.structure = structure
        self.signature = recorded.signature
        self.constants = recorded.constants
        self.reads = [(r.array.tobytes(), r.where) for r in recorded.reads]
        self.places = [line.info["where"] for line in recorded.lines]

    def compare(self, before: Pending) -> None:
        """Raises Unsupported, with the place of the first difference, unless the run before did the same."""
        for i, (now, then) in enumerate(zip(self.signature, before.signature, strict=False)):
            if now != then:
                raise Unsupported("compile.why.branch", where=self._place(i))
        if len(self.signature) != len(before.signature):
            raise Unsupported("compile.why.branch", where=self._place(-1))
        for constant, old in zip(self.constants, before.constants, strict=True):
            if not _equal(constant.value, old.value):
                raise Unsupported("compile.why.constant", where=constant.where, what=_told(constant.value))
        for (now, where), (then, _) in zip(self.reads, before.reads, strict=True):
            if now != then:
                raise Unsupported("compile.why.read", where=where)
        if not _same_structure(self.structure, before.structure):
            raise Unsupported("compile.why.output_changes")


    def _place(self, i: int) -> str:
        """The place of a line, or of the last one: after the lines the signature goes on with effects."""
        return (self.places[i : i + 1] or self.places[-1:] or ["?"])[0]


def _equal(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if isinstance(a, np.ndarray):
        return (a.shape, a.dtype) == (b.shape, b.dtype) and a.tobytes() == b.tobytes()
    return type(a) is type(b) and bool(a == b or (a != a and b != b))


def _same_structure(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(_same_structure(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(_same_structure, a, b))
    return isinstance(a, Leaf) == isinstance(b, Leaf) and _equal(a, b)


def _told(value: Any) -> str:
    return f"{value.dtype} {value.shape}" if isinstance(value, np.ndarray) else repr(value)[:40]
