"""Mutants of CUDA C: one small mistake each, all of a file in one library behind a switch that is read at run time.

A site is an expression or a statement of a function. `(emulator_mutant == 7 ? (a <= b) : (a < b))` is both the kernel
and its mutant 7, so a file is compiled once, however many mutants it has.
"""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.kernels import calls, checking
from tinygrad_zh_kernels import Arguments, Body, emulator
from tinygrad_zh_kernels.emulated import EmulatedLauncher
from tinygrad_zh_kernels.emulator.parse import Statement, closing, plain, statements
from tinygrad_zh_kernels.launcher import Dim

# Constant to the compiler, so that reading it is not watched as an access to memory; Python sets it between launches.
SWITCH = ('extern "C" const int emulator_mutant; asm(".pushsection .data; .globl emulator_mutant; '
          '.type emulator_mutant, @object; .size emulator_mutant, 4; emulator_mutant: .long 0; .popsection"); ')
SLOW = 0.01  # seconds of a call
MOST_FLOPS = 1_000_000  # of a call: the larger ones show nothing that these do not, and take most of the time
PATIENCE = 1 << 26  # a mutant that loops for ever is caught after so many basic blocks of a CUDA block

Operator = Callable[[str], Iterable[str]]
"""The mutants of a site's code, each a code of its own."""


