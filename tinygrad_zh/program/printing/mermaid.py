"""The graph of a program as Mermaid text, drawn as the documents draw theirs: from the top down. 流程图

    graph TD
        x("x<br/>4 × 2") --> z1["z1<br/>MatMul, Add<br/>4 × 3"]         a value, and the ops that computed it
        W1[/"W1<br/>2 × 3"/] --> z1                                     a parameter
        z1 -.->|dW1| W1                                                 its gradient, on the way back

What was computed in a layer stands in a box of its own.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tinygrad_zh.core.tape import Line
from tinygrad_zh.i18n import text
from tinygrad_zh.program.listing import BACKWARD, UPDATE, Listing
from tinygrad_zh.program.printing.calling import display_names
from tinygrad_zh.program.printing.rows import Row
from tinygrad_zh.program.printing.simplifying import simplified

_SHAPES = {"input": '("{}")', "parameter": '[/"{}"/]', "constant": '("{}")', "state": '[("{}")]', "rate": '[("{}")]',
           "setting": '[("{}")]', "generator": '[("{}")]', "value": '["{}"]', "loss": '(("{}"))'}
_COLOURS = {"input": "#dbeafe,stroke:#2563eb", "parameter": "#fef3c7,stroke:#d97706", "loss": "#fee2e2,stroke:#dc2626"}


@dataclass
class Node:
    """A value: what it is called, what kind it is, and the modules that it was computed in, the outermost first."""

    id: str
    label: str
    kind: str
    modules: tuple[Any, ...] = ()


@dataclass
class Graph:
    """Values by their names in the listing, and which is computed from which."""

    nodes: dict[str, Node]
    edges: list[tuple[str, str]]


def mermaid(listing: Listing, backward: bool = True) -> str:
    """Mermaid text of the forward pass; backward: with the gradients, as broken lines in the other direction."""
    rows = simplified(listing)
    displayed = display_names(rows, listing)
    graph = _graph(rows, displayed, listing)
    lines = ["graph TD", f"    %% {text('unroll.graph.legend')}", *_boxes(graph)]
    lines += [f"    {graph.nodes[a].id} --> {graph.nodes[b].id}" for a, b in graph.edges]
    if backward:
        gradients = {hint.of: displayed[name] for name, hint in listing.hints.items()
                     if hint.kind == "gradient" and name in displayed}
        lines += [f'    {graph.nodes[b].id} -.->|"{escaped(_way_back(a, gradients[a], listing))}"| {graph.nodes[a].id}'
                  for a, b in graph.edges if a in gradients]
    lines += [f"    classDef {kind} fill:{colour}" for kind, colour in _COLOURS.items()]
    return "\n".join(lines + [f"    class {','.join(ids)} {kind}" for kind, ids in _coloured(graph)]) + "\n"


def _graph(rows: Sequence[Row], displayed: dict[str, str], listing: Listing) -> Graph:
    graph = Graph({}, [])
    sources: dict[str, list[str]] = {}  # of what is local to a formula: the values it is computed from
    lines: list[Line] = []  # since the last value
    for row in rows:
        if row.section in (BACKWARD, UPDATE):
            continue
        lines += [line for line in row.lines if line.kind == "forward"]
        modules = lines[-1].info["modules"] if lines else ()
        ops = dict.fromkeys(line.info["op"].__name__ for line in lines)
        reads = list(dict.fromkeys(n for name in _in_order(row.tree.value) for n in sources.get(name, [name])))
        reads = [name for name in reads if name in graph.nodes or _add_leaf(graph, name, modules, listing)]
        for target in row.targets:
            if listing.hints[target].kind == "local":
                sources[target] = reads
                continue
            kind = "loss" if target == listing.loss else "value"
            label = _label(displayed[target], ", ".join(ops), _shape(listing.values.get(target)))
            graph.nodes[target] = Node(f"n{len(graph.nodes)}", label, kind, modules)
            graph.edges += [(name, target) for name in reads]
        if any(listing.hints[target].kind != "local" for target in row.targets):
            lines = []
    return graph


def _in_order(tree: ast.expr) -> list[str]:
    """The names that an expression reads, from the left to the right."""
    read = [n for n in ast.walk(ast.parse(ast.unparse(tree))) if isinstance(n, ast.Name)]
    return [n.id for n in sorted(read, key=lambda n: n.col_offset)]


def _add_leaf(graph: Graph, name: str, modules: tuple[Any, ...], listing: Listing) -> bool:
    """Make a node of a leaf where it is first used; False for what is no leaf, such as np."""
    leaf = listing.leaf(name)
    if leaf is None:
        return False
    inside = modules if leaf.kind in ("parameter", "state", "generator") else ()
    label = _label(name, _shape(leaf.value))
    graph.nodes[name] = Node(f"n{len(graph.nodes)}", label, leaf.kind, inside)
    return True


def _way_back(name: str, gradient: str, listing: Listing) -> str:
    """What stands at a broken line: the gradient, and that the optimizer uses it."""
    return text("unroll.graph.update", gradient=gradient) if name in listing.updates.values() else gradient


def _label(*parts: str) -> str:
    return "<br/>".join(escaped(part) for part in parts if part)


def _shape(value: Any) -> str:
    return " × ".join(map(str, getattr(value, "shape", ())))


def escaped(words: str) -> str:
    """Text inside quotation marks, where Mermaid reads # as the beginning of a character's number."""
    for mark, code in (("#", "#35;"), ('"', "#quot;"), ("<", "#lt;"), (">", "#gt;")):
        words = words.replace(mark, code)
    return words


# ---- boxes


def _boxes(graph: Graph) -> Iterator[str]:
    """The nodes, those of a layer in a box, boxes in boxes. A box of one node would say nothing."""
    yield from _box(list(graph.nodes.values()), 0, "b")


def _box(nodes: Sequence[Node], depth: int, name: str) -> Iterator[str]:
    indent = "    " * (depth + 1)
    inner: dict[int, list[Node]] = {}
    for node in nodes:
        inner.setdefault(id(node.modules[depth]) if len(node.modules) > depth else -id(node), []).append(node)
    for k, members in enumerate(inner.values()):
        module = members[0].modules[depth] if len(members[0].modules) > depth else None
        if module is None or len(members) == 1:
            for node in members:
                yield f"{indent}{node.id}{_SHAPES[node.kind].format(node.label)}"
            continue
        yield f'{indent}subgraph {name}{k}["{escaped(type(module).__name__)}"]'
        yield from _box(members, depth + 1, f"{name}{k}_")
        yield f"{indent}end"


def _coloured(graph: Graph) -> Iterator[tuple[str, list[str]]]:
    for kind in _COLOURS:
        ids = [node.id for node in graph.nodes.values() if node.kind == kind]
        if ids:
            yield kind, ids
