"""A tape as a straight-line program: named values, and statements made from the formulas' own source. 磁带写成的程序

    tape                                        statement                       section
    forward MatMul((4, 2), (2, 10))             z = x @ W1                      forward
    backward MatMul.backward_b(dy, a)           dW1 = x.mT @ dz1                backward
    forward SGD(w0, g, lr)                      W1_2 = W1 - lr * dW1            update

Every name is assigned once; what a printer calls a value is its business, `hints` tell it what the value is. Printers,
and whoever else reads a program, read only this.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.core import Tensor
from tinygrad_zh.core.tape import Line, Tape
from tinygrad_zh.core.tensor import Accumulator
from tinygrad_zh.device import move, on_cuda
from tinygrad_zh.nn import Module
from tinygrad_zh.ops import activation, loss, normalization, shape, update
from tinygrad_zh.program.inlining import inlined
from tinygrad_zh.program.naming import name_of_op, result_names
from tinygrad_zh.program.recording import Recording, scalar_of

FORWARD, LOSS, BACKWARD, UPDATE = "forward", "loss", "backward", "update"
GREEK = {"η": "lr", "α": "alpha", "β": "beta", "γ": "gamma", "λ": "lam", "μ": "mu", "σ": "sigma"}
CONSTANTS = {"b": "mask", "i": "index", "u": "index", "f": "constant"}
"""Names for arrays that have none, by the kind of their dtype."""
RESERVED = frozenset({"np", "_", *keyword.kwlist, *keyword.softkwlist, *dir(builtins)})


class Hint(NamedTuple):
    """What a value is. kind: "value" (of the user's program), "gradient" of another value, "update" of a leaf, or
    "local" to a formula. base: what it would like to be called. own: the user's program has that name for it."""

    kind: str
    base: str = ""
    of: str = ""
    own: bool = False


class Leaf(NamedTuple):
    """What the program starts from. kind: "input", "parameter", "state", "constant", "rate" (of learning) or
    "generator" (its value is the state before the first draw). path: where it is in the model."""

    name: str
    value: Any
    kind: str
    path: str = ""


@dataclass
class Statement:
    """An assignment, the line of the tape that it is a part of, and the section that it stands in."""

    tree: ast.Assign
    line: Line
    section: str

    @property
    def targets(self) -> list[str]:
        return [n.id for n in ast.walk(self.tree.targets[0]) if isinstance(n, ast.Name)]

    @property
    def reads(self) -> list[str]:
        return [n.id for n in ast.walk(self.tree.value) if isinstance(n, ast.Name)]


@dataclass
class Listing:
    """The program. values: the recorded array of each name that is no formula's own. gradients: of each leaf, by its
    name. updates: the new value's name -> the leaf's."""

    title: str
    leaves: list[Leaf] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)
    helpers: dict[str, FunctionType] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    hints: dict[str, Hint] = field(default_factory=dict)
    loss: str = ""
    gradients: dict[str, str] = field(default_factory=dict)
    updates: dict[str, str] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)
    reserved: frozenset[str] = frozenset()  # names of the user's, which nothing else takes

    def leaf(self, name: str) -> Leaf | None:
        return next((leaf for leaf in self.leaves if leaf.name == name), None)


def listed(recording: Recording) -> Listing:
    """The program that a recording is. Raises ValueError where a part of it was not recorded."""
    return _Lister(recording).listing


class _Lister:
    """One pass over the lines; each kind has its method."""

    def __init__(self, recording: Recording) -> None:
        self.recording, self.tape = recording, recording.tape
        self.listing = Listing(recording.title)
        self.names: dict[int, str] = {}  # the id of an array -> its name
        self.used = set(RESERVED) | _functions_of(self.tape)
        self.totals: dict[Any, str] = {}  # a source -> the name of its gradient so far
        self.generators: dict[int, tuple[str, np.random.Generator]] = {}
        self.sections = _sections(self.tape)
        self.modules = Parameters(recording)
        self.constants: dict[Any, str] = {}  # what is in an array of no tensor -> its name
        self.inputs = {id(getattr(x, "array", x)): name for name, x in recording.arguments.items()}
        self.entered = _entered(self.tape)
        self.results = _Results(self)
        self.listing.reserved = frozenset(map(identifier, (*self.inputs.values(), *self.tape.names.values(),
                                                           *self.results.times)))
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
        self.listing.hints[name] = hint or Hint("local", base)
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
        return literal(value)

    def leaf(self, array: Any, base: str) -> str:
        """A name for an array from outside."""
        tensor = self.tape.leaves.get(id(array))
        values = move(array, "cpu") if on_cuda(array) else np.asarray(array)
        content = (values.dtype, values.shape, values.strides, values.tobytes()) if tensor is None else None
        if content in self.constants:
            self.names[id(array)] = self.constants[content]
            return self.constants[content]
        kind, wanted, path = self.modules.described(tensor)
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
        self.listing.helpers.update(done.helpers)
        self.used.update(done.helpers)
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
                raise ValueError(f"{op.__name__} takes the result of a {source[0].op.__name__} that was not recorded: "
                                 "it was computed before, or inside grad(…, create_graph=True); compute it inside the "
                                 "function")
        given = self.arguments(line)
        targets = [self.bind(y, hint) for y, hint in zip(line.outputs, self.results.of(line), strict=True)]
        self.write(line, given, targets)
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
        if self.listing.leaf(made) is None and not self.listing.hints[made].kind == "gradient" \
                and made not in self.listing.updates:
            self.listing.hints[made] = Hint("update", self.base_of(leaf), of=leaf)
        else:  # a value that is something else as well
            made = self.fresh(leaf, Hint("update", self.base_of(leaf), of=leaf))
            self.assign(made, ast.Name(self.names[id(new)], ast.Load()), line)
            self.listing.values[made] = new
        self.listing.updates[made] = leaf


