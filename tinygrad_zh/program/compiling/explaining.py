"""What became of a compiled step, in the user's language. 编译结果的说明"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tinygrad_zh.i18n import text
from tinygrad_zh.program.compiling.recorded import Unsupported

if TYPE_CHECKING:
    from tinygrad_zh.program.compiling.compiled import Compiled, Variant


def explained(compiled: Compiled) -> str:
    """The text of explain()."""
    name = getattr(compiled.step, "__qualname__", type(compiled.step).__name__)
    lines = [text("compile.explain.head", name=name, calls=compiled.calls, replays=compiled.replays,
                  runs=compiled.runs)]
    for number, variant in enumerate(compiled.variants, 1):
        lines += ["", *_variant(number, variant)]
    if compiled.graph is not None:
        lines.append(text("compile.explain.graph", device=compiled.graph.device))
    elif not compiled.variants:
        lines.append(text("compile.explain.none"))
    if compiled.reasons:
        reasons = [f"  {sentence(why)}" for why in compiled.reasons.values()]
        lines += ["", text("compile.explain.why"), *dict.fromkeys(reasons)]
    return "\n".join(lines)


def sentence(why: Unsupported) -> str:
    """Why something was not compiled, or not as it could be."""
    return text(why.key, **why.values)


def _variant(number: int, variant: Variant) -> Iterator[str]:
    yield text("compile.explain.variant", number=number, arguments=", ".join(variant.arguments),
               replays=variant.replays)
    program = variant.made.program
    for line in _formulas(variant) if not hasattr(program, "compiled") else _compiled(variant, program):
        yield f"  {line}"
    yield "  " + text("compile.explain.guards", places=len(variant.places), bounds=variant.bounds)
    for where in dict.fromkeys(variant.reads):
        yield "  " + text("compile.explain.read", where=where)


def _formulas(variant: Variant) -> Iterator[str]:
    yield text("compile.explain.formulas", lines=variant.lines)
    if variant.made.why is not None:
        yield sentence(variant.made.why)


def _compiled(variant: Variant, program: Any) -> Iterator[str]:
    yield text("compile.explain.compiled", lines=variant.lines, compiled=program.compiled, called=len(program.called))
    for (name, why), count in Counter((f.__qualname__, why) for f, why in program.called).items():
        yield text("compile.explain.called", op=name, count=count, reason=text(why))
    yield text("compile.explain.memory", arena=program.arena,
               homes=sum(home.array.nbytes for home in program.homes.values()))
