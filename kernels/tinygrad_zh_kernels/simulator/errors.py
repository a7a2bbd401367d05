"""What is wrong in a kernel, where, and in which thread."""

from __future__ import annotations

import dis
import sys
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import NamedTuple

from tinygrad_zh_kernels.emulator import KernelError

__all__ = ["KernelError", "Site", "in_kernel", "raised_at", "site"]

_HERE = str(Path(__file__).parent)


class Site(NamedTuple):
    """A place in a kernel: the code, and the instruction in it. Cheap to take; the line is looked up when needed."""

    code: CodeType
    instruction: int

    @property
    def line(self) -> int:
        """The line in the file."""
        lines = [line for start, end, line in self.code.co_lines() if start <= self.instruction < end]
        return lines[0] if lines and lines[0] is not None else self.code.co_firstlineno

    @property
    def target(self) -> str | None:
        """The variable that the result of this instruction, a call, is put into."""
        following = (i for i in dis.get_instructions(self.code) if i.offset > self.instruction)
        step = next((i for i in following if i.opname not in ("CACHE", "NOP")), None)
        if step is None or not step.opname.startswith(("STORE_FAST", "STORE_DEREF")):
            return None
        return str(step.argval[0] if isinstance(step.argval, tuple) else step.argval)  # a tuple: two steps in one

    def __str__(self) -> str:
        path = Path(self.code.co_filename)
        return f"{path.parent.name}/{path.name}:{self.line}"


def in_kernel(frame: FrameType | None) -> FrameType | None:
    """The innermost frame that belongs to a kernel, not to the simulator."""
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        frame = frame.f_back
    return frame


def site() -> Site | None:
    """Where the kernel is now."""
    frame = in_kernel(sys._getframe(1))
    return Site(frame.f_code, frame.f_lasti) if frame else None


def raised_at(traceback: TracebackType | None) -> Site | None:
    """Where in the kernel an exception came from."""
    found = None
    while traceback is not None:
        frame = traceback.tb_frame
        if not frame.f_code.co_filename.startswith(_HERE):
            found = Site(frame.f_code, traceback.tb_lasti)
        traceback = traceback.tb_next
    return found
