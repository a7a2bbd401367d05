"""What the lines' results would like to be called: the user's variable, z and a of a layer, the op. 结果的名称"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_zh import nn
from tinygrad_zh.core.tape import Line
from tinygrad_zh.nn import Module
from tinygrad_zh.ops import activation, loss, normalization, pooling, shape, update
from tinygrad_zh.program.listing.identifiers import identifier
from tinygrad_zh.program.listing.parts import Hint
from tinygrad_zh.program.naming import name_of_op, names_around, result_names
from tinygrad_zh.program.recording import scalar_of

if TYPE_CHECKING:
    from tinygrad_zh.program.listing.lister import Lister


class Results:
    """Hints for what the lines compute: the user's variable, z and a of a layer, else the op's name."""

    def __init__(self, lister: Lister) -> None:
        self.lister = lister
        lines = lister.tape.of("forward")
        here = {id(line) for line in lines if line.info["at"] == lister.recording.asked}  # program = unroll(model, x)
        self.bound = {key: names for key, names in result_names(lines).items() if key not in here}
        self.times = Counter(name for names in self.bound.values() for name in names)
        self.around = {key: names for key, names in names_around(lines).items() if key not in here}
        self.times_around = Counter(names for names in self.around.values())
        self.reader = {id(a): line.info["op"] for line in reversed(lines) for a in line.arguments[:1]}
        self.last = _last_lines(lines)
        self.reads = Counter(id(a) for line in lines for a in line.arguments)
        self.multiply = {id(line.info["modules"][-1]) for line in lines
                         if line.info["modules"] and line.info["op"].__name__ in ("MatMul", "Conv2d")}
        seeds = lister.tape.of("seed")
        root = seeds[0].info["tensor"] if seeds else scalar_of(lister.recording.result)
        self.root = id(root.array) if root is not None else 0
        self.seen = Counter[str]()
        self.of_parameter: dict[int, str] = {}  # the id of an array -> the parameter whose gradient it was made of
        self.number = ""  # of the layer whose formula is being written
        self.parts: dict[str, str] = {}  # z1 -> "1"
        self.roots: dict[str, str] = {}  # z1_reshape -> z1

    def of(self, line: Line) -> list[Hint]:
        op = line.info["op"]
        outputs = len(line.outputs) if op.many else len(op.outputs)
        names: tuple[str, ...] = self.bound.get(id(line), ()) or (self.around.get(id(line), ()) if outputs > 1 else ())
        if len(names) != outputs or (outputs == 1 and self.times[names[0]] > 1):
            names = ()
        if names:
            hints = [Hint("value", identifier(name), own=True) for name in names]
        elif op.__module__ == update.__name__:
            hints = [self._updated(line, name) for name in op.outputs]
        elif id(line.outputs[0]) == self.root:
            hints = [Hint("value", "loss", own=True)]
        else:
            hints = [self._hint(line, k) for k in range(outputs)]
        self._remember(line, hints[0].base)
        number = self.lister.modules.numbers.get(id(self.last.get(id(line))), "")
        self.number = number
        return hints + [Hint("local", name + number) for name in op.aux]

    def _updated(self, line: Line, name: str) -> Hint:
        """A gradient that is clipped is that gradient still."""
        first = self.lister.listing.hints.get(self.lister.names.get(id(line.arguments[0]), ""))
        return Hint("gradient", of=first.of) if name == "g" and first is not None and first.kind == "gradient" \
            else Hint("value", name)

    def _remember(self, line: Line, base: str) -> None:
        number = self.lister.modules.numbers.get(id(self.last.get(id(line))))
        if number is not None and line.info["op"].__name__ in AFFINE:
            self.parts[base] = number
        if line.info["op"].__module__ == normalization.__name__:  # between z and a
            before = self.lister.base_of(self.lister.names.get(id(line.arguments[0]), ""))
            self.parts |= {base: self.parts[before]} if before in self.parts else {}

    def _hint(self, line: Line, k: int) -> Hint:
        op = line.info["op"]
        number = self.lister.modules.numbers.get(id(self.last.get(id(line))))
        if op.__name__ not in AFFINE and not type(self.last.get(id(line))).__module__.startswith(nn.__name__):
            number = None  # the last op of a model of the user's own
        if number is not None and not (op.__name__ == "Add" and id(self.last[id(line)]) not in self.multiply):
            # what a layer with parameters gives
            role = self.lister.modules.roles.get(id(self.last[id(line)]), "")
            named = (role if len(role) == 1 and role != "E" else "z") if op.__name__ in AFFINE \
                else name_of_op(op.__name__)
            return Hint("value", named + number, own=op.__name__ in AFFINE)
        first = self.lister.names.get(id(line.arguments[0])) if line.arguments else None
        base = self.lister.base_of(first) if first is not None else ""
        if op.__module__ == activation.__name__ and base in self.parts:
            self.parts["a" + self.parts[base]] = self.parts[base]
            return Hint("value", "a" + self.parts[base], own=True)
        repeated = self.bound.get(id(line), ())
        if len(repeated) == 1:
            return Hint("value", identifier(repeated[0]), own=True)
        around = self.around.get(id(line), ())
        if len(around) == 1 and not (len(around[0]) == 1 and around[0] in "xyza"):  # which every layer has
            self.seen[around[0]] += 1
            several = self.times_around[around] > 1
            return Hint("value", identifier(around[0]) + (str(self.seen[around[0]]) if several else ""), own=True)
        return Hint("value", identifier(self._by_op(line, k, base)))

    def _by_op(self, line: Line, k: int, base: str) -> str:
        """What a value is called that has no name but the op's."""
        op = line.info["op"]
        name = WORDS.get(op.__name__) or name_of_op(op.__name__)
        reader = self.reader.get(id(line.outputs[0]))
        if op.__module__ == loss.__name__:  # one a sample, before their mean
            return "losses"
        if op.__module__ != shape.__name__ and reader is not None:
            if reader.__module__ == loss.__name__:
                return "logits" if reader.inputs[0] == "x" else "prediction"
            if reader.__name__ in ("Softmax", "MaskedSoftmax"):
                return "scores"
        if op.__name__ in ("Softmax", "MaskedSoftmax") and reader is not None and reader.__name__ == "MatMul":
            return "weights"
        if op.__module__ == pooling.__name__ and base in self.parts:
            return "pooled" + self.parts[base]
        parameter = self._parameter(line)
        if parameter and op.__name__ in ("Cast", "Norm"):  # on the way to the norm of all gradients
            self.of_parameter[id(line.outputs[0])] = parameter
            return "g" if op.__name__ == "Cast" else f"norm_{parameter}"
        if op.__name__ == "Concat" and base.startswith("norm_"):
            return "norms"
        if op.__module__ == shape.__name__ and base:  # z2 in another shape: z2_reshape
            name = f"{self._root(base)}_{self._moved(line, name)}"
            self.roots[name] = self._root(base)
        elif op.__name__ == "MatMul":
            names = [self.lister.names.get(id(a), "") for a in line.arguments]
            name = "".join(names) if all(1 <= len(n) <= 3 for n in names) else name  # X @ w: Xw
        elif op.__name__ == "Add" and self._residual(line):
            name = "h"
        elif op.__module__ == activation.__name__ and 1 <= len(base) <= 3 and self._own(line.arguments[0]):
            # of an LSTM's gate i: sigmoid_i
            name = f"{name}_{base}"
        elif op.__name__ == "Dropout" and base:
            name = f"{base}_dropped"
        if op.many:
            return f"{name}{k + 1}"
        return name if k == 0 else op.outputs[k]


    def _residual(self, line: Line) -> bool:
        """Whether two paths meet, of which one begins at a value that is read elsewhere too."""
        inner = [isinstance(source, tuple) for source in line.info["sources"]]
        return (all(inner) or bool(line.info["modules"])) and any(
            self.reads[id(a)] > 1 for a, within in zip(line.arguments, inner, strict=True)
            if within or not line.info["modules"] or id(a) in self.lister.inputs)

    def _own(self, array: Any) -> bool:
        """Whether the user's program has a name for a value."""
        hint = self.lister.listing.hints.get(self.lister.names.get(id(array), ""))
        return hint is not None and hint.own

    def _parameter(self, line: Line) -> str:
        """The parameter whose gradient an update reads first."""
        first = line.arguments[0] if line.arguments else None
        hint = self.lister.listing.hints.get(self.lister.names.get(id(first), ""))
        of = self.lister.base_of(hint.of) if hint is not None and hint.kind == "gradient" else ""
        return of or self.of_parameter.get(id(first), "")

    def _root(self, base: str) -> str:
        return self.roots.get(base, base)

    def _moved(self, line: Line, name: str) -> str:
        """x_flat where axes are made into one, x_T where the last two change places."""
        before, after = line.arguments[0].shape, line.outputs[0].shape
        if name == "reshape" and len(after) < len(before):
            return "flat"
        return "T" if name == "transpose" and len(after) == 2 else name


WORDS = {"Sum": "total", "Pow": "power", "Max": "largest", "Min": "smallest", "Abs": "size", "Slice": "part",
         "Div": "ratio", "Where": "chosen"}
"""For ops that are called like something of Python's own."""
AFFINE = frozenset({"MatMul", "Add", "Conv2d"})


def _last_lines(lines: Sequence[Line]) -> dict[int, Module]:
    """{the id of a line: the layer whose value it gives}"""
    found: dict[int, Module] = {}
    last: dict[tuple[int, ...], Line] = {}
    for line in lines:
        stack = line.info["modules"]
        if stack:
            last[tuple(map(id, stack))] = line
    calls: list[tuple[Module, Line]] = []
    for line, after in zip(lines, [*lines[1:], None], strict=True):
        stack = line.info["modules"]
        if stack and (after is None or after.info["modules"] != stack or _again(line, after)):
            calls.append((stack[-1], line))
    for module, line in calls:
        found[id(line)] = module
    return found


def _again(line: Line, after: Line) -> bool:
    """Whether the same layer is called once more, on what it gave."""
    return after.info["op"].__name__ in ("MatMul", "Conv2d") and line.info["op"].__name__ in ("Add", "Conv2d")
