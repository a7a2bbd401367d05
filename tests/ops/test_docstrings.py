"""The form of an op: its docstring says the mathematics, its functions are straight-line programs."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import Any

import pytest

from tests.ops.reach import every_op

OPS = sorted(every_op(), key=lambda op: (op.__module__, op.__name__))
DIFFERENTIABLE = [op for op in OPS if op.backwards]
CHINESE = re.compile(r"[\u3400-\u9fff]")


def name_of(op: Any) -> str:
    return op.__name__


def lines_of(op: Any) -> list[str]:
    return inspect.cleandoc(op.__doc__).splitlines()


def tree_of(function: Any) -> ast.FunctionDef:
    return ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]  # type: ignore[return-value]


def functions_of(op: Any) -> list[Any]:
    return [op.forward, *(getattr(op, name) for name in op.backwards)]


FUNCTIONS = [pytest.param(f, id=f.__qualname__) for op in OPS for f in functions_of(op)]


def is_zero_or_none(node: ast.expr) -> bool:
    return (isinstance(node, ast.Constant) and node.value is None) or ast.unparse(node).startswith("np.zeros")


def count_of_partials(op: Any) -> int:
    """How many inputs have a partial: the separate backwards, or what a joint one returns that is not 0."""
    if op.backwards != ("backward",):
        return len(op.backwards)
    returned = tree_of(op.backward).body[-1].value  # type: ignore[attr-defined]
    parts = returned.elts if isinstance(returned, ast.Tuple) else [returned]
    return sum(not is_zero_or_none(part) for part in parts)


@pytest.mark.parametrize("op", OPS, ids=name_of)
def test_the_first_line_is_the_formula(op):
    first = lines_of(op)[0]
    assert re.search(r"[=←]", first), first
    assert not first.endswith(".")


@pytest.mark.parametrize("op", OPS, ids=name_of)
def test_one_line_gives_the_chinese_term(op):
    terms = [line for line in lines_of(op) if line.startswith("中文：")]
    assert len(terms) == 1 and CHINESE.search(terms[0].removeprefix("中文："))


@pytest.mark.parametrize("op", OPS, ids=name_of)
def test_one_line_gives_the_partial_of_each_input(op):
    partials = [line for line in lines_of(op) if re.match(r"∂[LJ]/∂\S+ = ", line)]
    assert len(partials) == (count_of_partials(op) if op.backwards else 0)
    assert len({line.partition(" ")[0] for line in partials}) == len(partials)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_formula_is_assignments_and_one_return(function):
    *assignments, last = tree_of(function).body
    assert isinstance(last, ast.Return)
    for statement in assignments:
        assert isinstance(statement, ast.Assign), ast.unparse(statement)
        assert len(statement.targets) == 1
        target = statement.targets[0]
        names = target.elts if isinstance(target, ast.Tuple) else [target]
        assert all(isinstance(name, ast.Name) for name in names), ast.unparse(statement)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_formula_does_not_branch_loop_or_name_numpy_scalars(function):
    for node in ast.walk(tree_of(function)):
        assert not isinstance(node, ast.IfExp | ast.BoolOp | ast.NamedExpr | ast.Lambda | ast.comprehension)
        if isinstance(node, ast.Call):  # a NumPy scalar promotes float32; as a dtype the name is fine
            assert ast.unparse(node.func) not in ("np.float32", "np.float64")


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=name_of)
def test_metadata_is_keyword_only_and_defaults_are_forwards(op):
    for name in op.backwards:
        for parameter in inspect.signature(getattr(op, name)).parameters.values():
            assert (parameter.name in op.attributes) == (parameter.kind == parameter.KEYWORD_ONLY)
            assert parameter.default is parameter.empty
    for parameter in inspect.signature(op.forward).parameters.values():
        assert parameter.kind == parameter.KEYWORD_ONLY or parameter.default is parameter.empty


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=name_of)
def test_a_backward_reads_all_that_it_makes_the_engine_keep(op):
    """A name that is not used would keep an array alive for nothing; metadata may be there for symmetry."""
    for name in op.backwards:
        tree = tree_of(getattr(op, name))
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert {argument.arg for argument in tree.args.args} <= used
