"""Cross-entropy in CUDA C: the host's side of cross_entropy.cu."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tinygrad_zh_kernels import cross_entropy
from tinygrad_zh_kernels.cross_entropy import covers, covers_backward
from tinygrad_zh_kernels.launcher import Launcher
from tinygrad_zh_kernels.row import share

FILE = Path(__file__).parent / "cross_entropy.cu"
LONG = 1024
"""Threads for a row that does not fit in registers."""


@cross_entropy.forward.body("cuda-c", device="cuda", covers=covers)
def forward(launch: Launcher, x: Any, t: Any) -> tuple[Any, Any]:
    """One launch that reads the logits once: a row waits in registers for its maximum.

    中文：只启动一次，分数只读一遍：整行留在寄存器里，等最大值求出。
    """
    losses = launch.empty(t.shape, x.dtype)
    lse = launch.empty((*t.shape, 1), x.dtype)
    along_rows(launch, "cross_entropy", x, t, (losses, lse, x, t))
    return losses, lse


@cross_entropy.backward.body("cuda-c", device="cuda", covers=covers_backward)
def backward(launch: Launcher, dy: Any, x: Any, t: Any, lse: Any) -> Any:
    """One launch that reads the logits once and writes their gradient: softmax is never stored.

    中文：只启动一次，读一遍分数，直接写出梯度：不存储 softmax。
    """
    dx = launch.empty(x.shape, x.dtype)
    along_rows(launch, "cross_entropy_backward", x, t, (dx, dy, x, t, lse))
    return dx


def along_rows(launch: Launcher, name: str, x: Any, t: Any, arrays: tuple[Any, ...]) -> None:
    """Launch the kernel that keeps rows of x in registers, or the one for rows that are too long."""
    columns = x.shape[-1]
    label = "LABEL=int" if t.dtype == "int32" else "LABEL=Long"
    shares = share(x)
    if shares is None:
        launch.cuda_c(FILE, f"{name}_long", (t.size,), (LONG,), (*arrays, columns), dtype=x.dtype, defines=(label,))
    else:
        launch.cuda_c(FILE, name, shares.grid, shares.block, (*arrays, t.size, columns), dtype=x.dtype,
                      defines=(*shares.defines, label))
