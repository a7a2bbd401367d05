"""Arrays as text that gives every bit back, memory layout included. 数组写成文本，一位不差

Small ones are literals. Larger ones stand at the end of the file, packed, as comments: the program begins with what
there is to read, and stays one file.
"""

from __future__ import annotations

import base64
import re
import zlib
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]

LITERAL = 100
"""The most elements that are written out."""


class Written(NamedTuple):
    """An expression that gives the array, and what stands at the end of the file for it."""

    expression: str
    packed: str = ""


def written(name: str, array: Array, indent: int = 0) -> Written:
    """The array as an expression; indent: how far it begins from the left."""
    array = np.asarray(array)
    if not array.size:
        return Written(f"np.zeros({array.shape}, dtype={dtype_name(array)})")
    stretched = tuple(i for i, stride in enumerate(array.strides) if stride == 0 and array.shape[i] > 1)
    if stretched:
        inner = array[tuple(slice(0, 1) if i in stretched else slice(None) for i in range(array.ndim))]
        expression, packed = written(name, inner, indent + len("np.broadcast_to("))
        return Written(f"np.broadcast_to({expression}, {array.shape})", packed)
    if array.flags.c_contiguous:
        return _contiguous(name, array, indent)
    order = tuple(sorted(range(array.ndim), key=lambda i: -abs(array.strides[i])))
    inner = array.transpose(order)
    if inner.flags.c_contiguous:
        expression, packed = _contiguous(name, inner, indent)
        back = ".T" if order == tuple(range(array.ndim))[::-1] else f".transpose({_inverse(order)})"
        return Written(expression + back, packed)
    return _strided(name, array)


def number(value: Any) -> str:
    """One element, as short as it can be without losing a bit."""
    if isinstance(value, np.bool_):
        return str(bool(value))
    if not np.isfinite(value):
        return "np.nan" if np.isnan(value) else "np.inf" if value > 0 else "-np.inf"
    short = str(value)
    return short if value.dtype.type(float(short)) == value else repr(value.item())


def dtype_name(array: Array) -> str:
    return "bool" if array.dtype.kind == "b" else f"np.{array.dtype.name}"


def _contiguous(name: str, array: Array, indent: int) -> Written:
    filled = _filled(array)
    if filled:
        return Written(filled)
    if array.size <= LITERAL:
        ones = len(array.shape) - len(_without_last_ones(array.shape))
        if ones and array.ndim > 1 and array.size > 2:  # a column takes a line for each number
            flat = _literal(array.reshape(_without_last_ones(array.shape)), indent)
            return Written(f"{flat}.reshape{array.shape}")
        return Written(_literal(array, indent))
    shape = f"({', '.join(map(str, array.shape))}{',' if array.ndim == 1 else ''})"
    return Written(f'stored("{name}", {dtype_name(array)}, {shape})', _packed(name, array.tobytes()))


def _filled(array: Array) -> str:
    """np.zeros(…) and the like for an array of one value, "" for any other."""
    first = array.reshape(-1)[0]
    if array.size < 4 or array.tobytes() != first.tobytes() * array.size:
        return ""
    shape = array.shape[0] if array.ndim == 1 else array.shape
    how = f"{shape}, dtype={dtype_name(array)}"
    for value, function in ((0, "zeros"), (1, "ones")):
        if first.tobytes() == first.dtype.type(value).tobytes():
            return f"np.{function}({how})"
    return f"np.full({shape}, {number(first)}, dtype={dtype_name(array)})"


def _without_last_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    while shape[-1:] == (1,):
        shape = shape[:-1]
    return shape


def _literal(array: Array, indent: int) -> str:
    opening, ending = "np.array(", f", dtype={dtype_name(array)})"
    numbers: Any = {"all": number}
    body = np.array2string(array, separator=", ", threshold=array.size + 1, formatter=numbers,
                           max_line_width=116 - len(ending), prefix=" " * (indent + len(opening)))
    return opening + re.sub(r"\n+", "\n", body) + ending


def _strided(name: str, array: Array) -> Written:
    """Any other layout: the memory from its first byte to its last, and how the array lies in it."""
    size = array.itemsize
    reach = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
    before = -sum(r for r in reach if r < 0) // size
    after = sum(r for r in reach if r > 0) // size
    memory = np.zeros(before + after + 1, array.dtype)
    np.lib.stride_tricks.as_strided(memory[before:], array.shape, array.strides)[...] = array
    expression, packed = _contiguous(name, memory, 0)
    begin = f"[{before}:]" if before else ""
    return Written(f"np.lib.stride_tricks.as_strided({expression}{begin}, {array.shape}, {array.strides})", packed)


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(order.index(i) for i in range(len(order)))


def _packed(name: str, data: bytes) -> str:
    text = base64.b64encode(zlib.compress(data, 9)).decode()
    return "\n".join([f"# stored {name}", *(f"# {text[i : i + 116]}" for i in range(0, len(text), 116))]) + "\n"


READER = '''\
def stored(name, dtype, shape):
    """{words}"""
    with open(__file__, encoding="utf-8") as file:
        _, _, text = file.read().partition(f"\\n# stored {{name}}\\n")
    packed = text.partition("# stored ")[0].replace("# ", "")
    return np.frombuffer(zlib.decompress(base64.b64decode(packed)), dtype).reshape(shape)
'''
