"""Calls of modules: each has a path, a parent, and a block, the number of its structure."""

from __future__ import annotations

from typing import Any


class Modules:
    """The list "modules": one entry for each call of a module, in the order of entering."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.tensors: dict[int, str] = {}  # the id of a parameter or a state -> its path
        self._paths: dict[int, str] = {}
        self._stack: list[int] = []
        self._inside: list[list[Any]] = []  # what happened in each call: ops by name and shape, calls by block
        self._blocks: dict[tuple[Any, ...], int] = {}

    def enter(self, module: Any, depth: int) -> None:
        self._leave_down_to(depth)
        if id(module) not in self._paths:
            for path, part in module.named_modules():
                self._paths.setdefault(id(part), path)
            for path, tensor in module.named_tensors():
                self.tensors.setdefault(id(tensor), path)
        parent = self._stack[-1] if self._stack else None
        self._stack.append(len(self.calls))
        self._inside.append([])
        self.calls.append({"path": self._paths[id(module)], "kind": type(module).__name__, "parent": parent,
                           "block": 0})

    def leave(self) -> None:
        call = self._stack.pop()
        kind, inside = self.calls[call]["kind"], tuple(self._inside[call])
        block = self.calls[call]["block"] = self._blocks.setdefault((kind, *inside), len(self._blocks) + 1)
        if self._stack:
            self._inside[self._stack[-1]].append(block)

    def current(self, depth: int, name: str, shapes: Any) -> int | None:
        """The call that an op ran in. depth: how many modules were entered."""
        self._leave_down_to(depth)
        if not self._stack:
            return None
        self._inside[self._stack[-1]].append((name, shapes))
        return self._stack[-1]

    @property
    def depth(self) -> int:
        """How many modules are open: after an error, those that it happened in."""
        return len(self._stack)

    def close(self) -> None:
        """Leave what is open at the end."""
        self._leave_down_to(0)

    def _leave_down_to(self, depth: int) -> None:
        """An error left modules without a word."""
        while len(self._stack) > depth:
            self.leave()
