"""Faster bodies for the engine's formulas, one room (folder) a kernel. 计算核 (kernels).

    from tinygrad_zh_kernels import bodies, get
    bodies(get("softmax.forward"))["numba"]

This package imports nothing of tinygrad_zh, so a kernel can be read, tested and timed by itself.
"""

from tinygrad_zh_kernels.kernel import Arguments, Body, Kernel
from tinygrad_zh_kernels.rooms import bodies, get, kernels, load, missing

__all__ = ["Arguments", "Body", "Kernel", "bodies", "get", "kernels", "load", "missing"]
