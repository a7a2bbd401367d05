"""The text of what runs in each call: one compiled function after another, and what is Python's between them. 驱动代码

    def program(arrays):
        x0, x1, = arrays
        if t0.array is not p0 or … or sum(map(refs, seen)) != count: settle()
        if f0(table, x0, x1): raise Changed
        return [copy(v9)]

Every name that stands for something fixed is a global of this text: `settle` sets it anew where that has moved.
"""

from __future__ import annotations

import linecache
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_zh.core.random import default_generator
from tinygrad_zh.program.compiling.recorded import Unsupported
from tinygrad_zh.program.native import module
from tinygrad_zh.program.native.parts import Called, Compiled, Looked, Part, turned
from tinygrad_zh.program.native.places import Places, piece

_HELD = "sum(map(refs, seen)) != count"
"""Whether somebody has come to refer to what the program writes into."""


class Driver:
    """Writes the text of `program`, with the objects that it names."""

    def __init__(self, places: Places, names: dict[str, Any]) -> None:
        self.places, self.parts, self.steps = places, places.parts, places.steps
        self.names = names
        self.recorded = self.steps.recorded
        self.calls = [part for part in self.parts if isinstance(part, Called)]
        self.constants = 0

    def function(self) -> Callable[..., Any]:
        """The program, compiled from its text; the text is a file that a debugger shows."""
        text = "\n".join(["def program(arrays):", *(f"    {line}" for line in self.lines())]) + "\n"
        file = f"<program {id(self.names)}>"
        linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
        exec(compile(text, file, "exec"), self.names)
        found: Callable[..., Any] = self.names["program"]
        return found

    def lines(self) -> Iterator[str]:
        inputs = [self.recorded.name(x) for x in self.recorded.inputs]
        yield "global finished"
        if inputs:
            yield f"{''.join(f'{name}, ' for name in inputs)}= arrays"
        body = list(self._body())
        if self.calls:
            body = ["token = set_mode(mode)", "try:", *(f"    {line}" for line in body), "finally:",
                    "    reset_mode(token)"]
        body = [f"if {' or '.join(self._moved())}: settle()", *body]
        if self.calls or any(map(self._is_shared, self.parts)):
            # Work is shared among Numba's threads, and OpenBLAS's would wait for the same cores.
            body = ["threads = available()", "with one_thread() if threads > 1 else nullcontext():",
                    *(f"    {line}" for line in body)]
        yield from self._whole(body, list(self._effects()))
        outputs = [self._output(i, self.steps.name(a)) for i, a in enumerate(self.recorded.outputs)]
        for lines, _ in outputs:
            yield from lines
        yield f"return [{', '.join(name for _, name in outputs)}]"

    def _whole(self, body: list[str], effects: list[str]) -> Iterator[str]:
        """Ctrl-C comes between two lines, too: when homes are written, what is left to do is done before it passes."""
        if not self._changes():
            yield from (*body, "finished += 1")
            return
        yield from ("try:", *(f"    {line}" for line in (*body, *effects)),
                    "except BaseException:", f"    if table[{self._mark}] != finished:",
                    *(f"        {line}" for line in (*effects, "finished += 1")), "    raise", "finished += 1")

    def _changes(self) -> bool:
        return bool(self.recorded.assigned or self.recorded.gradients)

    @property
    def _mark(self) -> int:
        """The entry of the table in which compiled code counts how often it has written homes."""
        return 1 + len(self.places.homes)

    # ---- is all where it was?

    def _moved(self) -> Iterator[str]:
        for i, leaf in enumerate(self.places.leaves):
            yield f"t{i}.array is not a{i}{'' if leaf in self.places.owned else '()'}"
        for i in self.places.gradient_home:
            yield f"s{i}.grad is not g{i} or g{i}.array is not h{i}"
        yield _HELD

    # ---- what is computed

    def _body(self) -> Iterator[str]:
        for j, (_, array) in enumerate(self.recorded.before):
            yield f"{self.recorded.name(array)} = contiguous(b{j}.grad.array)"
        for name in [self.recorded.name(x) for x in self.recorded.inputs if not x.flags.c_contiguous]:
            yield f"{name} = contiguous({name})"
        lasts = self._last_uses()
        for i, part in enumerate(self.parts):
            if i and part is self.parts[-1] and self._changes():  # another thread may have looked meanwhile
                yield f"if {_HELD}: raise Changed"
            if isinstance(part, Compiled):
                yield from self._compiled(i, part)
            elif isinstance(part, Called):
                yield from self._called(i, part)
            else:
                yield from self._looked(part)
            if lasts.get(i):
                yield f"del {', '.join(sorted(lasts[i]))}"

    def _last_uses(self) -> dict[int, list[str]]:
        """The results of calls that nobody reads after a part: their memory is free then."""
        local = {name for part in self.calls for name in part.step.writes}
        final = {self.steps.name(a) for a in self._final()}
        kept = final | set(map(self.parts.memory_of, final))
        last: dict[str, int] = {}
        for i, part in enumerate(self.parts):
            if isinstance(part, Called):
                last |= dict.fromkeys(part.step.writes, i)
            for name in part.reads:
                plain = name.removesuffix("_turned")
                for seen in (plain, self.parts.memory_of(plain)):
                    last[seen] = i
        found: dict[int, list[str]] = {}
        for name, i in last.items():
            if name in local and name not in kept:
                found.setdefault(i, []).append(name)
                if name in self.parts.turned:
                    found[i].append(turned(name))
        return found

    def _final(self) -> list[Any]:
        recorded = self.recorded
        return [*recorded.outputs, *(a for _, a in (*recorded.assigned, *recorded.gradients) if a is not None)]

    def _compiled(self, i: int, part: Compiled) -> Iterator[str]:
        last = part is self.parts[-1]
        checks = list(self._checks()) if i == self._first_compiled() else []
        marked = last and self._changes()
        if not part.items and not checks and not marked:
            return
        body: list[str] = []
        definitions: dict[str, str] = {}
        for item in part.items:
            shared = {w: r for w, r in self.places.shared.items() if w in item.writes}
            body += item.lines(shared)
            definitions |= item.definitions(shared)
        copies = self.places.copies if last else []
        body += [f"copy({self._flat(home)}, {self._flat(name)})" for home, name in copies]
        body += [f"table[{self._mark}] += 1"] if marked else []
        named = part.reads | {n for item in part.items for n in item.writes}
        named |= {name for name, *_ in checks}
        arrays = [f"{name} = {place}" for name in sorted(named) if (place := self._place(name)) is not None]
        arrays += self._temporaries(part)
        tests = [f"if not within({name}, {low!r}, {high!r}): return 1" for name, low, high in checks]
        parameters = ["table", *(["threads"] if self._is_shared(part) else []),
                      *sorted(name for name in named if self._place(name) is None)]
        self.names[f"f{i}"] = module("part", parameters, [*arrays, *tests, *body, "return 0"], {
            "np": "import numpy as np",
            "memory": "from tinygrad_zh.program.native.memory import at, copy, within", **definitions},
            nogil=not marked)  # nobody else may look at what is written under his eyes
        call = f"f{i}({', '.join(self._value(n) if n in self.parts.views else n for n in parameters)})"
        yield f"if {call}: raise Changed" if checks else call

    @staticmethod
    def _is_shared(part: Part) -> bool:
        return isinstance(part, Compiled) and any(item.shared for item in part.items)

    def _first_compiled(self) -> int:
        return next(i for i, part in enumerate(self.parts) if isinstance(part, Compiled))

    def _checks(self) -> Iterator[tuple[str, float, float]]:
        """Bounds of the elements of what the program is given: labels, tokens, targets."""
        seen: set[tuple[str, float, float]] = {
            (name, low, high - 1) for item in self.places.items.values() for name, low, high in item.demands}
        seen |= {(self.steps.name(b.array), b.least, b.most) for b in self.recorded.bounds}
        if any(self.parts.memory_of(name) in self.places.offsets for name, *_ in seen):
            raise Unsupported("compile.why.computed_range")
        yield from sorted(seen)

    def _place(self, name: str) -> str | None:
        """Where compiled code finds an array, None for one that is passed."""
        if name in self.places.stored:
            return self._at_home(self.places.stored[name], name)
        if name in self.places.offsets:
            return self._array(0, self.places.offsets[name], name)
        return self._at_home(name) if name in self.places.homes else None

    def _temporaries(self, part: Compiled) -> Iterator[str]:
        for name, (shape, dtype) in self.places.temporaries(part).items():
            yield f"{name} = {self._at(0, self.places.offsets[piece(part, name)], shape, dtype)}"

    def _at_home(self, home: str, name: str | None = None) -> str:
        return self._array(self.places.entry(home), 0, self.places.held_in(home) if name is None else name)

    def _flat(self, name: str) -> str:
        """A home, or an array of the program, as one row."""
        home = self.places.stored.get(name, name)
        shape, dtype = self.places.kind(self.places.held_in(home) if home in self.places.homes else name)
        entry, offset = (0, self.places.offsets[name]) if home not in self.places.homes else \
            (self.places.entry(home), 0)
        return self._at(entry, offset, (math.prod(shape),), dtype)

    def _array(self, entry: int, offset: int, name: str) -> str:
        return self._at(entry, offset, *self.places.kind(name))

    def _at(self, entry: int, offset: int, shape: tuple[int, ...], dtype: Any) -> str:
        address = f"table[{entry}] + {offset}" if offset else f"table[{entry}]"
        return f"at({address}, {shape}, np.{np.dtype(dtype).name}{'_' if dtype == np.bool_ else ''})"

    def _called(self, i: int, part: Called) -> Iterator[str]:
        step = part.step
        self.names[f"call{i}"] = step.run
        taken = [self._argument(a) for a in step.line.arguments]
        taken += [f"{name}={self._argument(a)}" for name, a in step.line.keywords.items()]
        results = [name or "_" for name in step.results]
        left = results[0] if step.single else "".join(f"{name}, " for name in results)
        yield f"{left} = call{i}({', '.join(taken)})"
        for name in step.writes:
            if self.steps.values[name].ndim == 0:
                yield f"{name} = asarray({name})"
            if name in self.parts.turned:
                yield f"{turned(name)} = {name}.transpose({self.parts.turned[name]})"

    def _looked(self, part: Looked) -> Iterator[str]:
        for read in part.looks:
            now, then = self._value(self.steps.name(read.array)), self._constant(read.array)
            yield f"if not same({now}, {then}): raise Changed"

    # ---- what Python's part names

    def _argument(self, x: Any) -> str:
        if isinstance(x, np.ndarray):
            return self._value(self.steps.name(x))
        if x is default_generator():
            return "default_generator()"
        if isinstance(x, (tuple, list)) and any(isinstance(part, (np.ndarray, tuple, list)) for part in x):
            return f"({''.join(f'{self._argument(part)}, ' for part in x)})"
        return self._constant(x)

    def _constant(self, x: Any) -> str:
        self.constants += 1
        name = f"literal{self.constants}"
        self.names[name] = x
        return name

    def _value(self, name: str) -> str:
        """An array as Python's part of the program has it: a view is taken anew, it costs next to nothing."""
        if name in self.parts.views:
            step = self.parts.views[name]
            rest = "".join(f", {self._argument(a)}" for a in step.line.arguments[1:])
            rest += "".join(f", {key}={self._argument(a)}" for key, a in step.line.keywords.items())
            return f"{self._constant(step.run)}({self._value(step.reads[0])}{rest})"
        home = self.places.stored.get(name, name)
        return f"t{self.places.leaves.index(home)}.array" if home in self.places.leaves else name

    # ---- what is left of it

    def _effects(self) -> Iterator[str]:
        places = self.places
        for leaf, name in places.assigned.items():
            if name not in places.written:
                yield f"t{places.leaves.index(leaf)}.array = {self._kept(name)}"
        for i, gradient in enumerate(places.gradients):
            if gradient is None:
                yield f"s{i}.grad = None"
            elif i not in places.gradient_home:
                yield f"s{i}.grad = Tensor({self._kept(gradient)})"
        if places.gradient_home:
            yield "if pending: commit()"

    def _kept(self, name: str) -> str:
        """A value that someone keeps: its own memory, unless the program never writes there again."""
        lent = name in self.places.written or self.parts.memory_of(name) in self.places.written
        return f"freeze({self._value(name)}{'.copy()' if lent else ''})"

    def _output(self, i: int, name: str) -> tuple[list[str], str]:
        """What is handed out, and the lines that make it."""
        if name in self.places.written:
            return [f"o{i} = {self._value(name)}.copy()", f"o{i}.setflags(False)"], f"o{i}"
        return [], self._kept(name)
