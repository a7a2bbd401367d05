"""From the tape to the program: one pass over the lines. 由磁带写出程序"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import FunctionType
from typing import Any

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.core.tape import Line
from tinygrad_zh.core.tensor import Accumulator
from tinygrad_zh.device import move, on_cuda
from tinygrad_zh.ops import loss
from tinygrad_zh.program.inlining import alike, constant, inlined, read_by
from tinygrad_zh.program.listing.identifiers import RESERVED, identifier
from tinygrad_zh.program.listing.leaves import Parameters, entered
from tinygrad_zh.program.listing.parts import UPDATE, Hint, Leaf, Listing, Statement
from tinygrad_zh.program.listing.results import Results
from tinygrad_zh.program.listing.sections import sections
from tinygrad_zh.program.recording import Recording, scalar_of

CONSTANTS = {"b": "mask", "i": "index", "u": "index", "f": "constant"}
"""Names for arrays that have none, by the kind of their dtype."""


class Lister:
    """One pass over the lines; each kind has its method."""

    def __init__(self, recording: Recording) -> None:
        self.recording, self.tape = recording, recording.tape
        self.listing = Listing(recording.title, recording.about)
        self.names: dict[int, str] = {}  # the id of an array -> its name
        self.used = set(RESERVED) | _functions_of(self.tape)
        self.totals: dict[Any, str] = {}  # a source -> the name of its gradient so far
        self.settings: dict[tuple[str, float], str] = {}
        self.updated: dict[Any, list[str]] = {}  # what an update computes -> its names
        self.generators: dict[int, tuple[str, np.random.Generator]] = {}
        self.sections = sections(self.tape)
        self.modules = Parameters(recording)
        self.constants: dict[Any, str] = {}  # what is in an array of no tensor -> its name
        self.inputs = {id(getattr(x, "array", x)): name for name, x in recording.arguments.items()}
        self.entered = entered(self.tape)
        self.results = Results(self)
        self.listing.reserved = frozenset(identifier(name) for name in (
            *self.inputs.values(), *self.tape.names.values(), *self.results.times) if name)
        self._write()

    def _write(self) -> None:
        writers = {"forward": self._forward, "seed": self._seed, "backward": self._backward, "sum_to": self._sum_to,
                   "cast": self._contribution, "accumulate": self._contribution, "gradient": self._gradient,
                   "assign": self._assign}
        for line in self.tape:
            if line.kind in writers:
                writers[line.kind](line)
        listing, result = self.listing, self.recording.result
        for source, name in self.totals.items():
            leaf = self.modules.leaf_of(source) if isinstance(source, Accumulator) else None
            if leaf in self.listing.values:
                listing.gradients.setdefault(leaf, name)
        for source, array in self.recording.gradients:  # clipped, perhaps
            leaf = self.modules.leaf_of(source)
            if leaf is not None and id(array) in self.names:
                listing.gradients[leaf] = self.names[id(array)]
        root = scalar_of(result)
        if not listing.loss and root is not None:
            listing.loss = self.names.get(id(root.array), "")
        several = result if isinstance(result, (tuple, list)) else [result]
        listing.outputs = [self.names[id(t.array)] for t in several
                           if isinstance(t, Tensor) and id(t.array) in self.names]
        if not (listing.loss or listing.gradients or listing.updates or listing.outputs):
            raise ValueError("there is nothing to write out: the function returns no tensor and goes nowhere "
                             "backward; return the loss, or go backward inside")

    # ---- names

    def fresh(self, base: str, hint: Hint | None = None) -> str:
        """A name that is free; without a hint it is local to a formula."""
        base = identifier(base)
        name, number = base, 1
        while name in self.used or (name in self.listing.reserved and not (hint and hint.own)):
            number += 1
            name = f"{base}_{number}"
        self.used.add(name)
        self.listing.hints[name] = hint or Hint("local", base, number=self.results.number)
        return name

    def bind(self, array: Any, hint: Hint) -> str:
        """A name for an array that a line computes; it may have one, if a formula hands an argument on."""
        base = hint.base or "d" + self.base_of(hint.of)
        name = self.fresh(base, hint)
        self.names.setdefault(id(array), name)
        self.listing.values[name] = array
        return name

    def base_of(self, name: str) -> str:
        hint = self.listing.hints.get(name)
        return hint.base if hint is not None and hint.base else name

    # ---- values

    def reference(self, value: Any, base: str = "c") -> ast.expr:
        """A value of the tape as an expression."""
        if id(value) in self.names:
            return ast.Name(self.names[id(value)], ast.Load())
        if isinstance(value, tuple):
            return ast.Tuple([self.reference(part, base) for part in value], ast.Load())
        if isinstance(value, (np.ndarray, np.generic)) or on_cuda(value):
            return ast.Name(self.leaf(value, base), ast.Load())
        if type(value) is float and self.tape.names.get(id(value)):
            return ast.Name(self.setting(value), ast.Load())
        return literal(value)

    def setting(self, value: float) -> str:
        """A number that the user's program has a name for."""
        wanted = identifier(self.tape.names[id(value)])
        if (wanted, value) not in self.settings:
            name = self.settings[wanted, value] = self.fresh(wanted, Hint("value", wanted, own=True))
            self.listing.values[name] = np.asarray(value)
            self.listing.leaves.append(Leaf(name, np.asarray(value), "setting"))
        return self.settings[wanted, value]

    def leaf(self, array: Any, base: str) -> str:
        """A name for an array from outside."""
        tensor = self.tape.leaves.get(id(array))
        values = move(array, "cpu") if on_cuda(array) else np.asarray(array)
        content: Any = self.modules.one.get(id(tensor)) if tensor is not None else \
            (values.dtype, values.shape, values.strides, values.tobytes())
        if content is not None and content in self.constants:
            self.names[id(array)] = self.constants[content]
            return self.constants[content]
        kind, wanted, path = self.modules.described(tensor)
        base = "allowed" if base == "mask" else base  # masks of dropout are drawn
        wanted = self.inputs.get(id(array)) or wanted or self.tape.names.get(id(array)) \
            or self.entered.get(id(array)) or (base if len(base) > 1 else CONSTANTS[values.dtype.kind])
        kind = "input" if id(array) in self.inputs else kind
        name = self.fresh(wanted, Hint("value", identifier(wanted), own=True))
        self.names[id(array)] = name
        self.listing.values[name] = values
        self.listing.leaves.append(Leaf(name, values, kind, path))
        if content is not None:
            self.constants[content] = name
        if tensor is not None and tensor.source is not None:
            self.modules.leaves[id(tensor.source)] = name
        return name

    def generator(self, line: Line, key: str) -> str:
        """A generator as it was before this line drew from it. Where it was used elsewhere in between, another one."""
        generator, state = line.keywords[key], line.info["states"][key]
        name, ours = self.generators.get(id(generator), ("", None))
        if ours is None or not _equal(ours.bit_generator.state, state):
            ours = np.random.Generator(type(generator.bit_generator)(0))
            ours.bit_generator.state = state
            name = self.fresh("rng", Hint("value", "rng"))
            self.listing.leaves.append(Leaf(name, state, "generator"))
            self.generators[id(generator)] = name, ours
        line.function(*line.arguments, **{**line.keywords, key: ours})  # ours goes on like the engine's
        return name

    # ---- statements

    def arguments(self, line: Line) -> tuple[list[ast.expr], dict[str, ast.expr]]:
        """What a line's function takes. To be asked before its results are named: a formula may hand one on."""
        names = line.info["op"].inputs if line.kind == "forward" else ("c",)
        if line.kind == "forward" and line.info["op"].__module__ == loss.__name__:
            names = (names[0], "target")
        arguments = [self.reference(a, names[min(i, len(names) - 1)]) for i, a in enumerate(line.arguments)]
        keywords = {k: ast.Name(self.generator(line, k), ast.Load()) if isinstance(v, np.random.Generator)
                    else self.reference(v, k) for k, v in line.keywords.items()}
        return arguments, keywords

    def write(self, line: Line, given: tuple[list[ast.expr], dict[str, ast.expr]],
              targets: Sequence[str | None]) -> None:
        """The statements of a line's function."""
        done = inlined(line.function, *given, targets, self.fresh)
        for name, helper in done.helpers.items():
            if not alike(helper, self.listing.helpers.setdefault(name, helper)):
                raise ValueError(f"two functions that the formulas call are named {name}; give one another name")
        for tree in done.statements:
            self.append(tree, line)

    def append(self, tree: ast.Assign, line: Line) -> None:
        self.listing.statements.append(Statement(tree, line, self.sections[id(line)]))

    def assign(self, target: str, value: ast.expr, line: Line) -> None:
        self.append(ast.fix_missing_locations(ast.Assign([ast.Name(target, ast.Store())], value)), line)

    def unpack(self, many: bool) -> None:
        """A call that gives a tuple of one."""
        last = self.listing.statements[-1].tree
        if many and isinstance(last.targets[0], ast.Name):
            last.targets = [ast.Tuple([last.targets[0]], ast.Store())]

    # ---- a method a kind of line

    def _forward(self, line: Line) -> None:
        op = line.info["op"]
        for source in line.info["sources"]:
            if type(source) is tuple and not isinstance(source[0], Line):
                raise ValueError(
                    f"{op.__name__} takes the result of a {source[0].op.__name__} that was not recorded: "
                    + ("it was computed before; compute it inside the function" if self.tape.complete else
                       "it is a gradient of grad(…, create_graph=True), and gradients of gradients cannot be written "
                       "out; unroll what computes the first gradient"))
        given = self.arguments(line)
        if self.sections[id(line)] == UPDATE:
            said = line.function, *map(ast.dump, given[0]), *(f"{k}={ast.dump(v)}" for k, v in given[1].items())
            if said in self.updated:  # the step's number, of another parameter
                self.names |= zip(map(id, line.outputs), self.updated[said], strict=True)
                return
        targets = [self.bind(y, hint) for y, hint in zip(line.outputs, self.results.of(line), strict=True)]
        if self.sections[id(line)] == UPDATE:
            self.updated[said] = targets
        self.write(line, given, targets)
        self.results.number = ""
        self.unpack(op.many and len(targets) == 1)

    def _seed(self, line: Line) -> None:
        root = line.info["tensor"].array
        of = self.names.get(id(root))
        if of is None:
            raise ValueError("backward starts from a tensor that was not computed in the recording; compute the loss "
                             "inside the function")
        self.listing.loss = of
        name = self.bind(line.outputs[0], Hint("gradient", of=of))
        if line.function is np.ones_like:
            call = ast.Call(ast.parse("np.ones_like", mode="eval").body, [ast.Name(of, ast.Load())], [])
            self.assign(name, call, line)
        else:
            self.names.pop(id(line.outputs[0]), None)
            value = self.reference(line.arguments[0], "seed")
            self.assign(name, value, line)

    def _backward(self, line: Line) -> None:
        forward = line.info["forward"]
        if forward is None:
            raise ValueError(f"backward goes through a {line.info['op'].__name__} that was not recorded; compute it "
                             "inside the function")
        given = self.arguments(line)
        targets: list[str | None] = []
        for slot, raw in zip(line.info["slots"], line.outputs, strict=True):
            wanted = forward.info["sources"][slot] is not None
            targets.append(self._partial(forward, slot, raw) if wanted else None)
        self.write(line, given, targets)
        self.unpack(line.info["op"].variadic and len(targets) == 1)

    def _partial(self, forward: Line, slot: int, array: Any) -> str:
        """A name for a gradient of an input, which is not yet complete perhaps."""
        name = self.bind(array, Hint("gradient", of=self.names[id(forward.arguments[slot])]))
        self.totals[_key(forward.info["sources"][slot])] = name
        return name

    def _sum_to(self, line: Line) -> None:
        gradient, shape = line.arguments
        value = self.reference(gradient)
        lead = gradient.ndim - len(shape)
        stretched = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i + lead] != 1)
        if lead:
            value = _summed(value, tuple(range(lead)), keepdims=False)
        if stretched:
            value = _summed(value, stretched, keepdims=True)
        self.assign(self._partial(line.info["forward"], line.info["slot"], line.outputs[0]), value, line)

    def _contribution(self, line: Line) -> None:
        given = self.arguments(line)
        self.write(line, given, [self._partial(line.info["forward"], line.info["slot"], line.outputs[0])])

    def _gradient(self, line: Line) -> None:
        source, after = line.info["source"], line.outputs[0]
        leaf = self.modules.leaf_of(source)
        if leaf is None:
            return
        if len(line.arguments) == 2:
            self.reference(line.arguments[0], "d" + leaf)
            given = self.arguments(line)
            self.totals[source] = self.bind(after, Hint("gradient", of=leaf))
            self.write(line, given, [self.totals[source]])
        self.listing.gradients[leaf] = self.totals.get(source, self.names[id(after)])

    def _assign(self, line: Line) -> None:
        """The new value goes by the leaf's name from now on."""
        old, new = line.arguments
        if id(old) not in self.names:
            if id(new) not in self.names:  # nobody has looked at it yet: it starts as the new value
                return
            self.leaf(old, line.info["tensor"].name or "c")
        leaf = self.names[id(old)]
        leaf = self.listing.updates.get(leaf, leaf)
        self.reference(new)
        made = self.names[id(new)]
        if self.listing.updates.get(made) == leaf:
            return
        if self.listing.leaf(made) is None and not self.listing.hints[made].kind == "gradient" \
                and made not in self.listing.updates:
            self.listing.hints[made] = Hint("update", self.base_of(leaf), of=leaf)
        else:  # a value that is something else as well
            made = self.fresh(leaf, Hint("update", self.base_of(leaf), of=leaf))
            self.assign(made, ast.Name(self.names[id(new)], ast.Load()), line)
            self.listing.values[made] = new
        self.listing.updates[made] = leaf


