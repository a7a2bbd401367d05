"""The fix of a mistake, in words and in both languages. 错误的修正建议

The engine's messages say what is wrong; a hint says what to write instead. A rule is a pattern of such a message and
the sentences that follow from it; the first rule that has something to say is taken.
"""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh.i18n import LANGUAGES, in_language, text

Shape = tuple[int, ...]


class Mistake(NamedTuple):
    """found: where the rule's pattern is in the message. The rest is what the op or function was given."""

    found: re.Match[str]
    arrays: Sequence[Any]
    op: Any
    attributes: dict[str, Any]

    def shape(self, group: int | str) -> Shape:
        """A shape that the message names."""
        return literal_eval(self.found[group])

    def number(self, group: int | str) -> int:
        return int(self.found[group])


class Sentence(NamedTuple):
    """A text of the catalogue and its values; a list among them is alternatives."""

    key: str
    values: dict[str, Any]


Rule = Callable[[Mistake], Iterator[Sentence]]
RULES: list[tuple[re.Pattern[str], Rule]] = []
SHAPE = r"\([\d, ]*\)"


def hint(error: BaseException, arrays: Sequence[Any] = (), op: Any = None,
         attributes: dict[str, Any] | None = None) -> dict[str, str] | None:
    """What to do about an error: {"en", "zh"}, or None where all there is to say is in its message.

    arrays, attributes: what the op (or, without one, the function that refused) was given.
    """
    for pattern, rule in RULES:
        found = pattern.search(str(error))
        sentences = list(rule(Mistake(found, arrays, op, attributes or {}))) if found else []
        if sentences:
            return {language: _said(sentences, language) for language in LANGUAGES}
    return None


def _said(sentences: Sequence[Sentence], language: str) -> str:
    with in_language(language):
        either = text("stepper.fix.or")
        said = [text(key, **{name: either.join(value) if isinstance(value, list) else value
                             for name, value in values.items()}) for key, values in sentences]
    return ("" if language == "zh" else " ").join(said)


def says(pattern: str) -> Callable[[Rule], Rule]:
    """Files a rule under the messages that it is for."""

    def file(rule: Rule) -> Rule:
        RULES.append((re.compile(pattern), rule))
        return rule

    return file


def _sentence(key: str, **values: Any) -> Sentence:
    return Sentence(key, values)


def _fits(alternatives: list[str]) -> Iterator[Sentence]:
    if alternatives:
        yield _sentence("stepper.fix.fits", fits=alternatives)


# ---- something is missing


@says(r"NoneType|: None\b|(matmul|prediction).*\(\)")
def _none(m: Mistake) -> Iterator[Sentence]:
    if "None" in m.found[0] or any(a is None for a in m.arrays[:2]):  # which has shape ()
        yield _sentence("stepper.fix.none")


