"""Programs: a training step that is recorded once and then only replayed. 程序：录制一次，反复重放"""

from tinygrad_zh.program.cuda_graph import CudaGraph, cuda_graph

__all__ = ["CudaGraph", "cuda_graph"]
