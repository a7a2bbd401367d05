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
import inspect
import math
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
        return {**_defaults(function), **known, **keywords}


class _Substitution(ast.NodeTransformer):
    """Puts arguments in the place of parameters, and what is called in the place of calls."""

    def __init__(self, writer: _Writer, function: FunctionType, known: Mapping[str, ast.expr]) -> None:
        self.writer = writer
        self.function = function
        self.known = known

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.known:
            return _copy(self.known[node.id])
        if not from_outside(self.function, node.id):
            return node
        value = meaning(self.function, node.id)
        if isinstance(value, FunctionType):
            return self._helper(value)
        written = constant(value)
        if written is None:
            raise ValueError(f"{self.function.__qualname__} cannot be written out: it reads {node.id}, a "
                             f"{type(value).__name__} from outside; pass it as an input of the op")
        return written

    def visit_Call(self, node: ast.Call) -> ast.expr:
        function = self._global(node.func)
        arguments = [part for argument in node.args for part in _spread(self.visit(argument))]
        keywords = {k.arg: self.visit(k.value) for k in node.keywords if k.arg is not None}
        if isinstance(function, OpMeta):
            name = function.outputs[0] if function.outputs[0] != "y" else function.__name__.lower()
            return self.writer.inner(cast(FunctionType, function.forward), arguments, keywords, name)
        if isinstance(function, FunctionType):
            if all(isinstance(a, ast.Constant) for a in (*arguments, *keywords.values())):
                values = [cast(ast.Constant, a).value for a in arguments]
                return ast.Constant(function(*values))
            if _one_expression(function) and not node.keywords:
                return self.writer.inner(function, arguments, keywords, "e")
        node.func = self.visit(node.func)
        node.args = arguments
        for keyword in node.keywords:
            keyword.value = keywords[cast(str, keyword.arg)]
        return node

    def _helper(self, function: FunctionType) -> ast.expr:
        """A function that stays one."""
        for name, helper in _helpers(function):
            if not alike(helper, self.writer.helpers.setdefault(name, helper)):
                raise ValueError(f"two functions that the formulas call are named {name}; give one another name")
        return ast.Name(function.__name__, ast.Load())

    def _global(self, node: ast.expr) -> Any:
        """What a name from outside of the function means."""
        return meaning(self.function, node.id) if isinstance(node, ast.Name) and node.id not in self.known else None

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        inner = self._within(_parameters(node.args))
        arguments = _copy(node.args)
        for parameter in _parameters(arguments):
            parameter.arg = cast(ast.Name, inner.known[parameter.arg]).id
        arguments.defaults = [self.visit(default) for default in arguments.defaults]
        return ast.Lambda(arguments, inner.visit(node.body))

    def visit_ListComp(self, node: Any) -> ast.expr:
        """The first iterable belongs to what is around; names that the comprehension binds are its own."""
        names = [n for part in node.generators for n in ast.walk(part.target) if isinstance(n, ast.Name)]
        inner = self._within(names)
        for k, part in enumerate(node.generators):
            part.iter = (inner if k else self).visit(part.iter)
            part.target = _renamed(part.target, {n.id: cast(ast.Name, inner.known[n.id]).id for n in names})
            part.ifs = [inner.visit(condition) for condition in part.ifs]
        node.elt = inner.visit(node.elt)
        return cast(ast.expr, node)

    visit_GeneratorExp = visit_SetComp = visit_ListComp

    def _within(self, bound: Sequence[ast.Name | ast.arg]) -> _Substitution:
        """Inside an expression that binds names: each gets one that nothing else has."""
        names = [n.id if isinstance(n, ast.Name) else n.arg for n in bound]
        own = {name: ast.Name(self.writer.fresh(name), ast.Load()) for name in dict.fromkeys(names)}
        return _Substitution(self.writer, self.function, {**self.known, **own})