@says(r"zero-size array|there is nothing to attend to|the batch is empty")
def _empty(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.empty")


# ---- shapes


@says(rf"matmul: shapes (?P<a>{SHAPE}) and (?P<b>{SHAPE}) do not meet")
def _inner_sizes(m: Mistake) -> Iterator[Sentence]:
    a, b = m.shape("a"), m.shape("b")
    n, rows = a[-1], b[-2 if len(b) > 1 else 0]
    yield _sentence("stepper.fix.matmul", a=a, b=b, n=n, m=rows)
    ways = [("A.mT @ B", _mT(a), b), ("A @ B.mT", a, _mT(b)), ("A.mT @ B.mT", _mT(a), _mT(b)), ("B @ A", b, a)]
    shapes = [(way, _product(left, right)) for way, left, right in ways if left is not None and right is not None]
    fitting = [f"{way} → {shape}" for way, shape in shapes if shape is not None]
    if fitting:
        yield from _fits(fitting)
    else:
        fixed = (*b[:-2], n, b[-1]) if len(b) > 1 else (n,)
        yield _sentence("stepper.fix.matmul_none", a=(*a[:-1], rows), b=fixed)


def _mT(shape: Shape) -> Shape | None:
    return (*shape[:-2], shape[-1], shape[-2]) if len(shape) > 1 else None


def _product(a: Shape, b: Shape) -> Shape | None:
    if a[-1] != b[-2 if len(b) > 1 else 0]:
        return None
    lead = _broadcast(a[:-2], b[:-2])
    return None if lead is None else lead + a[-2:-1] + (b[-1:] if len(b) > 1 else ())


def _broadcast(*shapes: Shape) -> Shape | None:
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


@says(r"could not be broadcast|more dimensions than allowed")
def _not_broadcast(m: Mistake) -> Iterator[Sentence]:
    given = [(name, tuple(a.shape)) for name, a in zip(getattr(m.op, "inputs", ()), m.arrays, strict=False)
             if hasattr(a, "shape")]
    if len(given) == 1 and "shape" in m.attributes:
        given.append(("shape", tuple(m.attributes["shape"])))
    batched = getattr(m.op, "__name__", "") == "MatMul"
    for k, (second, b) in enumerate(given):
        for first, a in given[:k]:
            if batched and _broadcast(a[:-2], b[:-2]) is None:
                yield _sentence("stepper.fix.broadcast_batch", a=a[:-2], b=b[:-2])
                return
            if not batched and _broadcast(a, b) is None:
                yield _clash(first, second, a, b)
                yield from _fits([] if second == "shape" else _reshaped(first, a, second, b))
                return
    if len(given) == 2:
        yield _sentence("stepper.fix.broadcast_smaller", a=given[0][1], b=given[1][1])


def _clash(first: str, second: str, a: Shape, b: Shape) -> Sentence:
    axis, n, m = next((-k, n, m) for k, (n, m) in enumerate(zip(a[::-1], b[::-1], strict=False), 1)
                      if n != m and 1 not in (n, m))
    return _sentence("stepper.fix.broadcast", first=first, second=second, a=a, b=b, axis=f"−{-axis}", n=n, m=m)


def _reshaped(first: str, a: Shape, second: str, b: Shape) -> list[str]:
    """The small changes of one operand that make it fit the other."""
    found = []
    for name, shape, other in ((second, b, a), (first, a, b)):
        ways = [(f"{name}[:, None]", (*shape, 1))] if len(shape) == 1 else [(f"{name}.mT", _mT(shape))]
        found += [way for way, new in ways if new is not None and _broadcast(new, other) == other]
    return found


@says(rf"cannot reshape (array of size (?P<size>\d+) into shape|(?P<elements>\d+) elements of shape {SHAPE} into "
      r"(?P<wanted>\([-\d, ]*\)))")
def _reshape(m: Mistake) -> Iterator[Sentence]:
    size = m.number("size" if m.found["size"] else "elements")
    wanted = m.shape("wanted") if m.found["wanted"] else tuple(m.attributes.get("shape", ()))
    yield _sentence("stepper.fix.reshape", size=size, shape=wanted)
    found = []
    for k in range(len(wanted)):
        others = [n for i, n in enumerate(wanted) if i != k]
        rest = prod(others)
        if -1 not in others and rest > 0 and size % rest == 0:
            found.append(f"{(*wanted[:k], -1, *wanted[k + 1:])} → {(*wanted[:k], size // rest, *wanted[k + 1:])}")
    yield from _fits(found)


@says("one unknown dimension")
def _two_unknowns(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.reshape_unknown")


@says("input array dimensions except for the concatenation axis|must have same number of dimensions")
def _concat(m: Mistake) -> Iterator[Sentence]:
    shapes = [tuple(a.shape) for a in m.arrays]
    first, axis = shapes[0], m.attributes.get("axis", 0)
    for other in shapes[1:]:
        if len(other) != len(first):
            yield _sentence("stepper.fix.concat_axes", n=len(first), m=len(other))
            return
        for k, (n, length) in enumerate(zip(first, other, strict=True)):
            if k != axis and n != length:
                yield _sentence("stepper.fix.concat", axis=axis, other=k, n=n, m=length)
                yield from _fits([f"axis={j}" for j in range(len(first))
                                  if len({s[:j] + s[j + 1:] for s in shapes}) == 1])
                return


@says("stack needs tensors of one shape")
def _stack(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.stack")


@says(rf"the prediction has shape (?P<p>{SHAPE}) and the target (?P<t>{SHAPE})")
def _loss_shapes(m: Mistake) -> Iterator[Sentence]:
    p, t = m.shape("p"), m.shape("t")
    if prod(p) == prod(t):
        yield from _fits([f"t.reshape{p}" if len(p) != 1 else f"t.reshape({p[0]})"])
    else:
        yield _sentence("stepper.fix.targets", p=p, n=prod(p), m=prod(t))


@says(rf"(?P<layer>\w+)(?:\([^()]*\))? takes (?:\w+ )?\(…, (?:length, )?(?P<width>\d+)\), not (?P<x>{SHAPE})")
def _width(m: Mistake) -> Iterator[Sentence]:
    width, x = m.number("width"), m.shape("x")
    if not x:
        yield _sentence("stepper.fix.width_none", n=width)
        return
    yield _sentence("stepper.fix.width", layer=m.found["layer"], n=width, m=x[-1])
    ways = {"x.mT": len(x) > 1 and x[-2] == width, "nn.Flatten()": len(x) > 2 and prod(x[1:]) == width,
            "x[:, None]": len(x) == 1 and width == 1}
    yield from _fits([way for way, fits in ways.items() if fits])


@says(r"queries (?P<q>\(.*?\)) and keys (?P<k>\(.*?\)) need one width")
def _attention_width(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.attention_width", n=m.shape("q")[-1], m=m.shape("k")[-1])


# ---- axes, indices, labels


@says(r"axis -?\d+ is out of bounds for array of dimension (?P<n>\d+)")
def _axis(m: Mistake) -> Iterator[Sentence]:
    n = m.number("n")
    if n:
        axes = ", ".join([*map(str, range(n)), *(f"−{k}" for k in range(n, 0, -1))])
        yield _sentence("stepper.fix.axis", axes=axes)
    else:
        yield _sentence("stepper.fix.axis_none")


@says(r"index -?\d+ is out of bounds for axis (?P<axis>\d+) with size (?P<n>\d+)")
def _index(m: Mistake) -> Iterator[Sentence]:
    n = m.number("n")
    if n:
        yield _sentence("stepper.fix.index", axis=m.number("axis"), n=n, last=n - 1)
    else:
        yield _sentence("stepper.fix.empty")


@says(r"array is (?P<n>\d+)-dimensional, but (?P<m>\d+) were indexed")
def _too_many_indices(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.indices", n=m.number("n"), m=m.number("m"))


@says(r"size of axis is (?P<n>\d+) but size of corresponding boolean axis is (?P<m>\d+)")
def _mask_length(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.mask", n=m.number("n"), m=m.number("m"))


@says(r"token -?\d+ is out of range for a vocabulary of (?P<n>\d+)")
def _token(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.token", last=m.number("n") - 1)


@says(r"class label (?P<label>-?\d+) is out of range for (?P<n>\d+) classes")
def _label(m: Mistake) -> Iterator[Sentence]:
    label, n = m.number("label"), m.number("n")
    if label < 0:
        yield _sentence("stepper.fix.label_negative")
    else:
        yield _sentence("stepper.fix.label", n=n, last=n - 1, need=label + 1)


@says(r"class labels are integers, not float")
def _label_float(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.label_float")


@says(rf"logits of shape (?P<x>{SHAPE}) need labels of shape (?P<t>{SHAPE}) .*, not (?P<given>{SHAPE})")
def _label_shape(m: Mistake) -> Iterator[Sentence]:
    x, t, given = m.shape("x"), m.shape("t"), m.shape("given")
    if given == x:
        yield from _fits(["t.argmax(-1)", "t.astype(np.float64)"])
    elif given == (*t, 1):
        yield from _fits(["t[..., 0]"])
    else:
        yield _sentence("stepper.fix.label_shape", t=t)


@says(r"probabilities lie between 0 and 1, not nan")
def _nan(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.nan")


@says(r"(?P<loss>\w+): probabilities lie between 0 and 1")
def _logits(m: Mistake) -> Iterator[Sentence]:
    instead = {"binary_cross_entropy": ("F.sigmoid", "F.binary_cross_entropy_with_logits"),
               "cross_entropy_of_probabilities": ("F.softmax", "F.cross_entropy")}
    if m.found["loss"] in instead:
        function, loss = instead[m.found["loss"]]
        yield _sentence("stepper.fix.logits", function=function, loss=loss)


@says(r"unexpected keyword argument '(?P<word>\w+)'")
def _keyword(m: Mistake) -> Iterator[Sentence]:
    if m.op is not None and m.op.attributes:
        yield _sentence("stepper.fix.keyword", name=m.op.__name__, keywords=", ".join(m.op.attributes))
    if m.found["word"] in ("dim", "keepdim"):
        yield _sentence("stepper.fix.keyword_dim")


# ---- gradients


@says(r"only floating tensors have gradients")
def _integers(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.integers")


@says(rf"starts from one number, this tensor has shape (?P<shape>{SHAPE})")
def _not_a_scalar(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.scalar", shape=m.found["shape"])


@says("backward was already run through")
def _twice(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.twice")


@says("nothing to differentiate|does not require a gradient")
def _constant(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.constant")


@says(rf"the seed is a gradient of shape (?P<shape>{SHAPE})")
def _seed(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.seed", shape=m.found["shape"])


@says(rf"gave a gradient of shape (?P<given>{SHAPE}) for input (?P<name>\S+) of shape (?P<shape>{SHAPE})")
def _backward_shape(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.backward_shape", name=m.found["name"], shape=m.found["shape"])
    if len(m.shape("given")) > 1 and _mT(m.shape("given")) == m.shape("shape"):
        yield from _fits([".mT"])


@says(r"would replace a parameter by a result|never change in place|assignment destination is read-only")
def _in_place(m: Mistake) -> Iterator[Sentence]:
    yield _sentence("stepper.fix.in_place")
