"""Op: a pair of pure functions, forward and backward. The names of backward's parameters say what is kept."""

from __future__ import annotations

import inspect
import itertools
import linecache
from bdb import BdbQuit
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_zh import device as devices
from tinygrad_zh.core.dtype import to_array
from tinygrad_zh.core.mode import MODE
from tinygrad_zh.core.tensor import Accumulator, Tensor, shape_of
from tinygrad_zh.device import device_of, freeze, is_frozen

_serial = itertools.count()
_NUMBERS = (float, int, bool)


class Partial(NamedTuple):
    """One backward function: which inputs it answers for, and where each of its arguments comes from."""

    function: Callable[..., Any]
    slots: tuple[int, ...]
    bind: Callable[[Any, Any], tuple[Any, ...]]  # (upstream, saved) -> the function's arguments
    run: Callable[..., Any]  # (body, upstream, saved, attributes) -> body(*arguments, **keywords), spelled out
    attributes: tuple[str, ...]
    joint: bool


class Plan(NamedTuple):
    """What a call keeps and what its backward computes, for one choice of inputs that need a gradient."""

    saved: tuple[tuple[str, int], ...]  # (kind, index): input, output, input_shape, …
    keep: Callable[[Any, Any], list[Any]]  # (inputs, outputs) -> what is saved
    partials: tuple[Partial, ...]
    aux: tuple[int, ...]  # the auxiliaries among them: for second derivatives forward runs again, on the inputs


class Watch:
    """What is to happen with the gradient of one output of a call."""

    __slots__ = ("hooks", "retained")

    def __init__(self) -> None:
        self.hooks: list[Callable[[Tensor], Any]] = []
        self.retained: Accumulator | None = None


class Call:
    """One remembered application of an op: what its backward needs, and the sources of its inputs."""

    __slots__ = ("attributes", "line", "meta", "op", "plan", "saved", "serial", "sources", "watches")

    def __init__(self, op, plan, attributes, sources, saved, meta, line):
        self.op = op
        self.plan = plan
        self.attributes = attributes
        self.sources = sources
        self.saved = saved
        self.meta = meta
        self.line = line
        self.serial = next(_serial)
        self.watches: dict[int, Watch] | None = None

    def watch(self, index: int) -> Watch:
        if self.watches is None:
            self.watches = {}
        return self.watches.setdefault(index, Watch())


class OpMeta(type):
    """Reads an op's signatures when the class is made; calling the class applies the op."""

    outputs: tuple[str, ...]
    aux: tuple[str, ...]
    many: bool
    forward: Callable[..., Any]

    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> None:
        super().__init__(name, bases, namespace)
        for key, function in namespace.items():
            if inspect.isfunction(function):
                setattr(cls, key, staticmethod(function))
        cls.backwards = tuple(dict.fromkeys(key for base in reversed(cls.__mro__) for key in vars(base)
                                            if key == "backward" or key.startswith("backward_")))
        if not hasattr(cls, "forward"):
            if cls.backwards:
                raise TypeError(f"{name}: there is {cls.backwards[0]} but no forward")
            return
        parameters = inspect.signature(cls.forward).parameters.values()
        cls.inputs = tuple(p.name for p in parameters if p.kind != p.KEYWORD_ONLY)
        cls.variadic = any(p.kind == p.VAR_POSITIONAL for p in parameters)
        cls.attributes = tuple(p.name for p in parameters if p.kind == p.KEYWORD_ONLY)
        cls.defaults = {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY and p.default is not p.empty}
        cls.single = len(cls.outputs) == 1 and not cls.aux and not cls.many
        cls.plans: dict[Any, Plan] = {}
        _check_declaration(cls, name)
        cls.upstream = _outputs_with_gradient(cls)

    def __call__(cls, *inputs: Any, **attributes: Any) -> Any:
        """Run the op. Arrays in, arrays out; with a Tensor among the inputs, Tensors out."""
        grad, tape, kernels = MODE.get()
        attributes = {**cls.defaults, **attributes} if attributes else cls.defaults
        arrays = []
        sources = []
        need = 0
        bit = 1
        tensors = others = False
        for x in inputs:
            if type(x) is Tensor:
                tensors = True
                arrays.append(x.array)
                source = x.source
                sources.append(source)
                if source is not None:
                    need |= bit
            else:
                arrays.append(x)
                sources.append(None)
                if type(x) is not float and type(x) is not int:
                    others = True
            bit += bit
        if others and tensors:
            arrays = [own(x) if type(x) is not Tensor else x.array for x in inputs]

        body = cls.forward if kernels is None else kernels.get(cls.forward, cls.forward)
        before = None if tape is None else (perf_counter(), _generator_states(attributes))
        try:
            results = body(*arrays, **attributes)
        except Exception as error:
            results = again(cls, "forward", partial(body, *arrays, **attributes), arrays, attributes, error, tape)
        if not tensors:
            return results if not cls.aux else results[: len(cls.outputs)] if len(cls.outputs) > 1 else results[0]

        if cls.single:
            if type(results) is np.ndarray and results.base is None:
                results.setflags(False)  # type: ignore[call-arg]
            else:
                results = freeze(results)
                if type(results) is not np.ndarray:
                    _of_one_device(cls, arrays, attributes, tape)
            outputs = (results,)
        else:
            outputs = tuple([freeze(r) for r in results])
            if type(outputs[0]) is not np.ndarray:
                _of_one_device(cls, arrays, attributes, tape)

        line = None if tape is None else tape.forward(cls, inputs, arrays, attributes, outputs, before)
        if not need or not grad or not cls.backwards:
            return Tensor(results) if cls.single else _tensors(cls, outputs, None)
        key = (need, len(inputs)) if cls.variadic else need
        plan = cls.plans.get(key) or make_plan(cls, need, len(inputs))
        saved = plan.keep(arrays, outputs)
        if plan.aux and any([outputs[i].dtype.kind == "f" for i in plan.aux]):
            saved += arrays
        if cls.single:
            call = Call(cls, plan, attributes, sources, saved, ((results.shape, results.dtype),), line)
            return Tensor(results, (call, 0))
        meta = tuple([(o.shape, o.dtype) for o in outputs])
        return _tensors(cls, outputs, Call(cls, plan, attributes, sources, saved, meta, line))


