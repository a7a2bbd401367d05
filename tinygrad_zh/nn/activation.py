"""Activations as layers, for Sequential."""

from __future__ import annotations

from typing import Any

from tinygrad_zh import functional as F
from tinygrad_zh.nn.module import Module


class ReLU(Module):
    """y = max(0, x). 中文：ReLU 层。"""

    def forward(self, x: Any) -> Any:
        return F.relu(x)


class LeakyReLU(Module):
    """y = x where x > 0, else s x. 中文：带泄漏的 ReLU 层。"""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def forward(self, x: Any) -> Any:
        return F.leaky_relu(x, slope=self.slope)

    def describe(self) -> str:
        return f"slope={self.slope}"


class Sigmoid(Module):
    """y = 1 / (1 + e⁻ˣ). 中文：S 型激活层。"""

    def forward(self, x: Any) -> Any:
        return F.sigmoid(x)


class Tanh(Module):
    """y = tanh x. 中文：双曲正切层。"""

    def forward(self, x: Any) -> Any:
        return F.tanh(x)


class GELU(Module):
    """y = ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), the tanh form. 中文：GELU 层。"""

    def forward(self, x: Any) -> Any:
        return F.gelu(x)


class SiLU(Module):
    """y = x σ(x). 中文：SiLU 层。"""

    def forward(self, x: Any) -> Any:
        return F.silu(x)


class Softplus(Module):
    """y = ln(1 + eˣ). 中文：Softplus 层。"""

    def forward(self, x: Any) -> Any:
        return F.softplus(x)


class Softmax(Module):
    """yᵢ = eˣⁱ / Σⱼ eˣʲ along an axis. 中文：softmax 层。

    For training leave it out: F.cross_entropy takes the logits.
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return F.softmax(x, axis=self.axis)

    def describe(self) -> str:
        return f"axis={self.axis}"


class LogSoftmax(Module):
    """yᵢ = xᵢ − ln Σⱼ eˣʲ along an axis. 中文：log-softmax 层。"""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Any:
        return F.log_softmax(x, axis=self.axis)

    def describe(self) -> str:
        return f"axis={self.axis}"
