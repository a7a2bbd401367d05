"""How many threads share a kernel's work on the CPU. 线程数

A second thread takes about 5 µs to begin. Below some amount of work it costs more than it helps, so each kernel says
how much is too little. Numba's own layer, workqueue, takes thirty times as long, and ends the process when two Python
threads use it at once: where neither OpenMP nor TBB is found, kernels run in one thread, and only BLAS in several.

The number is asked for here and handed to what Numba compiles: a function that asks for it itself is not kept on disk,
and one that takes it as a constant would be kept with the number of threads that there happened to be.
"""

from __future__ import annotations

import numba


def threads_for(work: int, few: int) -> int:
    """1 for less work than `few`, else as many as Numba has been given. 中文：参与计算的线程数。"""
    if work < few:
        return 1
    threads = numba.get_num_threads()  # this also starts them, so that the layer is known
    return threads if threads == 1 or numba.threading_layer() != "workqueue" else 1