class Op(metaclass=OpMeta):
    """The base of all ops. A subclass is a formula, its forward and its backward, and nothing else:

        class Sigmoid(Op):
            \"\"\"σ(x) = 1 / (1 + e⁻ˣ)\"\"\"

            def forward(x): return 1 / (1 + np.exp(-x))
            def backward(dy, y): return dy * y * (1 - y)

    Its functions are static; the base class sees to that. `forward` takes the data positionally and metadata as
    keywords, and returns the outputs, then the auxiliaries. `backward` names what it needs: the upstream gradient
    (d + an output's name), inputs, outputs, auxiliaries, `x_shape` for a shape alone, metadata as keywords; it
    returns the partial of every input. `backward_x` gives the partial of input x only. Broadcasting, dtype and
    accumulation are the engine's. Raises TypeError when the class is made, if a name is none of these.

    outputs: the outputs' names. aux: auxiliaries, returned after the outputs and kept for backward.
    many: the op returns a tuple of any length, named by the one name in `outputs`.

    中文：算子，一个公式的前向与反向。

    >>> import numpy as np, tinygrad_zh as tz
    >>> class Cube(tz.Op):
    ...     def forward(x): return x ** 3
    ...     def backward(dy, x): return dy * 3 * x ** 2
    >>> x = tz.tensor(2.0, requires_grad=True)
    >>> Cube(x).backward()
    >>> x.grad.item()
    12.0
    """

    outputs: tuple[str, ...] = ("y",)
    aux: tuple[str, ...] = ()
    many = False
    defaults: dict[str, Any] = {}  # noqa: RUF012, forward's keyword defaults, read off by the metaclass

    if TYPE_CHECKING:  # calling the class applies the op

        def __new__(cls, *inputs: Any, **attributes: Any) -> Tensor: ...  # type: ignore[misc]


# ---- when the class is made: what each backward names


def _check_declaration(cls: Any, name: str) -> None:
    parameters = inspect.signature(cls.forward).parameters.values()
    for p in parameters:
        if p.kind == p.VAR_KEYWORD:
            raise TypeError(f"{name}: forward names its keywords, it cannot take **{p.name}")
        if p.kind != p.KEYWORD_ONLY and p.default is not p.empty:
            raise TypeError(f"{name}: {p.name!r} has a default, so it is metadata: "
                            f"write forward(…, *, {p.name}={p.default!r})")
    if cls.variadic and len(cls.inputs) > 1:
        raise TypeError(f"{name}: forward takes either named inputs or *{cls.inputs[-1]}, not both")
    joint = [b for b in cls.backwards if b == "backward"]
    if joint and len(cls.backwards) > 1:
        raise TypeError(f"{name}: give either backward, for all inputs, or backward_<input> functions, not both")
    for key in cls.backwards:
        if key != "backward" and key.removeprefix("backward_") not in cls.inputs:
            raise TypeError(f"{name}: {key} is for no input; the inputs are {', '.join(cls.inputs)}")
        for parameter in inspect.signature(getattr(cls, key)).parameters.values():
            if parameter.kind != parameter.KEYWORD_ONLY:
                locate(cls, key, parameter.name)
            elif parameter.name not in cls.attributes or parameter.default is not parameter.empty:
                raise TypeError(f"{name}: {key} names {parameter.name!r}, which is no keyword of forward"
                                if parameter.name not in cls.attributes else
                                f"{name}: {key} gives {parameter.name!r} a default; defaults are forward's alone")


