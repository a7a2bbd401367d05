"""How many threads share work on the CPU, and a loop whose body any function can be. 线程

    share(task(loop, (x, y)), n, threads)       loop(first, last, x, y) for parts of range(n), a thread each

A second thread takes about 2 µs to begin. Below some amount of work it costs more than it helps, so each kernel says
how much is too little. Numba's own layer, workqueue, takes thirty times as long, and ends the process when two Python
threads use it at once: where neither OpenMP nor TBB is found, kernels run in one thread, and only BLAS in several.

The number is asked for here and handed to what Numba compiles: a function that asks for it itself is not kept on disk,
and one that takes it as a constant would be kept with the number of threads that there happened to be.

Numba needs three times as long to compile a function with a parallel loop. So there is one here for all loops that the
compiler of programs writes: it calls their bodies by address.
"""

from __future__ import annotations

import os
from typing import Any

import numba
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from tinygrad_zh_kernels.vector_math import kernel

_alone = False  # in a child of a process whose threads had begun: GNU's OpenMP ends it where it begins them again


def available() -> int:
    """As many threads as Numba has been given, 1 where it has no good layer. 中文：可用的线程数。"""
    if _alone:
        return 1
    threads = numba.get_num_threads()  # this also starts them, so that the layer is known
    return threads if threads == 1 or numba.threading_layer() != "workqueue" else 1


def _in_a_child() -> None:
    global _alone
    try:
        _alone = numba.threading_layer() == "omp"
    except ValueError:  # none has begun
        _alone = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_a_child)


def threads_for(work: int, few: int) -> int:
    """1 for less work than `few`, else all that are available. 中文：参与计算的线程数。"""
    return 1 if work < few else available()


# ---- a parallel loop for any body

_WORD = ir.IntType(64)
_BODY = ir.FunctionType(ir.VoidType(), [_WORD] * 3)
"""What is called by address: (address of the arguments, first, last)."""


@intrinsic
def task(typing: Any, function: Any, arguments: Any) -> Any:
    """A compiled function with its arguments, but for the first two, as two addresses. The arguments live as long as
    the function in which this stands; what the function raises is lost."""
    signature = function.get_call_type(typing, (types.intp, types.intp, *arguments.types), {})
    pair = types.UniTuple(types.intp, 2)

    def generate(context: Any, builder: Any, _: Any, given: Any) -> Any:
        compiled = function.dispatcher.get_compile_result(signature)
        context.active_code_library.add_linking_library(compiled.library)
        body = ir.Function(builder.module, _BODY, builder.module.get_unique_name("task"))
        body.linkage = "internal"
        inside = ir.IRBuilder(body.append_basic_block())
        place, first, last = body.args
        values = inside.load(inside.inttoptr(place, given[1].type.as_pointer()))
        callee = context.declare_function(builder.module, compiled.fndesc)
        context.call_conv.call_function(inside, callee, types.none, signature.args,
                                        [first, last, *cgutils.unpack_tuple(inside, values)])
        inside.ret_void()
        kept = cgutils.alloca_once_value(builder, given[1])
        return context.make_tuple(builder, pair, [builder.ptrtoint(x, _WORD) for x in (body, kept)])

    return pair(function, arguments), generate


@intrinsic
def _run(typing: Any, body: Any, arguments: Any, first: Any, last: Any) -> Any:
    """A task from one index to another."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        builder.call(builder.inttoptr(given[0], _BODY.as_pointer()), given[1:])
        return context.get_dummy_value()

    return types.void(*[types.intp] * 4), generate


@kernel(parallel=True)
def _shared(body, arguments, count, threads):
    for i in prange(threads):
        _run(body, arguments, count * i // threads, count * (i + 1) // threads)


@kernel
def share(task, count, threads):
    """A task from 0 to `count`, a part in each thread. 中文：由多个线程分担的循环。"""
    if threads == 1:
        _run(task[0], task[1], 0, count)
    else:
        _shared(task[0], task[1], count, threads)
