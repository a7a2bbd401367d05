"""Every bug of the zoo is a bug: the right value, and a gradient that is not the gradient."""

from __future__ import annotations

import inspect
import re
import sys

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.check.zoo import BUGS, KINDS
from tinygrad_zh.check.zoo.seen import SEEN
from tinygrad_zh.core.random import philox

VALUES = ("factor", "sign", "missing_derivative", "missing_reduction", "transposition", "non_square", "indexing",
          "branches", "ties", "zeros", "saturation", "normalization", "graph")
"""The kinds whose gradients are wrong numbers; the others have bad manners."""


def value(function, inputs):
    with np.errstate(all="ignore"):
        return function(*[tz.tensor(x) if is_floating(x) else x for x in inputs])


def is_floating(x):
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def gradients(function, inputs, seed):
    """∂L/∂x of every floating input, under random signs from above."""
    leaves = [tz.tensor(x, requires_grad=True) if is_floating(x) else x for x in inputs]
    y = function(*leaves)
    upstream = philox(seed).choice([-1.0, 1.0], size=y.shape)
    return [None if g is None else g.numpy()
            for g in tz.grad(y, [x for x in leaves if isinstance(x, tz.Tensor)], upstream, allow_unused=True)]


def same(found, right):
    return all(f is not None and f.shape == r.shape and np.allclose(f, r, rtol=1e-9, atol=1e-12)
               for f, r in zip(found, right, strict=True))


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_its_value_is_right(bug):
    if bug.kind in VALUES:
        for inputs in (bug.inputs, bug.showing):
            found, right = value(bug.function, inputs), value(bug.right, inputs)
            assert found.shape == right.shape
            np.testing.assert_allclose(found.numpy(), right.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.kind in VALUES and bug.order == 1], ids=str)
def test_its_gradient_is_not(bug):
    with np.errstate(all="ignore"):
        for seed in range(5):
            right = gradients(bug.right, bug.showing, seed)
            try:
                found = gradients(bug.function, bug.showing, seed)
            except Exception:
                return
            if not same(found, right):
                return
    pytest.fail(f"the gradient of {bug} is right at the point that should show the bug")


def cured(bug):
    """The op with its cure in place of one line, for each line of its backward; it may need other arguments."""
    source = inspect.getsource(bug.op)
    lines = source[source.index(f"\nclass {bug.name}") + 1 :].splitlines()
    known = [*(f"d{y}" for y in bug.op.outputs), *bug.op.inputs, *bug.op.outputs,
             *(f"{x}_shape" for x in (*bug.op.inputs, *bug.op.outputs)), *bug.op.aux]
    first = next(i for i, line in enumerate(lines) if "def backward" in line)
    for i in range(first, len(lines)):
        if "def backward" in lines[i]:
            head = i
        elif lines[i].strip() and not lines[i].endswith(":"):
            changed = [*lines]
            changed[i] = lines[i][: -len(lines[i].lstrip())] + bug.cure
            needed = [name for name in known if re.search(rf"\b{name}\b", lines[head] + bug.cure)]
            changed[head] = re.sub(r"\(.*\)", f"({', '.join(needed)})", lines[head])
            names = dict(vars(sys.modules[bug.op.__module__]))
            exec("\n".join(changed), names)
            yield names[bug.name]


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.kind in VALUES and bug.order == 1
                                 and bug.function is bug.op], ids=str)
def test_its_cure_cures_it(bug):
    assert any(is_right(op, bug) for op in cured(bug))


def is_right(op, bug):
    try:
        with np.errstate(all="ignore"):
            return all(same(gradients(op, bug.showing, seed), gradients(bug.right, bug.showing, seed))
                       for seed in range(2))
    except Exception:
        return False


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_it_is_told_in_both_languages_with_its_cure(bug):
    assert bug.en.endswith((".", "?")) and bug.zh.endswith(("。", "？"))
    assert bug.en.isascii() or not any("一" <= c <= "鿿" for c in bug.en)
    lines = [line.strip() for line in inspect.getsource(bug.op).splitlines()]
    assert bug.cure and bug.cure not in lines
    formula, *rest = inspect.cleandoc(bug.op.__doc__).splitlines()
    assert formula and any(line.startswith("中文：") for line in rest)


def test_there_are_many_of_many_kinds_from_many_trackers():
    assert len(BUGS) >= 80
    assert len({bug.name for bug in BUGS}) == len(BUGS)
    assert {bug.kind for bug in BUGS} == set(KINDS) and len(KINDS) >= 10
    assert len({thread for bug in BUGS for thread in bug.threads}) >= 20


def test_every_bug_that_the_checker_was_built_with_is_here():
    assert {bug.name for bug in BUGS} >= SEEN
