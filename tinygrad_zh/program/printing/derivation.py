"""A listing as a derivation: a formula a statement, section by section, in LaTeX. 推导过程

    forward     z_1 = x W_1 + b_1                     MatMul, Add
    backward    ∂L/∂W_1 = xᵀ ∂L/∂z_1                  ∂MatMul
    update      W_1 ← W_1 − η ∂L/∂W_1                 SGD
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from tinygrad_zh.core.tape import Line
from tinygrad_zh.i18n import text
from tinygrad_zh.program.listing import Listing
from tinygrad_zh.program.printing.calling import display_names
from tinygrad_zh.program.printing.executing import executed
from tinygrad_zh.program.printing.latex import evaluation, typeset
from tinygrad_zh.program.printing.simplifying import simplified
from tinygrad_zh.program.printing.symbols import Symbols, escaped

LINES = 20
"""The most lines of one display: a page breaks between displays, and nowhere inside one."""


def derivation(listing: Listing) -> str:
    """The whole program as displays, $$…$$: MathJax and KaTeX show them, and LaTeX with amsmath (and, for Chinese,
    ctex) sets them."""
    rows = simplified(listing)
    displayed = display_names(rows, listing)
    value = evaluation(executed(rows, listing))
    differentiated = [_base_of(listing, hint.of) for hint in listing.hints.values() if hint.kind == "gradient"]
    symbols = Symbols([*displayed.values(), *differentiated], displayed.get(listing.loss, "loss"), displayed)
    known = {leaf.name for leaf in listing.leaves}
    otherwise = text("unroll.otherwise")
    displays = []
    for section, members in groupby(rows, key=lambda row: row.section):
        lines = []
        for row in members:
            again = any(displayed[target] in {displayed[name] for name in known} for target in row.targets)
            arrow = "\\leftarrow" if again else "="
            left = ", ".join(symbols(target) for target in row.targets)
            right = typeset(row.tree.value, symbols, value, otherwise)
            lines.append(f"{left} &{arrow} {right}" + (f" && {_ops(row.lines)}" if _ops(row.lines) else ""))
            known |= set(row.targets)
        title = text(f"unroll.section.{section}")
        displays += [_display(part, title if k == 0 else "") for k, part in enumerate(_parts(lines))]
    return "\n\n".join(displays) + "\n"


def _base_of(listing: Listing, name: str) -> str:
    """What a value is called that may not be in print itself: its gradient is."""
    return listing.hints[name].base or name


def _display(lines: Sequence[str], title: str) -> str:
    head = [f"&\\textbf{{{escaped(title)}}}"] if title else []
    body = " \\\\\n".join([*head, *lines])
    return f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$"


def _parts(lines: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(lines), LINES):
        yield lines[start : start + LINES]


def _ops(lines: Sequence[Line]) -> str:
    """The ops of a statement: forward by their names, backward with ∂."""
    names = dict.fromkeys((line.kind == "backward", line.info["op"].__name__) for line in lines
                          if line.kind in ("forward", "backward"))
    return ",\\ ".join(("\\partial\\," if backward else "") + f"\\text{{{escaped(name)}}}" for backward, name in names)