def locate(cls: Any, key: str, name: str) -> tuple[str, int]:
    """Where a parameter of a backward comes from: ("upstream", i), ("input", i), ("output_shape", i), …"""
    produced = cls.outputs + cls.aux
    if name in cls.inputs:
        return "inputs" if cls.variadic else "input", cls.inputs.index(name)
    if name in produced:
        return "output", produced.index(name)
    if name.startswith("d") and name[1:] in cls.outputs:
        return "upstream", cls.outputs.index(name[1:])
    if name.endswith("_shape") and name[:-6] in (*cls.inputs, *produced):
        kind, index = locate(cls, key, name[:-6])
        return kind + "_shape", index
    raise TypeError(f"{cls.__name__}: {key} names {name!r}, which is no input, output, auxiliary, "
                    f"upstream gradient (d{cls.outputs[0]}) or shape (…_shape)")


def _outputs_with_gradient(cls: Any) -> tuple[bool, ...]:
    """An output whose gradient no backward asks for is a constant (batch norm's running statistics)."""
    named = {p for key in cls.backwards for p in inspect.signature(getattr(cls, key)).parameters}
    return tuple(f"d{output}" in named for output in cls.outputs)


_KEEP = {
    "input": "inputs[{}]",
    "output": "outputs[{}]",
    "input_shape": "shape_of(inputs[{}])",
    "output_shape": "shape_of(outputs[{}])",
    "inputs": "tuple(inputs)",
    "inputs_shape": "tuple(map(shape_of, inputs))",
}


def make_plan(cls: Any, need: int, count: int) -> Plan:
    """Read off the signatures what to keep when the inputs in the bit mask `need` want a gradient.

    Keeping and binding run once per call, so both are compiled to the plain expressions that one would write.
    """
    saved: list[tuple[str, int]] = []
    partials = []
    for key in cls.backwards:
        joint = key == "backward"
        slots = tuple(range(count)) if joint or cls.variadic else (cls.inputs.index(key.removeprefix("backward_")),)
        if not any(need >> slot & 1 for slot in slots):
            continue
        function = getattr(cls, key)
        parameters = inspect.signature(function).parameters.values()
        arguments = []
        for place in (locate(cls, key, p.name) for p in parameters if p.kind != p.KEYWORD_ONLY):
            if place[0] != "upstream" and place not in saved:
                saved.append(place)
            arguments.append(f"upstream[{place[1]}]" if place[0] == "upstream" else f"saved[{saved.index(place)}]")
        attributes = tuple(p.name for p in parameters if p.kind == p.KEYWORD_ONLY)
        bound = f"({' '.join(a + ',' for a in arguments)})"
        spelled = ", ".join([*arguments, *(f"{name}=attributes[{name!r}]" for name in attributes)])
        bind = _compiled(f"{cls.__name__}.{key} binds {bound}", f"lambda upstream, saved: {bound}")
        run = _compiled(f"{cls.__name__}.{key}({spelled})",
                        f"lambda body, upstream, saved, attributes: body({spelled})")
        partials.append(Partial(function, slots, bind, run, attributes, cls.variadic or (joint and count > 1)))
    answered = {slot for partial in partials for slot in partial.slots}
    for slot in range(count):
        if need >> slot & 1 and slot not in answered:
            raise TypeError(f"{cls.__name__} has no gradient for its input {cls.inputs[slot]}; "
                            "pass it as a constant (detach())")
    aux = tuple(index for kind, index in saved if kind == "output" and index >= len(cls.outputs))
    kept = f"[{', '.join(_KEEP[kind].format(index) for kind, index in saved)}]"
    keep = _compiled(f"{cls.__name__} keeps {kept}", f"lambda inputs, outputs: {kept}", shape_of=shape_of)
    plan = Plan(tuple(saved), keep, tuple(partials), aux)
    cls.plans[(need, count) if cls.variadic else need] = plan
    return plan


