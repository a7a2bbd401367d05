"""A @cuda.jit kernel as PTX, the assembly of all NVIDIA GPUs, by numba-cuda."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np

from tinygrad_zh_kernels.offline.launches import NumbaCuda
from tinygrad_zh_kernels.offline.library import MissingCompiler

COMPUTE_CAPABILITIES = ((8, 0), (9, 0))  # A100 and H100


def ptx(kernel: Any, arguments: tuple[Any, ...], cc: tuple[int, int] = (9, 0)) -> str:
    """The PTX of a kernel for arguments of the types of these. 编译成 PTX

    cc: the GPU's compute capability. Raises MissingCompiler without numba-cuda; the one that comes with Numba cannot
    compile without a driver.
    """
    if find_spec("numba_cuda") is None:
        raise MissingCompiler("numba-cuda is not installed, which compiles Numba's CUDA kernels without a GPU; "
                              "pip install 'tinygrad-zh[compile]'")
    from numba import cuda, void
    from numba.cuda import dispatcher

    signature = void(*(_type(x) for x in arguments))
    options = {name: kernel.targetoptions[name] for name in ("fastmath",) if name in kernel.targetoptions}
    # A device function without a signature is compiled for "the current device", whatever cc says; so there is one.
    with patch.object(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=cc)):
        text, _ = cuda.compile_ptx(kernel.py_func, signature, cc=cc, **options)
    return str(text)


def accidental_float64(launched: Iterable[NumbaCuda]) -> Iterator[str]:
    """A sentence for every kernel that computes in float64 though no float64 is handed to it.

    It compiles every kernel for both GPUs.
    """
    for launch in launched:
        texts = [ptx(launch.kernel, launch.arguments, cc) for cc in COMPUTE_CAPABILITIES]
        if launch.dtype == "float64" or any(getattr(x, "dtype", None) == np.float64 for x in launch.arguments):
            continue
        line = next((line.strip() for text in texts for line in text.splitlines() if ".f64" in line), None)
        if line is not None:
            yield (f"{launch.body}: {launch.kernel.py_func.__name__} computes in float64 on {launch.dtype} arrays: "
                   f"{line}")


def _type(value: Any) -> Any:
    """The type that Numba gives an argument at a launch; an array on a GPU is never read-only."""
    from numba import typeof, types
    from numba.np.numpy_support import from_dtype

    return types.Array(from_dtype(value.dtype), value.ndim, "C") if isinstance(value, np.ndarray) else typeof(value)