# ---- parts


def _functions_of(tape: Sequence[Line]) -> set[str]:
    """The names of all functions that the formulas call, and of what those read: no value takes one of them."""
    found: set[str] = set()
    seen: set[Any] = set()
    waiting = [line.function for line in tape if line.kind in ("forward", "backward")]
    while waiting:
        function = waiting.pop()
        if not isinstance(function, FunctionType) or function in seen:
            continue
        seen.add(function)
        try:
            read = read_by(function)
        except OSError:  # said where it is written out
            continue
        found |= {name for name, value in read.items() if isinstance(value, FunctionType)
                  or (function.__name__ in found and constant(value) is not None)}
        waiting += [getattr(value, "forward", value) for value in read.values()]
    return found


def _key(source: Any) -> Any:
    return source if isinstance(source, Accumulator) else (id(source[0]), source[1])


def _summed(value: ast.expr, axes: tuple[int, ...], keepdims: bool) -> ast.expr:
    how = f"axis={axes[0] if len(axes) == 1 else axes}" + (", keepdims=True" if keepdims else "")
    call = ast.parse(f"x.sum({how})", mode="eval").body
    call.func.value = value  # type: ignore[attr-defined]
    return call


def literal(value: Any) -> ast.expr:
    """A Python value as an expression."""
    if isinstance(value, (np.dtype, type)):
        dtype = np.dtype(value)
        return ast.parse(f"np.{'bool' if dtype.kind == 'b' else dtype.name}", mode="eval").body
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return ast.parse(f"np.{value!r}".replace("np.-", "-np."), mode="eval").body
    if isinstance(value, (bool, int, float, str, type(None), slice)):
        return ast.parse(repr(value), mode="eval").body
    if value is Ellipsis:
        return ast.Constant(...)
    if isinstance(value, (list, range)):
        return ast.parse(repr(value), mode="eval").body
    raise ValueError(f"a {type(value).__name__} cannot be written out as text; an op's keywords are numbers, strings, "
                     "tuples and arrays")


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict):
        return all(_equal(a[key], b[key]) for key in a)
    return bool(np.array_equal(a, b))
