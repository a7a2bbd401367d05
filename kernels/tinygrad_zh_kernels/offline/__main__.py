"""python -m tinygrad_zh_kernels.offline: see the package."""

from __future__ import annotations

import argparse
import sys

from tinygrad_zh_kernels.offline import budget
from tinygrad_zh_kernels.offline.launches import launches
from tinygrad_zh_kernels.offline.nvrtc import nvrtc
from tinygrad_zh_kernels.offline.ptx import accidental_float64


def main() -> int:
    """0 if every kernel compiles, spills nothing, keeps its budget and has no accidental float64; else 1."""
    parser = argparse.ArgumentParser(prog="python -m tinygrad_zh_kernels.offline",
                                     description="Compile the CUDA kernels without a GPU. 不用 GPU 编译 CUDA 核函数。")
    parser.add_argument("--write", action="store_true",
                        help="make the registers used now the budget 把现在的寄存器数写成预算")
    parser.add_argument("--ptx", metavar="FILE", help="print the PTX of a .cu file 打印 .cu 文件的 PTX")
    parser.add_argument("--dtype", default="float32", choices=("float16", "float32", "float64"))
    parser.add_argument("--arch", default="sm_90")
    chosen = parser.parse_args()
    if chosen.ptx:
        path = budget.HERE / chosen.ptx
        print(nvrtc(path if path.is_file() else chosen.ptx, chosen.dtype, chosen.arch).ptx)
        return 0
    of_cuda_c, of_numba = launches()
    measured = budget.measure(of_cuda_c)
    found = list(budget.differences(budget.read(), measured.registers))
    for difference in found:
        print(difference)
    wrong = [*measured.spills, *measured.unused, *accidental_float64(of_numba)]
    for sentence in wrong:
        print(sentence)
    print(f"{len(measured.registers)} CUDA C kernels, {len(of_numba)} Numba CUDA kernels")
    if chosen.write:
        budget.write(measured.registers)
    elif not all(difference.allowed for difference in found):
        print(f"over the budget; if there is a reason: {budget.WRITE}")
        return 1
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
