"""A launcher that notes what it is asked to launch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple


class Launch(NamedTuple):
    """One kernel launch."""

    kernel: str
    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int

    def __str__(self) -> str:
        shared = f", {self.shared} B" if self.shared else ""
        return f"{self.kernel} <<<{_dim(self.grid)}, {_dim(self.block)}{shared}>>>"


class Noted:
    """Launches by another launcher, and a list of them. 中文：记录每一次启动。"""

    def __init__(self, launch: Any) -> None:
        self.launch = launch
        self.launches: list[Launch] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.launch, name)

    def cuda_c(self, file: Path, name: str, grid: Any, block: Any, arguments: Any, **options: Any) -> None:
        self.launches.append(Launch(name, grid, block, options.get("shared", 0)))
        self.launch.cuda_c(file, name, grid, block, arguments, **options)

    def numba(self, kernel: Any, grid: Any, block: Any, arguments: Any, *, shared: int = 0) -> None:
        name = getattr(kernel, "py_func", kernel).__name__
        self.launches.append(Launch(name, grid, block, shared))
        self.launch.numba(kernel, grid, block, arguments, shared=shared)


def _dim(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))
