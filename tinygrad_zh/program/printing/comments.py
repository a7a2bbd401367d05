"""What is said beside a line of the program: the op and its formula. 注释"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tinygrad_zh.core.tape import Line
from tinygrad_zh.i18n import language, text
from tinygrad_zh.ops.formula import formula
from tinygrad_zh.program.printing.wording import formula_words

SPOKEN = ("sum_to", "cast", "accumulate", "gradient", "seed", "assign")
"""Kinds of lines that are the engine's own: they are told in words."""


def comment(lines: Sequence[Line], briefly: bool = False) -> str:
    """The ops and formulas of the lines that a statement is made of, in the language in force; briefly: the ops."""
    colon, semicolon = (": ", "; ") if language() == "en" else ("：", "；")
    names = _once(_name(line) for line in lines)
    formulas = "" if briefly else semicolon.join(_once(f for line in lines for f in _formulas(line, language())))
    words = _once(text(f"unroll.line.{line.kind}") for line in lines if line.kind in SPOKEN)
    ops = [", ".join(names) + (colon + formulas if formulas else "")] if names else []
    return semicolon.join(ops + words)


def _once(several: Iterable[str]) -> list[str]:
    return [one for one in dict.fromkeys(several) if one]


def _name(line: Line) -> str:
    if line.kind == "forward":
        return line.info["op"].__name__
    return "∂" + line.info["op"].__name__ if line.kind == "backward" else ""


def _formulas(line: Line, lang: str) -> list[str]:
    """The formula's first line; of a backward line, the partials that it computes."""
    if line.kind not in ("forward", "backward"):
        return []
    op: Any = line.info["op"]
    try:
        said = formula(op)
    except ValueError:  # an op of the user's that does not say
        return []
    if line.kind == "forward":
        return [formula_words(said.forward, lang)]
    keys = [key.removeprefix("backward_") for key in op.backwards if key != "backward"]
    key = line.function.__name__.removeprefix("backward_")
    if keys:
        partials = dict(zip(keys, said.partials, strict=False))
        return [formula_words(partials[key], lang)] if key in partials else []
    sources = line.info["forward"].info["sources"]
    wanted = [k for k, slot in enumerate(line.info["slots"]) if sources[slot] is not None]
    partials_of = said.partials if not op.variadic else said.partials[:1]
    chosen = [p for k, p in enumerate(partials_of) if op.variadic or k in wanted]
    return [formula_words(p, lang) for p in chosen]
