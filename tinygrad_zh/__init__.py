"""tinygrad_zh: the mathematics of backpropagation, written once, that runs, steps, checks and prints itself.

    import tinygrad_zh as tz
    x = tz.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    x.grad                                     # tensor([2., 4.])

Not the tinygrad project. 从零手写的神经网络引擎：公式写一遍，即可运行、单步、检验。
"""

import tinygrad_zh._source_root  # noqa: F401, before all that needs the kernels
from tinygrad_zh import check, data, device, functional, nn, ops, optim, program, stepper, text, train
from tinygrad_zh._version import __version__
from tinygrad_zh.core import (
    Op,
    Tape,
    Tensor,
    backward_steps,
    default_generator,
    get_default_dtype,
    grad,
    is_grad_enabled,
    manual_seed,
    no_grad,
    set_default_dtype,
    tensor,
)
from tinygrad_zh.derivatives import hessian, hvp, jacobian, jvp, vjp
from tinygrad_zh.kernels import use_kernels
from tinygrad_zh.program import compile, unroll
from tinygrad_zh.serialization import load, save
from tinygrad_zh.stepper import record

__all__ = [
    "Op", "Tape", "Tensor", "__version__", "backward_steps", "check", "compile", "data", "default_generator", "device",
    "functional", "get_default_dtype", "grad", "hessian", "hvp", "is_grad_enabled", "jacobian", "jvp", "load",
    "manual_seed", "nn", "no_grad", "ops", "optim", "program", "record", "save", "set_default_dtype", "stepper",
    "tensor", "text", "train", "unroll", "use_kernels", "vjp",
]  # fmt: skip
