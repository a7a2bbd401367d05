"""A formula's own source, written out for given arguments. 把公式的源代码展开成语句

    class Sigmoid(Op):                                    inlined(Sigmoid.forward, [z1], {}, ["h1"], fresh):
        def forward(x):
            e = np.exp(-np.abs(x))                        e = np.exp(-np.abs(z1))
            return np.where(x >= 0, 1, e) / (1 + e)       h1 = np.where(z1 >= 0, 1, e) / (1 + e)

Nobody writes a second text of an op, so what is printed and what is compiled cannot drift from what runs. A formula is
straight-line assignments and one return; an op that it calls is written out in its place, and so is a helper of one
line. A longer helper (a loop over blocks, say) stays a call, and is handed out for whoever prints or runs the result.
Every name is assigned once.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, cast

import numpy as np

from tinygrad_zh.core.op import OpMeta

Fresh = Callable[[str], str]
Targets = Sequence[str | None]


class Inlined(NamedTuple):
    """Assignments, and the helper functions that they call, by name."""

    statements: list[ast.Assign]
    helpers: dict[str, FunctionType]


@cache
def definition(function: FunctionType) -> ast.FunctionDef:
    """The syntax tree of a function. Raises OSError with what to do where its source is not to be had."""
    try:
        tree = ast.parse(dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise OSError(f"the source of {function.__qualname__} cannot be read, so it cannot be written out; define the "
                      "op in a file or a notebook's cell") from error
    if not isinstance(tree, ast.FunctionDef):
        raise OSError(f"{function.__qualname__} is no plain function; write it with def")
    return tree


def inlined(function: FunctionType, arguments: Sequence[ast.expr], keywords: Mapping[str, ast.expr], targets: Targets,
            fresh: Fresh) -> Inlined:
    """The assignments that function(*arguments, **keywords) stands for, its results bound to `targets`.

    targets: a name for each result, or one for all of them; None for a result that nobody wants. fresh(name) gives a
    name that is still free, like the formula's own.
    """
    writer = _Writer(fresh)
    writer.call(function, arguments, keywords, targets)
    return Inlined(writer.statements, writer.helpers)


class _Writer:
    """Writes statements down, in order."""

    def __init__(self, fresh: Fresh) -> None:
        self.fresh = fresh
        self.statements: list[ast.Assign] = []
        self.helpers: dict[str, FunctionType] = {}

    def call(self, function: FunctionType, arguments: Sequence[ast.expr], keywords: Mapping[str, ast.expr],
             targets: Targets) -> None:
        """The whole body of a function, its results bound to targets."""
        *body, last = _body(function)
        results = _results(last, targets)
        known: dict[str, ast.expr] = self._bound(function, arguments, keywords)
        named = _named_at_once(results, targets, body)
        lasts = {name: i for i, statement in enumerate(body) for name in _assigned(statement)}
        for i, statement in enumerate(body):
            wanted = {name: named.get(name) if lasts[name] == i else None for name in _assigned(statement)}
            names = self._statement(function, known, statement, wanted)
            known = {**known, **{name: ast.Name(new, ast.Load()) for name, new in names.items()}}
        self._return(function, known, results, targets)

    def _statement(self, function: FunctionType, known: Mapping[str, ast.expr], statement: ast.Assign,
                   wanted: Mapping[str, str | None]) -> dict[str, str]:
        """Write one statement of the body; its names here, which are those wanted where there are any."""
        op = called_op(function, statement.value)
        if op is not None and isinstance(statement.targets[0], ast.Name):  # s = Sigmoid(x): s is what it computes
            names = {name: new or self.fresh(name) for name, new in wanted.items()}
            call = cast(ast.Call, statement.value)
            arguments = [self.expression(function, known, a) for a in call.args]
            keywords = {cast(str, k.arg): self.expression(function, known, k.value) for k in call.keywords}
            self.call(op.forward, self._once_each(op.forward, arguments), keywords,
                      [*names.values(), *[None] * (len(op.outputs) + len(op.aux) - 1)])
            return names
        value = self.expression(function, known, statement.value)
        names = {name: new or self.fresh(name) for name, new in wanted.items()}
        self.statements.append(_assign(_renamed(statement.targets[0], names), value))
        return names

    def _return(self, function: FunctionType, known: dict[str, ast.expr], results: Sequence[ast.expr],
                targets: Targets) -> None:
        if len(results) < len(targets):  # a call that gives all of them
            whole = ast.Tuple([ast.Name(t or "_", ast.Store()) for t in targets], ast.Store())
            self.statements.append(_assign(whole, self.expression(function, known, results[0])))
            return
        for result, target in zip(results, targets, strict=True):
            if target is not None:
                value = self.expression(function, known, result)
                if not (isinstance(value, ast.Name) and value.id == target):
                    self.statements.append(_assign(ast.Name(target, ast.Store()), value))

    def expression(self, function: FunctionType, known: Mapping[str, ast.expr], tree: ast.expr) -> ast.expr:
        """An expression of the function's body, in terms of what its names stand for here."""
        return cast(ast.expr, _Substitution(self, function, known).visit(_copy(tree)))

    def inner(self, function: FunctionType, arguments: Sequence[ast.expr], keywords: Mapping[str, ast.expr],
              name: str) -> ast.expr:
        """The value of a call inside an expression: what it computes first becomes statements of its own."""
        *body, last = _body(function)
        arguments = self._once_each(function, arguments)
        if not body and not isinstance(last, ast.Tuple):
            return self.expression(function, self._bound(function, arguments, keywords), last)
        target = self.fresh(name)
        count = len(last.elts) if isinstance(last, ast.Tuple) else 1
        self.call(function, arguments, keywords, [target, *[None] * (count - 1)])
        return ast.Name(target, ast.Load())

    def _once_each(self, function: FunctionType, arguments: Sequence[ast.expr]) -> list[ast.expr]:
        """A long argument that the function names several times is computed once, before."""
        names = [n.id for n in ast.walk(definition(function)) if isinstance(n, ast.Name)]
        written = list(arguments)
        for i, (parameter, argument) in enumerate(zip(_positional(function), arguments, strict=False)):
            if isinstance(argument, (ast.BinOp, ast.Call, ast.UnaryOp)) and names.count(parameter) > 1:
                target = self.fresh(parameter)
                self.statements.append(_assign(ast.Name(target, ast.Store()), argument))
                written[i] = ast.Name(target, ast.Load())
        return written

    def _bound(self, function: FunctionType, arguments: Sequence[ast.expr],
               keywords: Mapping[str, ast.expr]) -> dict[str, ast.expr]:
        """What each parameter stands for."""
        parameters = definition(function).args
        names = _positional(function)
        known = dict(zip(names, arguments, strict=False))
        if parameters.vararg is not None:
            known[parameters.vararg.arg] = ast.Tuple(list(arguments[len(names):]), ast.Load())
        for parameter, default in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True):
            if default is not None:
                known[parameter.arg] = default
        return {**known, **keywords}


