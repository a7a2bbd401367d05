"""The emulator and the contracts' calls catch the mistakes that are put into our CUDA C, one at a time.

The first set of mutants is the one that the emulator and the calls were made on: all are caught, but for those that
are the same program, each with the reason. The second set was written when the emulator was frozen (commit fdbae96),
so that its rate says something of mistakes that nobody has thought of; who is not caught there is listed too.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

import tinygrad_zh_kernels as library
from tests.kernels.mutants import FIRST, SECOND, Mutated, mutate, survivors
from tinygrad_zh_kernels import Body

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the emulator of CUDA C needs g++")

KERNELS = Path(library.__file__).parent
ROOMS = sorted({kernel.room for kernel in library.kernels().values()})
SHARED = {"common.cuh": ("softmax", "layer_norm"), "row.cuh": ("softmax",), "columns.cuh": ("layer_norm",)}
"""The files of several rooms, and the rooms whose calls see all of them."""
PLACES = (*ROOMS, *SHARED)
KNOWN = json.loads(Path(__file__).with_name("survivors.json").read_text(encoding="utf-8"))
EQUIVALENT = {tuple(mutant) for mutants in KNOWN["equivalent"].values() for mutant in mutants}
MISSED = {tuple(mutant) for mutant in KNOWN["missed"]}


def bodies(what: str) -> list[Body]:
    """The bodies in CUDA C of a room, or of those that see a shared file."""
    return [body for kernel in library.kernels().values() if kernel.room in SHARED.get(what, (what,))
            for name, body in library.bodies(kernel).items() if name.startswith("cuda-c")]


def files(what: str) -> list[Path]:
    """What is mutated: the files of a room, or a shared one."""
    return [KERNELS / what] if what in SHARED else sorted((KERNELS / what).glob("*.cu*"))


ALL = "TINYGRAD_ZH_ALL_MUTANTS" in os.environ
"""Whether to try every mutant. Otherwise a part of those that take longest: attention's, and the second set."""


def first(what: str) -> Mutated:
    """The first set; a third of it where it is as long as all the others."""
    mutated = mutate(files(what), FIRST)
    mutated.mutants = mutated.mutants[:: 3 if what == "attention" and not ALL else 1]
    return mutated


def second(what: str, every: int = 8) -> Mutated:
    """Every eighth of the second set, on which the rate was measured; or fewer of these."""
    mutated = mutate(files(what), SECOND)
    mutated.mutants = mutated.mutants[::every]
    return mutated


def test_every_header_is_mutated_in_some_room() -> None:
    assert {path.name for path in KERNELS.glob("*.cuh")} == set(SHARED)


@pytest.mark.slow
@pytest.mark.parametrize("what", PLACES)
def test_every_mistake_is_caught(what: str) -> None:
    mutated = first(what)
    left = survivors(mutated, bodies(what), EQUIVALENT)
    assert not left, "\n".join(map(str, left))
    assert mutated.mutants


@pytest.mark.slow
@pytest.mark.parametrize("what", PLACES)
def test_of_other_mistakes_only_the_known_ones_are_missed(what: str) -> None:
    left = survivors(second(what, 8 if ALL else 64), bodies(what), MISSED)
    assert not left, "\n".join(map(str, left))


def test_nine_of_ten_other_mistakes_are_caught() -> None:
    made = [mutant.key for what in PLACES for mutant in second(what).mutants]
    assert sum(key not in MISSED for key in made) >= 0.9 * len(made)


def test_what_is_listed_exists() -> None:
    seeded = {mutant.key for what in PLACES for mutant in mutate(files(what), FIRST).mutants}
    assert EQUIVALENT <= seeded, EQUIVALENT - seeded
    other = {mutant.key for what in PLACES for mutant in second(what).mutants}
    assert MISSED <= other, MISSED - other
