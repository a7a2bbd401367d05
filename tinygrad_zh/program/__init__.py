"""Programs: a recorded computation, to be replayed or to be read. 程序：录制一次，反复重放，或写成文本"""

from tinygrad_zh.program.compiling import Compiled, compile
from tinygrad_zh.program.cuda_graph import CudaGraph, cuda_graph
from tinygrad_zh.program.unrolling import Unrolled, unroll

__all__ = ["Compiled", "CudaGraph", "Unrolled", "compile", "cuda_graph", "unroll"]