class _Substitution(ast.NodeTransformer):
    """Puts arguments in the place of parameters, and what is called in the place of calls."""

    def __init__(self, writer: _Writer, function: FunctionType, known: Mapping[str, ast.expr]) -> None:
        self.writer = writer
        self.function = function
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.known:
            return _copy(self.known[node.id])
        value = self._global(node)
        if isinstance(value, (int, float, str, tuple)):
            return ast.parse(repr(value), mode="eval").body
        if value is not None and not isinstance(value, (FunctionType, OpMeta)):
            raise ValueError(f"{self.function.__qualname__} cannot be written out: it reads {node.id}, a "
                             f"{type(value).__name__} from outside; pass it as an input of the op")
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        function = self._global(node.func)
        arguments = [part for argument in node.args for part in _spread(self.visit(argument))]
        keywords = {k.arg: self.visit(k.value) for k in node.keywords if k.arg is not None}
        if isinstance(function, OpMeta):
            return self.writer.inner(cast(FunctionType, function.forward), arguments, keywords,
                                     function.outputs[0])
        if isinstance(function, FunctionType):
            if all(isinstance(a, ast.Constant) for a in (*arguments, *keywords.values())):
                values = [cast(ast.Constant, a).value for a in arguments]
                return ast.Constant(function(*values))
            if len(_body(function)) == 1 and not node.keywords:
                return self.writer.inner(function, arguments, keywords, "e")
            for name, helper in _helpers(function):
                self.writer.helpers[name] = helper
        else:
            node.func = self.visit(node.func)
        node.args = arguments
        for keyword in node.keywords:
            keyword.value = keywords[cast(str, keyword.arg)]
        return node

    def _global(self, node: ast.expr) -> Any:
        """What a name of the function's module means, if it is one that the result cannot use as it is."""
        if not isinstance(node, ast.Name) or node.id in self.known or hasattr(builtins, node.id):
            return None
        value = meaning(self.function, node.id)
        return None if isinstance(value, ModuleType) else value