# ---- what a value is called


class _Results:
    """Hints for what the lines compute: the user's variable, z and a of a layer, else the op's name."""

    def __init__(self, lister: _Lister) -> None:
        self.lister = lister
        lines = lister.tape.of("forward")
        here = {id(line) for line in lines if line.info["at"] == lister.recording.asked}  # program = unroll(model, x)
        self.bound = {key: names for key, names in result_names(lines).items() if key not in here}
        self.times = Counter(name for names in self.bound.values() for name in names)
        self.last = _last_lines(lines)
        seeds = lister.tape.of("seed")
        root = seeds[0].info["tensor"] if seeds else scalar_of(lister.recording.result)
        self.root = id(root.array) if root is not None else 0
        self.parts: dict[str, str] = {}  # z1 -> "1"
        self.roots: dict[str, str] = {}  # z1_reshape -> z1

    def of(self, line: Line) -> list[Hint]:
        op = line.info["op"]
        outputs = len(line.outputs) if op.many else len(op.outputs)
        names: tuple[str, ...] = self.bound.get(id(line), ())
        if len(names) != outputs or any(self.times[name] > 1 for name in names):
            names = ()
        if names:
            hints = [Hint("value", identifier(name), own=True) for name in names]
        elif op.__module__ == update.__name__:
            hints = [Hint("value", name) for name in op.outputs]
        elif id(line.outputs[0]) == self.root:
            hints = [Hint("value", "loss", own=True)]
        else:
            hints = [self._hint(line, k) for k in range(outputs)]
        self._remember(line, hints[0].base)
        number = self.lister.modules.numbers.get(id(self.last.get(id(line))), "")
        return hints + [Hint("local", name + number) for name in op.aux]

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
        if number is not None:  # what a layer with parameters gives
            named = "z" if op.__name__ in AFFINE else name_of_op(op.__name__)
            return Hint("value", named + number, own=named == "z")
        first = self.lister.names.get(id(line.arguments[0])) if line.arguments else None
        base = self.lister.base_of(first) if first is not None else ""
        if op.__module__ == activation.__name__ and base in self.parts:
            return Hint("value", "a" + self.parts[base], own=True)
        repeated = self.bound.get(id(line), ())
        if len(repeated) == 1:
            return Hint("value", identifier(repeated[0]), own=True)
        return Hint("value", identifier(self._by_op(line, k, base)))

    def _by_op(self, line: Line, k: int, base: str) -> str:
        """What a value is called that has no name but the op's."""
        op = line.info["op"]
        name = WORDS.get(op.__name__) or name_of_op(op.__name__)
        if op.__module__ == loss.__name__:  # one a sample, before their mean
            return "losses"
        if op.__module__ == shape.__name__ and base:  # z2 in another shape: z2_reshape
            root = self.roots.get(base, base)
            name = f"{root}_{name}"
            self.roots[name] = root
        elif op.__name__ == "MatMul":
            names = [self.lister.names.get(id(a), "") for a in line.arguments]
            name = "".join(names) if all(1 <= len(n) <= 3 for n in names) else name  # X @ w: Xw
        elif op.__name__ == "Add" and all(isinstance(s, tuple) for s in line.info["sources"]):
            name = "h"  # two paths meet
        if op.many:
            return f"{name}{k + 1}"
        return name if k == 0 else op.outputs[k]


WORDS = {"Sum": "total", "Pow": "power", "Max": "largest", "Min": "smallest", "Abs": "size", "Slice": "part"}
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


