"""Devices: the only place where arrays move. On the CPU an array is NumPy's, on CUDA it is CuPy's. 设备

    tz.tensor(x, device="cuda")    t.to("cuda:1")    model.to("cuda")    optimizer.to("cuda")    t.to("cpu")
    tz.device.memory()             what the GPU's memory holds
    tz.device.synchronize()        wait until the GPU is done: around what is timed

Everything runs on one stream a GPU. The GPU that something was moved to last is the current one of its thread; another
thread begins with `tz.device.stream()`. CuPy is imported when a GPU is first asked for.
"""

from tinygrad_zh.device.arrays import device_of, freeze, index_of, is_frozen, move, on_cuda, together
from tinygrad_zh.device.cuda import Memory, alive, capturing, make_room, memory, out_of_memory, stream, synchronize, use
from tinygrad_zh.device.extent import demanded, noting, renew, stray

__all__ = ["Memory", "alive", "capturing", "demanded", "device_of", "freeze", "index_of", "is_frozen", "make_room",
           "memory", "move", "noting", "on_cuda", "out_of_memory", "renew", "stray", "stream", "synchronize",
           "together", "use"]
