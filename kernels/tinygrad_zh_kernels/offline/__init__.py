"""Compiling CUDA kernels on a machine without a GPU or its driver. 中文：不用 GPU 编译 CUDA 核函数

    offline.nvrtc(file, "float32", "sm_90").usage["softmax"].registers      CUDA C
    offline.ptx(kernel, (y, x), (9, 0))                                     a @cuda.jit function

    python -m tinygrad_zh_kernels.offline                      every kernel against the budget of registers
    python -m tinygrad_zh_kernels.offline --write              a new budget
    python -m tinygrad_zh_kernels.offline --ptx softmax/softmax.cu

What it finds without a GPU: code that does not compile, a register that spills to memory, more registers than a kernel
had (registers.json), and float64 in a float32 kernel. Which kernels there are, with which types and macros, nobody
lists: every body is run once on every call of its contract, on a launcher that only writes down what it is asked for.

Needs the extra `compile`: NVRTC, NVIDIA's compiler as a library; CUDA's headers, for float16; and numba-cuda.
"""

from tinygrad_zh_kernels.offline.library import MissingCompiler
from tinygrad_zh_kernels.offline.nvrtc import Compiled, CompileError, Usage, nvrtc
from tinygrad_zh_kernels.offline.ptx import ptx

__all__ = ["CompileError", "Compiled", "MissingCompiler", "Usage", "nvrtc", "ptx"]
