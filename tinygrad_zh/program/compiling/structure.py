"""What a step takes and returns: tensors, and around them tuples, lists and dicts. 参数与返回值的结构"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_zh.core.tensor import Tensor
from tinygrad_zh.program.compiling.recorded import Unsupported

PLAIN = (bool, int, float, complex, str, bytes, type(None))


class Leaf(int):
    """The place of a tensor: the number of the array that goes there."""


def opened(result: Any, arrays: list[Any]) -> Any:
    """The structure of what a step returned, with a Leaf for each tensor, whose array is appended to `arrays`.

    Raises Unsupported for what is neither a tensor nor plain.
    """
    if isinstance(result, Tensor):
        arrays.append(result.array)
        return Leaf(len(arrays) - 1)
    if isinstance(result, dict):
        return {key: opened(part, arrays) for key, part in result.items()}
    if isinstance(result, (tuple, list)):
        return _like(result, [opened(part, arrays) for part in result])
    if not isinstance(result, PLAIN):
        raise Unsupported("compile.why.output", kind=type(result).__name__)
    return result


def mapped(function: Callable[[Tensor], Any], result: Any) -> Any:
    """What a step returned, with function(t) for each tensor t."""
    if isinstance(result, Tensor):
        return function(result)
    if isinstance(result, dict):
        return {key: mapped(function, part) for key, part in result.items()}
    if isinstance(result, (tuple, list)):
        return _like(result, [mapped(function, part) for part in result])
    return result


def written(structure: Any, bound: Callable[[Any], str]) -> str:
    """The expression that builds a structure around the arrays o0, o1, …; bound(x): the name of an object in it."""
    if isinstance(structure, Leaf):
        return f"Tensor(o{int(structure)})"
    if isinstance(structure, dict):
        return f"{{{', '.join(f'{bound(key)}: {written(part, bound)}' for key, part in structure.items())}}}"
    if isinstance(structure, list):
        return f"[{', '.join(written(part, bound) for part in structure)}]"
    if isinstance(structure, tuple):
        parts = "".join(written(part, bound) + ", " for part in structure)
        return f"({parts})" if type(structure) is tuple else f"{bound(type(structure))}({parts})"
    return bound(structure)


def _like(sequence: Any, parts: list[Any]) -> Any:
    """The parts in the kind of sequence that they came in; a named tuple takes them one by one."""
    return type(sequence)(*parts) if hasattr(sequence, "_fields") else type(sequence)(parts)
