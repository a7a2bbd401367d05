"""The registers that every CUDA C kernel may use: what it used when somebody last looked, in registers.json.

A kernel that takes more than it did runs in fewer threads at once, and nobody sees it without a GPU. So a higher
number is a commit of its own, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from tinygrad_zh_kernels.launcher import COMMON
from tinygrad_zh_kernels.offline.launches import CudaC
from tinygrad_zh_kernels.offline.nvrtc import nvrtc

ARCHITECTURES = ("sm_80", "sm_90")  # A100 and H100
HERE = COMMON.parent
FILE = HERE / "registers.json"
WRITE = "python -m tinygrad_zh_kernels.offline --write"

Place = tuple[str, str, str, str]  # file, kernel, dtype, architecture


class Measured(NamedTuple):
    """What ptxas says of all kernels: registers, the most over a kernel's macros; and what must not be."""

    registers: dict[Place, int]
    spills: list[str]
    unused: list[str]


def measure(launched: Iterable[CudaC]) -> Measured:
    """Compile every kernel that is launched, with every set of macros, for every architecture."""
    registers: dict[Place, int] = {}
    spills, idle, used = [], set(), set()
    names_of = {program: {launch.name for launch in group}
                for program, group in groupby(sorted(launched, key=_program), key=_program)}
    with ThreadPoolExecutor() as pool:  # the compiler runs outside of Python's lock
        compiled = {(program, arch): pool.submit(nvrtc, *program[:2], arch, program[2])
                    for program in names_of for arch in ARCHITECTURES}
    for (file, dtype, defines), names in names_of.items():
        used |= {(file, name) for name in names}
        for arch in ARCHITECTURES:
            usage = compiled[(file, dtype, defines), arch].result().usage
            idle |= {(file, name) for name in usage}
            for name in sorted(names):
                place = relative(file), name, dtype, arch
                registers[place] = max(usage[name].registers, registers.get(place, 0))
                if usage[name].spilled or usage[name].stack:
                    spills.append(f"{' '.join((*place, *defines))}: {usage[name].spilled} bytes spilled, "
                                  f"{usage[name].stack} bytes of stack")
    unused = [f"{relative(file)}: no body launches {name}" for file, name in sorted(idle - used)]
    return Measured(registers, spills, unused)


def _program(launch: CudaC) -> tuple[Path, str, tuple[str, ...]]:
    return launch.file, launch.dtype, launch.defines


def relative(file: Path) -> str:
    """A .cu file as registers.json names it: softmax/softmax.cu."""
    return file.relative_to(HERE).as_posix() if file.is_relative_to(HERE) else file.name


def read() -> dict[Place, int]:
    """The committed budget."""
    tree = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}
    return {(file, kernel, dtype, arch): n for file, kernels in tree.items() for kernel, dtypes in kernels.items()
            for dtype, archs in dtypes.items() for arch, n in archs.items()}


def write(registers: dict[Place, int]) -> None:
    """Make this the budget."""
    tree: dict[str, dict[str, dict[str, dict[str, int]]]] = {}
    for (file, kernel, dtype, arch), n in registers.items():
        tree.setdefault(file, {}).setdefault(kernel, {}).setdefault(dtype, {})[arch] = n
    FILE.write_text(json.dumps(tree, indent=1, sort_keys=True) + "\n", encoding="utf-8")


class Difference(NamedTuple):
    """A kernel whose registers are not as budgeted; None: it is not in the budget, or is no more."""

    place: Place
    budget: int | None
    now: int | None

    @property
    def allowed(self) -> bool:
        """Whether the budget holds: fewer registers, or a kernel that is gone."""
        return self.now is None or (self.budget is not None and self.now <= self.budget)

    def __str__(self) -> str:
        numbers = (f"{'–' if n is None else n:>6}" for n in (self.budget, self.now))
        word = ("new" if self.budget is None else "gone" if self.now is None else
                "more" if self.now > self.budget else "fewer")
        return f"{' '.join(self.place):70}{''.join(numbers)}  {word}"


def differences(budget: dict[Place, int], now: dict[Place, int]) -> Iterator[Difference]:
    """Where the two are not the same."""
    for place in sorted(budget.keys() | now.keys()):
        if budget.get(place) != now.get(place):
            yield Difference(place, budget.get(place), now.get(place))
