"""The default dtype, and what a Python value becomes."""

from __future__ import annotations

from typing import Any

import numpy as np

_default = np.dtype(np.float32)


def get_default_dtype() -> np.dtype[Any]:
    """The dtype of tensors made from Python floats: float32 unless `set_default_dtype` was called."""
    return _default


def set_default_dtype(dtype: Any) -> None:
    """Choose the dtype of tensors made from Python floats. 中文：设置默认数据类型。

    Raises TypeError for anything but a floating dtype.
    """
    global _default
    if dtype is None or np.dtype(dtype).kind != "f":  # NumPy takes None for float64
        raise TypeError(f"the default dtype is a floating one (float32, float64, float16), not {dtype}")
    _default = np.dtype(dtype)


def to_array(data: Any, dtype: Any = None) -> np.ndarray[Any, Any]:
    """A fresh array of the user's data: Python floats take the default dtype, arrays keep theirs.

    Raises TypeError for what is no number (strings, objects, complex) or ragged.
    """
    if type(data) is not np.ndarray and hasattr(data, "mask") and hasattr(data, "filled"):
        raise TypeError("a tensor has no mask; use masked.filled(value) to say what stands where it is masked")
    from_python = not hasattr(data, "dtype")
    try:
        given = np.asarray(data)
    except ValueError as error:
        raise TypeError(f"a tensor is made of a rectangular array of numbers: {error}") from None
    for kind in (given.dtype, np.dtype(dtype)):
        if kind.kind not in "fiub":
            raise TypeError(f"a tensor holds real numbers or booleans, not {kind} (from {type(data).__name__}); "
                            "convert the data to numbers first")
    if dtype is None and from_python and given.dtype.kind == "f":
        dtype = _default
    array = np.array(data, dtype=dtype)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