class Mutant(NamedTuple):
    """One mistake. number: what the switch must be; function: the kernel or device function that it is in."""

    number: int
    file: Path
    line: int
    function: str
    source: str
    before: str
    after: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What it is, wherever in its function it stands: (file and function, line of the source, change)."""
        where = f"{self.file.parent.name}/{self.file.name} {self.function}"
        return where, self.source, f"{self.before} -> {self.after}"

    def __str__(self) -> str:
        return f"{self.file.parent.name}/{self.file.name} line {self.line}: {self.before} -> {self.after}"


# ---- the first set: on these the emulator and the kernels' cases were made -----------------------------------------

_COMPARISON = re.compile(r" (<=|>=|==|!=|<|>) ")
_OTHER_BOUND = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}
_NUMBER = re.compile(r"(?<![\w.])(\d+)(?![\w.])|(?<![\w.])(\d+\.\d*f?)(?!\w)")


def barriers_deleted(code: str) -> Iterator[str]:
    if re.match(r"__sync(threads|warp)\s*\(", code):
        yield ";"


def bounds_changed(code: str) -> Iterator[str]:
    for match in _COMPARISON.finditer(code):
        yield f"{code[: match.start(1)]}{_OTHER_BOUND[match[1]]}{code[match.end(1) :]}"


def numbers_changed(code: str) -> Iterator[str]:
    """Every number one larger: steps of shuffles, offsets of indices, first values of sums."""
    for match in _NUMBER.finditer(code):
        changed = str(int(match[1]) + 1) if match[1] else f"({match[2]} + 1)"
        yield f"{code[: match.start()]}{changed}{code[match.end() :]}"


def infinities_changed(code: str) -> Iterator[str]:
    for match in re.finditer(r"minus_infinity\(\)", code):
        yield f"{code[: match.start()]}(A)0{code[match.end() :]}"


def indices_slipped(code: str) -> Iterator[str]:
    """Every index one too large, and one too small."""
    for i, character in enumerate(code):
        if character == "[":
            last = closing(code, i)
            for slip in (" + 1", " - 1"):
                yield f"{code[:last]}{slip}{code[last:]}"


FIRST: tuple[Operator, ...] = (barriers_deleted, bounds_changed, numbers_changed, infinities_changed, indices_slipped)


# ---- the second set: written when the emulator was frozen, to measure what it catches of mistakes it never saw -------

_SWAPPED = {" + ": " - ", " - ": " + ", " * ": " + ", " / ": " * ", " % ": " / ", " && ": " || ", " || ": " && ",
            " += ": " -= ", " *= ": " += ", " -= ": " += ", " |= ": " &= "}


def _replaced(code: str, pattern: str, after: str) -> Iterator[str]:
    for match in re.finditer(pattern, code):
        yield f"{code[: match.start()]}{match.expand(after)}{code[match.end() :]}"


def operators_swapped(code: str) -> Iterator[str]:
    for before, after in _SWAPPED.items():
        yield from _replaced(code, re.escape(before), after)


def guards_removed(code: str) -> Iterator[str]:
    """A condition that always holds, or loses one half."""
    if re.search(r" (<|<=|>|>=|==|!=) ", code) and not re.search(r"[?;]|[^<>=!]=[^=]", code):
        yield "true"
    for match in re.finditer(r" (&&|\|\|) ", code):
        if "?" not in code and ";" not in code and "(" not in code:
            yield code[: match.start()]
            yield code[match.end() :]


def strides_wrong(code: str) -> Iterator[str]:
    yield from _replaced(code, r"\* (columns|n|k|d|width|height|length)\b", r"* (\1 + 1)")
    yield from _replaced(code, r"\+= (blockDim|gridDim)\.x", r"+= 2 * \1.x")
    yield from _replaced(code, r"(?<=[%/] )32\b", "16")


def loops_halved(code: str) -> Iterator[str]:
    yield from _replaced(code, r"(?<= < )(\w+)$", r"\1 / 2")


def lanes_wrong(code: str) -> Iterator[str]:
    yield from _replaced(code, r"(__shfl_\w+\(FULL, [^;]*?), (\w+)\)", r"\1, \2 ^ 1)")
    yield from _replaced(code, r"\bFULL\b", "0xffffu")


def indices_swapped(code: str) -> Iterator[str]:
    yield from _replaced(code, r"\[(\w+)\]\[(\w+)\]", r"[\2][\1]")
    for before, after in (("x", "y"), ("y", "x")):
        yield from _replaced(code, rf"\b(threadIdx|blockIdx)\.{before}\b", rf"\1.{after}")


def statements_deleted(code: str) -> Iterator[str]:
    if code.endswith(";") and not code.startswith("__sync"):
        yield ";"


def functions_confused(code: str) -> Iterator[str]:
    for before, after in (("fmax", "fmin"), ("exponential", "logarithm"), ("warp_sum", "warp_max"),
                          ("block_sum", "block_max"), ("atomicAdd", "atomicExch")):
        yield from _replaced(code, rf"\b{before}(?=f?\()", after)


SECOND: tuple[Operator, ...] = (operators_swapped, guards_removed, strides_wrong, loops_halved, lanes_wrong,
                                indices_swapped, statements_deleted, functions_confused)


# ---- sites ---------------------------------------------------------------------------------------------------------

_SKIPPED = re.compile(r".*__shared__|(?:extern|typedef|using|static|static_assert|struct|constexpr|case|default|break|"
                      r"continue)\b")
_DECLARATION = re.compile(r"(?:(?:const|volatile|unsigned|signed|long)\s+)*\w+(?:\s+|\s*[*&]\s*)"
                          r"(?:const\s+|__restrict__\s+)*\**\w+\s*(?=[=\[;,(])")


class Site(NamedTuple):
    start: int
    end: int
    wrap: str  # "expression", "step" (an expression without a value) or "statement"


def _sites(statement: Statement, code: str) -> Iterator[Site]:
    text = code[statement.start : statement.end]
    if statement.kind in ("if", "while"):
        yield Site(statement.start, statement.end, "expression")
    elif statement.kind == "for":
        first = statement.start + text.index(";")
        second = statement.start + text.index(";", first - statement.start + 1)
        yield from _initialisers(statement.start, first, code)
        if code[first + 1 : second].strip():
            yield Site(first + 1, second, "expression")
        if code[second + 1 : statement.end].strip():
            yield Site(second + 1, statement.end, "step")
    elif statement.kind == "simple" and not _SKIPPED.match(text):
        if text.startswith("return"):
            if text[6:-1].strip() and not text[6:].lstrip().startswith("{"):
                yield Site(statement.start + 6, statement.end - 1, "expression")
        elif _DECLARATION.match(text):
            yield from _initialisers(statement.start, statement.end - 1, code)
        else:
            yield Site(statement.start, statement.end, "statement")


def _initialisers(start: int, end: int, code: str) -> Iterator[Site]:
    """Each expression after a = in `int a = 1, b = f(2, 3)`."""
    position, begin = start, None
    while position <= end:
        if position == end or code[position] == ",":
            if begin is not None and not code[begin:position].lstrip().startswith("{"):
                yield Site(begin, position, "expression")
            begin = None
        elif code[position] in "([{":
            position = closing(code, position)
        elif code[position] == "=" and begin is None:
            begin = position + 1
        position += 1


def _switched(site: Site, code: str, mutants: list[Mutant]) -> str:
    """All in one: the kernel itself asks once a site, not once a mutant."""
    original = code[site.start : site.end]
    here = f"(unsigned)(emulator_mutant - {mutants[0].number}) < {len(mutants)}u"
    if site.wrap == "statement":
        chosen = " else ".join(f"if (emulator_mutant == {m.number}) {{ {m.after} }}" for m in mutants)
        return f"{{ if ({here}) {{ {chosen} }} else {{ {original} }} }}"
    kind = "(void)" if site.wrap == "step" else ""
    chosen = "".join(f"emulator_mutant == {m.number} ? {kind}({m.after}) : " for m in mutants)
    return f" ({here} ? ({chosen}{kind}({original})) : {kind}({original}))"


@dataclass(eq=False)
class Mutated:
    """Files with all their mutants in them; it is an emulator's Edit."""

    mutants: list[Mutant]
    texts: dict[Path, str]

    def __call__(self, file: Path, text: str) -> str:
        switched = self.texts.get(file, text)
        return SWITCH + switched if file.suffix == ".cu" else switched