# ---- the parts of a formula


def called_op(function: FunctionType, tree: ast.expr) -> Any:
    """The op that an expression of a function's body is a call of, or None."""
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        op = meaning(function, tree.func.id)
        return op if isinstance(op, OpMeta) else None
    return None


def meaning(function: FunctionType, name: str) -> Any:
    """What a name from outside stands for in a function's body: of the function around it, or of its module."""
    if name in function.__code__.co_freevars and function.__closure__ is not None:
        return function.__closure__[function.__code__.co_freevars.index(name)].cell_contents
    return function.__globals__.get(name)


def _body(function: FunctionType) -> list[Any]:
    """The assignments of a formula, and the expression that it returns."""
    statements = [s for s in definition(function).body
                  if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    *assignments, last = statements
    if not isinstance(last, ast.Return) or last.value is None \
            or not all(isinstance(s, ast.Assign) and len(s.targets) == 1 for s in assignments):
        if isinstance(function.__globals__.get(function.__name__), FunctionType):
            return [*assignments, last]  # a longer helper: nobody writes it out
        raise ValueError(f"{function.__qualname__} cannot be written out: a formula is assignments and one return, "
                         "without if, for, or writing into an array")
    return [*assignments, last.value]


def _positional(function: FunctionType) -> list[str]:
    parameters = definition(function).args
    return [p.arg for p in (*parameters.posonlyargs, *parameters.args)]


def _results(last: ast.expr, targets: Targets) -> list[ast.expr]:
    return list(last.elts) if isinstance(last, ast.Tuple) and len(targets) > 1 else [last]


def _named_at_once(results: Sequence[ast.expr], targets: Targets, body: Sequence[ast.Assign]) -> dict[str, str]:
    """The local variables that are results: each has the result's name from the start."""
    local = {name for statement in body for name in _assigned(statement)}
    named: dict[str, str] = {}
    for result, target in zip(results, targets, strict=False):
        if isinstance(result, ast.Name) and result.id in local and target is not None:
            named.setdefault(result.id, target)
    return named


def _assigned(statement: ast.Assign) -> list[str]:
    return [n.id for n in ast.walk(statement.targets[0]) if isinstance(n, ast.Name)]


def _renamed(target: ast.expr, names: Mapping[str, str]) -> ast.expr:
    target = _copy(target)
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            node.id, node.ctx = names[node.id], ast.Store()
    return target


def _spread(argument: ast.expr) -> list[ast.expr]:
    """f(*(a, b)) is f(a, b)."""
    if isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Tuple):
        return argument.value.elts
    return [argument]


def _assign(target: ast.expr, value: ast.expr) -> ast.Assign:
    return ast.fix_missing_locations(ast.Assign([target], value))


def _copy(tree: Any) -> Any:
    """A tree of its own: what is put in several places must not be changed in all of them at once."""
    if isinstance(tree, ast.AST):
        return type(tree)(**{name: _copy(value) for name, value in ast.iter_fields(tree)})
    return [_copy(part) for part in tree] if isinstance(tree, list) else tree


def _helpers(function: FunctionType) -> Iterator[tuple[str, FunctionType]]:
    """A helper and the helpers that it calls itself."""
    seen: dict[str, FunctionType] = {}
    waiting = [function]
    while waiting:
        helper = waiting.pop()
        if helper.__name__ in seen:
            continue
        seen[helper.__name__] = helper
        named = (meaning(helper, name) for name in (*helper.__code__.co_names, *helper.__code__.co_freevars))
        waiting += [f for f in named if isinstance(f, FunctionType) and f.__module__ != np.__name__]
    yield from reversed(seen.items())