def constant(value: Any) -> ast.expr | None:
    """What a formula reads from outside, as an expression that needs NumPy alone: numbers, strings, tuples of them,
    and what NumPy and math have. None for anything else."""
    if isinstance(value, ModuleType):
        return ast.Name(MODULES[value.__name__], ast.Load()) if value.__name__ in MODULES else None
    if isinstance(value, tuple):
        parts = [constant(part) for part in value]
        return None if None in parts else ast.Tuple(cast(list[ast.expr], parts), ast.Load())
    if isinstance(value, float) and not np.isfinite(value):
        return ast.parse("np.nan" if value != value else "np.inf" if value > 0 else "-np.inf", mode="eval").body
    if value is None or (isinstance(value, (int, float, str)) and type(value).__module__ == "builtins"):
        return ast.parse(repr(value), mode="eval").body
    for module, name in ((np, getattr(value, "__name__", "")), (math, getattr(value, "__name__", ""))):
        if name and getattr(module, name, None) is value:
            return ast.Attribute(ast.Name(MODULES[module.__name__], ast.Load()), name, ast.Load())
    return None


MODULES = {"numpy": "np", "math": "math"}
"""What a printed program may import, and what it calls it."""


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


def _names_alone(target: ast.expr) -> bool:
    """Whether a target is a name, or several: not a place in an array."""
    return all(isinstance(n, (ast.Name, ast.Tuple, ast.List, ast.Starred, ast.Store)) for n in ast.walk(target))


def read_by(function: FunctionType) -> dict[str, Any]:
    """What a function's body reads from the function around it or from its module, by name."""
    names = sorted({n.id for part in definition(function).body for n in ast.walk(part) if isinstance(n, ast.Name)})
    return {name: meaning(function, name) for name in names if from_outside(function, name)}


def from_outside(function: FunctionType, name: str) -> bool:
    """Whether a name that a function's body reads is of the function around it or of its module."""
    return name in function.__code__.co_freevars or name in function.__globals__


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def _body(function: FunctionType) -> list[Any]:
    """The assignments of a formula, and the expression that it returns."""
    statements = [s for s in definition(function).body
                  if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    *assignments, last = statements
    if not isinstance(last, ast.Return) or last.value is None \
            or not all(isinstance(s, ast.Assign) and len(s.targets) == 1 and _names_alone(s.targets[0])
                       for s in assignments) \
            or any(isinstance(n, ast.NamedExpr) for s in statements for n in ast.walk(s)):
        raise ValueError(f"{function.__qualname__} cannot be written out: a formula is assignments and one return, "
                         "without if, for, or writing into an array")
    return [*assignments, last.value]


def _one_expression(function: FunctionType) -> bool:
    """Whether a helper is one return, and can be written out where it is called; a longer one stays a call."""
    statements = [s for s in definition(function).body
                  if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return len(statements) == 1 and isinstance(statements[0], ast.Return) and statements[0].value is not None


def _defaults(function: FunctionType) -> dict[str, ast.expr]:
    """What the parameters stand for that a call leaves out."""
    names = _positional(function)
    values = function.__defaults__ or ()
    given = {**dict(zip(names[len(names) - len(values):], values, strict=True)), **(function.__kwdefaults__ or {})}
    return {name: written for name, value in given.items() if (written := constant(value)) is not None}


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


def alike(a: FunctionType, b: FunctionType) -> bool:
    """Whether two functions are one, or made by one def around the same values."""
    def around(function: FunctionType) -> list[Any]:
        return [cell.cell_contents for cell in function.__closure__ or ()]

    return a is b or (a.__code__ is b.__code__ and a.__defaults__ == b.__defaults__
                      and a.__kwdefaults__ == b.__kwdefaults__
                      and all(x is y or (isinstance(x, FunctionType) and isinstance(y, FunctionType) and alike(x, y))
                              for x, y in zip(around(a), around(b), strict=True)))


def _helpers(function: FunctionType) -> Iterator[tuple[str, FunctionType]]:
    """A helper and the helpers that it calls itself."""
    seen: dict[str, FunctionType] = {}
    waiting = [function]
    while waiting:
        helper = waiting.pop()
        if helper.__name__ in seen:
            continue
        seen[helper.__name__] = helper
        waiting += [f for f in read_by(helper).values() if isinstance(f, FunctionType)]
    yield from reversed(seen.items())