def mutate(files: Iterable[Path], operators: Iterable[Operator]) -> Mutated:
    """Every mutant that the operators make of these files."""
    mutated = Mutated([], {})
    for file in files:
        text = file.read_text(encoding="utf-8")
        code, lines, parts, end = plain(text), text.split("\n"), [], 0
        for statement in statements(code):
            for site in _sites(statement, code):
                before = code[site.start : site.end]
                made = []
                line = text.count("\n", 0, site.start + len(before) - len(before.lstrip()))
                for after in dict.fromkeys(a for operator in operators for a in operator(before)):
                    made.append(Mutant(len(mutated.mutants) + 1, file, line + 1, _function(code, site.start),
                                       lines[line].strip(), _flat(before), _flat(after)))
                    mutated.mutants.append(made[-1])
                if made:
                    parts += [text[end : site.start], _switched(site, code, made)]
                    end = site.end
        mutated.texts[file.resolve()] = "".join([*parts, text[end:]])
    return mutated


def _function(code: str, position: int) -> str:
    """The name of the function that this position is in."""
    start, header = 0, ""
    while 0 <= (opening := code.find("{", start)) < position:
        header = code[start:opening].rstrip()
        start = closing(code, opening) + 1 if header.endswith(")") else opening + 1
    depth = 0
    for i in range(len(header) - 1, -1, -1):
        depth += (header[i] == ")") - (header[i] == "(")
        if depth == 0:
            return re.findall(r"\w+", header[:i])[-1]
    return ""


def _flat(code: str) -> str:
    return " ".join(code.split())


# ---- trying them -----------------------------------------------------------------------------------------------------


class MutantLauncher(EmulatedLauncher):
    """Launches what was mutated, with one mutant switched on. files: what it has launched."""

    def __init__(self, mutated: Mutated) -> None:
        super().__init__()
        self.mutated, self.number = mutated, 0
        self.launched: set[tuple[Path, str]] = set()

    def cuda_c(self, file: Path, name: str, grid: Dim, block: Dim, arguments: tuple[Any, ...], *, dtype: Any,
               shared: int = 0, defines: tuple[str, ...] = ()) -> None:
        self.launched.add((file.resolve(), name))
        dtype = np.dtype(dtype)
        module = emulator.load(file, dtype, defines, edit=self.mutated)
        ctypes.c_int.in_dll(module.library, "emulator_mutant").value = self.number
        module.run(name, grid, block, arguments, dtype, shared=shared, patience=PATIENCE)


@dataclass
class Call:
    """One call of a body with what the formula gives, computed once for all mutants. seconds: it takes unmutated."""

    body: Body
    arguments: Arguments
    expected: tuple[Any, ...]
    kinds: tuple[Any, ...]
    launched: set[tuple[Path, str]]
    seconds: float = 0.0

    def problem(self, launch: MutantLauncher) -> str | None:
        """What is wrong with the body's result, None if nothing is."""
        try:
            results = checking._tuple(self.body.run(launch, self.arguments))
        except emulator.KernelError as error:
            return str(error)
        _, problem = checking._compare(results, self.expected, self.kinds, self.body.kernel.tolerated(np.float32))
        return problem


def calls_of(body: Body, launch: MutantLauncher) -> Iterator[Call]:
    """The calls of a body's contract that it covers, in float32. Raises AssertionError if one of them fails."""
    for name, make in calls(body.kernel):
        mine, exact, plain_ = (make(np.random.default_rng(0), np.dtype(np.float32)) for _ in range(3))
        if not body.accepts(*mine.arrays, **mine.keywords) or body.kernel.flops(mine) > MOST_FLOPS:
            continue
        expected = checking._formula(body.kernel, Arguments(tuple(map(checking._as_float64, exact.arrays)),
                                                            exact.keywords))
        kinds = checking._formula(body.kernel, plain_)
        launch.number, launch.launched = 0, set()
        call = Call(body, mine, checking._tuple(expected), checking._tuple(kinds), set())
        problem = call.problem(launch)
        assert problem is None, f"{body}, {name}: {problem}"
        call.launched = launch.launched
        started = time.process_time()
        call.problem(launch)
        call.seconds = time.process_time() - started
        yield call


def survivors(mutated: Mutated, bodies: Iterable[Body], skipped: Container[tuple[str, str, str]] = ()) -> list[Mutant]:
    """The mutants that no call of any of these bodies tells from the kernel, but for those that are skipped."""
    launch = MutantLauncher(mutated)
    # Large calls see more, but a slow one is tried last.
    tried = sorted((call for body in bodies for call in calls_of(body, launch)),
                   key=lambda call: (call.seconds > SLOW, -call.seconds))
    launched = {kernel for call in tried for kernel in call.launched}
    left = []
    for mutant in mutated.mutants:
        launch.number = mutant.number
        kernel = (mutant.file.resolve(), mutant.function)
        reach = [call for call in tried if kernel in call.launched] if kernel in launched else tried
        if mutant.key not in skipped and not any(call.problem(launch) for call in reach):
            left.append(mutant)
    return left
