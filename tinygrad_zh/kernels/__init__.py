"""The engine's side of the kernels: which bodies run in the formulas' place, and whether they do the same. 计算核"""

from tinygrad_zh.kernels.binding import FORMULAS, chosen, formula, known, use_kernels
from tinygrad_zh.kernels.checking import Checked, calls, check, check_call

__all__ = ["FORMULAS", "Checked", "calls", "check", "check_call", "chosen", "formula", "known", "use_kernels"]
