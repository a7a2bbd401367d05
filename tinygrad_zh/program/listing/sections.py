"""Where a line of the tape stands: forward, loss, backward, update; and where a step ends. 程序的各部分"""

from __future__ import annotations

from collections.abc import Sequence

from tinygrad_zh.core.tape import Line, Tape
from tinygrad_zh.ops import loss
from tinygrad_zh.program.listing.parts import BACKWARD, FORWARD, LOSS, UPDATE


def first_step(tape: Tape) -> Tape:
    """The lines of a tape up to the end of the first step: until it goes forward again after a pass backward."""
    section_of = sections(tape)
    first = Tape(tape.title)
    first.leaves, first.names = tape.leaves, tape.names
    learnt = False
    for line in tape:
        section = section_of[id(line)]
        learnt = learnt or section in (BACKWARD, UPDATE)
        if learnt and section in (FORWARD, LOSS) and line.kind == "forward":
            break
        first.append(line)
    return first


def sections(tape: Sequence[Line]) -> dict[int, str]:
    """{the id of a line: the section that it stands in}

    Between a pass backward and the last assignment of something that depends on a gradient all is update; of what
    comes before the pass, the loss is the first op of ops.loss, or of the expression whose value the pass starts from.
    """
    found: dict[int, str] = {}
    after_gradient: set[int] = set()
    seeds = [i for i, line in enumerate(tape) if line.kind == "seed"]
    starts = [0, *seeds]
    for start, end in zip(starts, [*seeds, len(tape)], strict=True):
        part = list(enumerate(tape))[start:end]
        last_backward = max((i for i, line in part if line.kind in ("backward", "accumulate", "sum_to", "cast", "seed",
                                                                    "gradient")), default=-1)
        last_update = -1
        for i, line in part:
            depends = any(id(a) in after_gradient for a in line.arguments)
            if line.kind in ("seed", "backward", "sum_to", "cast", "accumulate", "gradient") or \
                    (line.kind == "forward" and depends):
                after_gradient.update(map(id, line.outputs))
            if line.kind == "assign" and depends:
                after_gradient.discard(id(line.outputs[0]))
                last_update = i
            found[id(line)] = FORWARD
            if last_backward >= i:
                found[id(line)] = BACKWARD
            elif line.kind in ("forward", "assign") and depends:
                found[id(line)] = UPDATE
        for i, line in part:
            if last_backward < i <= last_update:
                found[id(line)] = UPDATE
        _mark_loss([line for _, line in part if line.kind == "forward" and found[id(line)] == FORWARD], found)
    return found


def _beginning(lines: list[Line], place: str) -> int:
    """Of the lines at the end that ran at one place of the program, outside of its models, the first; 0 if all did."""
    first = len(lines) - 1
    while first and lines[first - 1].info[place] == lines[-1].info[place] and not lines[first - 1].info["modules"]:
        first -= 1
    return first


def _mark_loss(lines: list[Line], found: dict[int, str]) -> None:
    """The end of the forward lines."""
    if not lines:
        return
    first = next((i for i, line in enumerate(lines) if line.info["op"].__module__ == loss.__name__), None)
    if first is None and lines[-1].outputs[0].size == 1:
        first = _beginning(lines, "where") or _beginning(lines, "at") or len(lines) - 1
    for line in lines[first:] if first is not None else []:
        found[id(line)] = LOSS