class Parameters:
    """What the leaves are: parameters and states by their place in the model, and an optimizer's own."""

    def __init__(self, recording: Recording) -> None:
        self.known: dict[int, tuple[str, str, str]] = {}  # the id of a tensor -> kind, name, path
        self.numbers: dict[int, str] = {}  # the id of a layer with parameters -> its number
        self.leaves: dict[int, str] = {}  # the id of an accumulator -> the leaf's name
        roots = {id(line.info["module"]): line.info["module"] for line in recording.tape.of("enter")
                 if line.info["depth"] == 0}
        modules = [(path, module) for root in roots.values() for path, module in root.named_modules()]
        self._models(dict((id(m), (path, m)) for path, m in reversed(modules)), [id(m) for _, m in modules])
        for optimizer in recording.optimizers:
            self._optimizer(optimizer)

    def _models(self, modules: dict[int, tuple[str, Module]], order: list[int]) -> None:
        own = {key: list(modules[key][1].own_tensors()) for key in dict.fromkeys(order)}
        kinds = {key: _plain(tensors[0][0]) for key, tensors in own.items() if tensors}
        total, count = Counter(kinds.values()), Counter[str]()
        for key, kind in kinds.items():
            count[kind] += 1
            number = str(count[kind]) if total[kind] > 1 else ""
            path = modules[key][0]
            self.numbers[key] = number
            for attribute, t in own[key]:
                place = _place(f"{path}.{attribute}" if path else attribute)
                what = "parameter" if t.requires_grad else "state"
                self.known.setdefault(id(t), (what, _plain(attribute) + number, place))

    def _optimizer(self, optimizer: Any) -> None:
        for rate in optimizer._rates.values():
            self.known.setdefault(id(rate), ("rate", "lr", ""))
        for p, state in zip(optimizer.parameters, optimizer.state, strict=True):
            of = self.known.get(id(p), ("", p.name or "", ""))[1]
            for name, t in state.items():
                self.known.setdefault(id(t), ("state", f"{name}_{of}" if of else name, ""))

    def described(self, tensor: Tensor | None) -> tuple[str, str, str]:
        """Kind, name and path of a leaf; the name is "" where the model does not give it one."""
        if tensor is None:
            return "constant", "", ""
        kind = "parameter" if tensor.requires_grad else "input"
        return self.known.get(id(tensor), (kind, tensor.name or "", ""))

    def leaf_of(self, source: Any) -> str | None:
        return self.leaves.get(id(source))


def _plain(attribute: str) -> str:
    """weights.0 -> weights0"""
    return attribute.replace(".", "")


def _place(path: str) -> str:
    """layers.0.W -> layers[0].W; a Sequential's own 0.W likewise."""
    path = re.sub(r"^(\d)", r"layers.\1", path)
    return re.sub(r"\.(\d+)", r"[\1]", path)


def identifier(name: str) -> str:
    """A name that Python takes, and that hides nothing."""
    name = GREEK.get(name, name)
    name = re.sub(r"\[(\d+)\]", lambda m: str(int(m[1]) + 1), name)
    name = re.sub(r"\W", "_", name).strip("_") or "c"
    name = name if name.isidentifier() else "c" + name
    return name + "_" if name in RESERVED else name


# ---- parts


def first_step(tape: Tape) -> Tape:
    """The lines of a tape up to the end of the first step: until it goes forward again after a pass backward."""
    sections = _sections(tape)
    first = Tape(tape.title)
    first.leaves, first.names = tape.leaves, tape.names
    learnt = False
    for line in tape:
        section = sections[id(line)]
        learnt = learnt or section in (BACKWARD, UPDATE)
        if learnt and section in (FORWARD, LOSS) and line.kind == "forward":
            break
        first.append(line)
    return first


def _sections(tape: Sequence[Line]) -> dict[int, str]:
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


def _mark_loss(lines: list[Line], found: dict[int, str]) -> None:
    """The end of the forward lines."""
    if not lines:
        return
    first = next((i for i, line in enumerate(lines) if line.info["op"].__module__ == loss.__name__), None)
    if first is None and lines[-1].outputs[0].size == 1:
        first = len(lines) - 1
        while first and lines[first - 1].info["at"] == lines[-1].info["at"] and not lines[first - 1].info["modules"]:
            first -= 1
    for line in lines[first:] if first is not None else []:
        found[id(line)] = LOSS


def _entered(tape: Sequence[Line]) -> dict[int, str]:
    """{the id of an array that a module was called with: the name of its parameter}"""
    found: dict[int, str] = {}
    for line in tape:
        if line.kind == "enter":
            names = line.function.__code__.co_varnames[1:]
            given = (getattr(x, "array", x) for x in line.arguments)
            found |= {id(x): name for x, name in zip(given, names, strict=False) if hasattr(x, "dtype")}
    return found


def _functions_of(tape: Sequence[Line]) -> set[str]:
    """The names of all functions that the formulas call: no value takes one of them."""
    found: set[str] = set()
    seen: set[Any] = set()
    waiting = [line.function for line in tape if line.kind in ("forward", "backward")]
    while waiting:
        function = waiting.pop()
        if function in seen or not isinstance(function, FunctionType):
            continue
        seen.add(function)
        called = {name: function.__globals__.get(name) for name in function.__code__.co_names}
        found |= {name for name, value in called.items() if isinstance(value, FunctionType)}
        waiting += [getattr(value, "forward", value) for value in called.values()]
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
