"""What is said of a step beyond its arrays: one element written out, the Jacobian, a numeric check. 对一步的解释"""

from __future__ import annotations

from tinygrad_zh.stepper.building.dependence import forward_element
from tinygrad_zh.stepper.building.elements import explain_backward, sum_element
from tinygrad_zh.stepper.building.jacobians import jacobian
from tinygrad_zh.stepper.building.numeric import numeric_check

__all__ = ["explain_backward", "forward_element", "jacobian", "numeric_check", "sum_element"]
