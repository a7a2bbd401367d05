"""Which program replays a recorded step: compiled loops where they can be had, else the formulas. 选择重放的方式"""

from __future__ import annotations

from typing import Any, NamedTuple

from tinygrad_zh.core.mode import MODE
from tinygrad_zh.kernels import FORMULAS, use_kernels
from tinygrad_zh.program.compiling.recorded import Recorded, Unsupported
from tinygrad_zh.program.compiling.replay import replay


class Made(NamedTuple):
    """What was made: the program, and why it is none of compiled loops, if it is not."""

    program: Any
    why: Unsupported | None = None


def build(recorded: Recorded, kernels: str) -> Made:
    """The program of a run that did what the run before did."""
    if kernels == FORMULAS:
        return Made(replay(recorded, MODE.get().kernels))
    try:
        from tinygrad_zh.program.native.program import build as compiled  # Numba stays off the import path
    except ImportError:
        return Made(replay(recorded, MODE.get().kernels), Unsupported("compile.why.no_numba"))
    try:
        return Made(compiled(recorded))
    except Unsupported as why:
        return Made(replay(recorded, _bodies()), why)
    except Exception as error:  # the step itself has run; explain() tells what went wrong here
        told = f"{type(error).__name__}: {error}"
        return Made(replay(recorded, _bodies()), Unsupported("compile.why.failed", error=told))


def _bodies() -> Any:
    """What use_kernels("numba") puts in the formulas' place."""
    with use_kernels("numba"):
        return MODE.get().kernels