def _compiled(title: str, line: str, **names: Any) -> Callable[..., Any]:
    """The function that a line defines. The line becomes a file, so that a debugger that stops in it shows it."""
    file = f"<{title}>"
    linecache.cache[file] = len(line), None, [line], file
    return eval(compile(line, file, "eval"), names)


# ---- when the op is called


def own(x: Any) -> Any:
    """An operand that is no tensor, safe from later writes: NumPy scalars are Python's, writable arrays are copied."""
    if type(x) in _NUMBERS or x is None:
        return x
    if type(x) is np.ndarray and x.dtype.kind in "fiub":
        return x if is_frozen(x) else freeze(to_array(x))
    if isinstance(x, np.generic) and x.dtype.kind in "fiub":
        return x.item()
    if isinstance(x, tuple):
        return tuple([x_ if isinstance(x_, slice) or x_ is None or x_ is Ellipsis else own(x_) for x_ in x])
    if isinstance(x, (slice, type(Ellipsis))) or hasattr(x, "__cuda_array_interface__"):
        return x
    return freeze(to_array(x))


def _tensors(cls: Any, outputs: tuple[Any, ...], call: Call | None) -> Any:
    if cls.many:
        return tuple([Tensor(o, None if call is None else (call, i)) for i, o in enumerate(outputs)])
    made = [Tensor(outputs[i], (call, i) if call is not None and cls.upstream[i] else None)
            for i in range(len(cls.outputs))]
    return made[0] if len(made) == 1 else tuple(made)


def _generator_states(attributes: dict[str, Any]) -> dict[str, Any]:
    """The state of every generator as it was before the call, so that a replay can rewind."""
    return {k: v.bit_generator.state for k, v in attributes.items() if isinstance(v, np.random.Generator)}


_KINDS = (np.exceptions.AxisError, IndexError, TypeError, ValueError, ZeroDivisionError, OverflowError,
          FloatingPointError, MemoryError)


def _passes_on(error: Exception) -> bool:
    """An op inside a formula has explained its error already; leaving a debugger is no error of the formula."""
    return getattr(error, "explained", False) or isinstance(error, BdbQuit)


def again(cls: Any, function: str, compute: Callable[[], Any], arrays: Any, attributes: Any, error: Exception,
          tape: Any) -> Any:
    """A formula that found no room on the GPU runs once more when room was made; any other error is explained."""
    if not devices.out_of_memory(error):
        raise explain(cls, function, arrays, attributes, error, tape) from cause(error)
    devices.make_room(error)
    try:
        return compute()
    except MemoryError as full:
        told = MemoryError(f"{full}; {devices.alive()}")
        raise explain(cls, function, arrays, attributes, told, tape) from full


def _of_one_device(cls: Any, arrays: Any, attributes: Any, tape: Any) -> None:
    try:
        devices.together(arrays)
    except TypeError as error:
        raise explain(cls, "forward", arrays, attributes, error, tape) from None


def cause(error: Exception) -> BaseException | None:
    """What an explanation says it comes from."""
    return error.__cause__ if _passes_on(error) else error


def explain(cls: Any, function: str, arrays: Any, attributes: Any, error: Exception, tape: Any) -> Exception:
    """The same kind of error in one sentence that names the op, the formula and the shapes."""
    if _passes_on(error):
        return error
    names = itertools.chain(cls.inputs, itertools.repeat(cls.inputs[-1] if cls.inputs else "x"))
    shapes = ", ".join(f"{n}: {_describe(a)}" for n, a in zip(names, arrays, strict=False))
    formula = (cls.__doc__ or "").strip().splitlines()
    places = {device_of(a) for a in arrays if isinstance(a, np.ndarray) or hasattr(a, "__cuda_array_interface__")}
    fix = f"; the inputs are on {' and '.join(sorted(places))}, move them with t.to(…)" if len(places) > 1 else ""
    message = f"{cls.__name__}{'' if function == 'forward' else '.' + function}" \
              f"{f' ({formula[0]})' if formula else ''} cannot take {shapes}: {error}{fix}"
    explained: Any = next((kind for kind in _KINDS if isinstance(error, kind)), RuntimeError)(message)
    explained.explained = True
    if tape is not None:
        tape.error(getattr(cls, function), arrays, attributes, cls, explained)
    return explained


def _describe(x: Any) -> str:
    return f"{x.dtype} {x.shape}" if hasattr(x, "dtype") else repr(x)[:40]
