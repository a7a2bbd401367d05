"""The core: tensors, ops, the tape, and the backward pass. It knows no mathematics; that is in ops."""

from tinygrad_zh.core.backward import backward_steps, grad
from tinygrad_zh.core.dtype import get_default_dtype, set_default_dtype
from tinygrad_zh.core.mode import is_grad_enabled, no_grad, using
from tinygrad_zh.core.op import Op
from tinygrad_zh.core.random import default_generator, manual_seed
from tinygrad_zh.core.tape import Line, Tape, record
from tinygrad_zh.core.tensor import Tensor, tensor
from tinygrad_zh.core.walk import Contribution, sum_to

__all__ = ["Contribution", "Line", "Op", "Tape", "Tensor", "backward_steps", "default_generator", "get_default_dtype",
           "grad", "is_grad_enabled", "manual_seed", "no_grad", "record", "set_default_dtype", "sum_to", "tensor",
           "using"]
