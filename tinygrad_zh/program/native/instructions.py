"""What generated loops are written with, where Python has no word for it. 生成的循环所用的指令

An element is read and written at its offset, as index arithmetic has it: no negative indices, no bounds, no strides. So
LLVM sees plain memory accesses and makes vector instructions of them.
"""

from __future__ import annotations

from typing import Any

from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np import arrayobj

from tinygrad_zh_kernels.vector_math import select


@intrinsic
def load(typing: Any, array: Any, offset: Any) -> Any:
    """array.flat[offset]"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        data = arrayobj.make_array(kind)(context, builder, arguments[0]).data
        return arrayobj.load_item(context, builder, kind, builder.gep(data, [arguments[1]], inbounds=True))

    return array.dtype(array, types.intp), generate


@intrinsic
def store(typing: Any, array: Any, offset: Any, value: Any) -> Any:
    """array.flat[offset] = value"""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        data = arrayobj.make_array(kind)(context, builder, arguments[0]).data
        pointer = builder.gep(data, [arguments[1]], inbounds=True)
        arrayobj.store_item(context, builder, kind, arguments[2], pointer)
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), generate


def _in_any_order(operation: str) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if isinstance(signature.return_type, types.Float):
            return getattr(builder, f"f{operation}")(*arguments, flags=("reassoc", "nsz", "contract"))
        return getattr(builder, operation)(*arguments)

    return generate


@intrinsic
def add(typing: Any, total: Any, x: Any) -> Any:
    """total + x, a term of a sum whose terms may be added in any order: a sum is kept in vectors."""
    return (total(total, x), _in_any_order("add")) if total == x else None


@intrinsic
def multiply(typing: Any, product: Any, x: Any) -> Any:
    """product · x, a factor of a product whose factors may be taken in any order."""
    return (product(product, x), _in_any_order("mul")) if product == x else None


@intrinsic
def arrays_do_not_overlap(typing: Any) -> Any:
    """In the function that calls this, no two array arguments share memory: LLVM need not compare their addresses."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        for argument in builder.function.args:
            if argument.name.startswith("arg.") and argument.name.endswith(".4"):  # an array's data
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def matrix(typing: Any, array: Any, offset: Any, shape: Any, strides: Any) -> Any:
    """The matrix that begins at an offset, of a shape, with strides in numbers."""
    result = types.Array(array.dtype, 2, "A")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = arrayobj.make_array(signature.args[0])(context, builder, arguments[0]).data
        size = context.get_abi_sizeof(context.get_data_type(array.dtype))
        itemsize = context.get_constant(types.intp, size)
        made = arrayobj.make_array(result)(context, builder)
        arrayobj.populate_array(
            made, data=builder.gep(data, [arguments[1]], inbounds=True),
            shape=cgutils.unpack_tuple(builder, arguments[2], 2),
            strides=[builder.mul(s, itemsize) for s in cgutils.unpack_tuple(builder, arguments[3], 2)],
            itemsize=itemsize, meminfo=None)
        return made._getvalue()

    pair = types.UniTuple(types.intp, 2)
    return result(array, types.intp, pair, pair), generate


@njit(error_model="numpy", forceinline=True)
def sign(x):
    """1, −1, or x itself where it is 0 or nan."""
    one = type(x)(1)
    return select(x > 0, one, select(x < 0, -one, x))


@njit(error_model="numpy", forceinline=True)
def larger(a, b):
    """The larger of two integers."""
    return select(a > b, a, b)


@njit(error_model="numpy", forceinline=True)
def smaller(a, b):
    """The smaller of two integers."""
    return select(a < b, a, b)


@njit(error_model="numpy", forceinline=True)
def counted(i, length):
    """An index that counts from the end where it is negative."""
    return select(i < 0, i + length, i)
