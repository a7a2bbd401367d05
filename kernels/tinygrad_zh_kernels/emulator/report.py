"""What the runtime found, as one sentence: where in the source, which thread, what, and what is missing."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path

from tinygrad_zh_kernels.emulator.trace import Step

HERE = Path(__file__).parent
Three = ctypes.c_uint * 3


class KernelError(RuntimeError):
    """A kernel does what it must not: outside an array, a race, a barrier that not all reach, a wrong argument.

    steps: what the watched thread had done until then, if one was watched.
    """

    def __init__(self, message: str, steps: Sequence[Step] = ()) -> None:
        super().__init__(message)
        self.steps = list(steps)


class Kind(IntEnum):
    """As in runtime.cpp."""

    FINE = 0
    OUTSIDE = 1
    WILD = 2
    CONSTANT = 3
    UNWRITTEN = 4
    UNDEFINED = 5
    RACE = 6
    DIVERGENCE = 7
    DEADLOCK = 8
    NOT_IN_MASK = 9
    ABSENT_LANE = 10
    BOUNDS = 11
    MISALIGNED = 12
    DIVISION = 13
    ENDLESS = 14
    SHARED_LIMIT = 15


class Access(ctypes.Structure):
    """One thread at one place in the code."""

    _fields_ = (("block", Three), ("thread", Three), ("code", ctypes.c_uint64), ("write", ctypes.c_int),
                ("atomic", ctypes.c_int))


class Trouble(ctypes.Structure):
    """runtime.h's struct of this name."""

    _fields_ = (("kind", ctypes.c_int), ("now", Access), ("before", Access), ("array", ctypes.c_int),
                ("name", ctypes.c_char * 64), ("index", ctypes.c_longlong), ("length", ctypes.c_uint64),
                ("mask", ctypes.c_uint), ("numbers", ctypes.c_uint64 * 2), ("text", ctypes.c_char * 128))


def sentence(library: Path, trouble: Trouble, arrays: Sequence[str]) -> str:
    """The trouble in words. `arrays`: the arguments' names, by the number of their array."""
    now, before = trouble.now, trouble.before
    return f"{place(library, now.code)}: {thread(now)} {_what(library, trouble, arrays, before)}"


def _what(library: Path, trouble: Trouble, arrays: Sequence[str], before: Access) -> str:
    shared = trouble.array < 0
    name = trouble.name.decode() if shared else arrays[trouble.array]
    array = f"the shared array {name}" if shared else name
    element = f"element {trouble.index} of {array}"
    does = _verb(trouble.now)
    same_block = tuple(trouble.now.block) == tuple(before.block)
    a, b = trouble.numbers
    text = trouble.text.decode().strip("'")
    match Kind(trouble.kind):
        case Kind.OUTSIDE:
            return f"{does} {element}, which has {trouble.length}"
        case Kind.WILD:
            return f"{does} at an address that is in no argument and in no shared array"
        case Kind.CONSTANT:
            return f"{does} {element}, which the kernel takes as const"
        case Kind.UNWRITTEN:
            return f"{does} {element}, which no thread of the block has written"
        case Kind.UNDEFINED:
            return f"{does} {element}, which is not initialised: it came from empty() and nobody has written it"
        case Kind.RACE:
            other = f"{_thread(before)} of {'the same block' if same_block else 'block ' + _three(before.block)}"
            return (f"{does} {element}, which {other} {_verb(before)} too ({place(library, before.code)}); "
                    + _missing(trouble.now, before))
        case Kind.DIVERGENCE:
            return (f"waits at this barrier while {_thread(before)} waits at another ({place(library, before.code)}); "
                    "all threads of a block must come to the same __syncthreads()")
        case Kind.DEADLOCK:
            ended = f"; {a} threads have ended" if a else ""
            waits = "waits here for ever"
            if b:
                waits += f" for {_thread(before)}, which waits elsewhere ({place(library, before.code)})"
            mask = f"; the mask {trouble.mask:#010x} names lanes that do not come here" if trouble.mask else ""
            return f"{waits}{mask}{ended}"
        case Kind.NOT_IN_MASK:
            return f"calls a function of the warp with the mask {trouble.mask:#010x}, which leaves out its own lane {a}"
        case Kind.ABSENT_LANE:
            return (f"receives from lane {a}, which takes no part: the mask is {trouble.mask:#010x}, and threads that "
                    "have ended give nothing")
        case Kind.BOUNDS:
            return f"uses index {trouble.index} of an array {text}"
        case Kind.MISALIGNED:
            if not b:
                return "follows a null pointer"
            return (f"reads or writes a {text} at an address that is no multiple of {a} bytes, which a GPU refuses; "
                    "take the scalar path there")
        case Kind.DIVISION:
            return "divides an integer by zero"
        case Kind.ENDLESS:
            return "seems to loop for ever: its block has run too many steps"
        case Kind.SHARED_LIMIT:
            return f"has {a} bytes of static shared memory; the limit is 49152"
        case _:
            return "met trouble of an unknown kind"


def _verb(access: Access) -> str:
    return "updates" if access.atomic else "writes" if access.write else "reads"


def _missing(now: Access, before: Access) -> str:
    if tuple(now.block) != tuple(before.block):
        return "nothing orders the blocks of a launch: use an atomic, or a second kernel"
    if now.atomic != before.atomic:
        return "no barrier stands between, and only one of the two is atomic"
    return "no barrier stands between"


def thread(access: Access) -> str:
    """"thread (3,0,0) of block (1,0,0)"."""
    return f"{_thread(access)} of block {_three(access.block)}"


def _thread(access: Access) -> str:
    return f"thread {_three(access.thread)}"


def _three(index: Sequence[int]) -> str:
    return f"({index[0]},{index[1]},{index[2]})"


def place(library: Path, code: int) -> str:
    """"common.cuh line 55, called from softmax.cu line 23": inlined functions too, from the debug information."""
    found = [f"{Path(file).name} line {line}" for file, line in lines(library, code)]
    return ", called from ".join(found) or "an unknown line"


def lines(library: Path, code: int) -> list[tuple[str, int]]:
    """(file, line) from the innermost function to the kernel, without the emulator's own."""
    tool = shutil.which("addr2line")
    if tool is None:
        return []
    # The address is the one that the call returns to: the line is that of the byte before.
    done = subprocess.run([tool, "-i", "-e", str(library), hex(code - 1)], capture_output=True, text=True)
    found = []
    for line in done.stdout.splitlines():
        file, _, number = line.partition(" ")[0].rpartition(":")
        if number.isdigit() and not Path(file).is_relative_to(HERE):
            found.append((file, int(number)))
    return found
