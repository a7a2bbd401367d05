# %% [markdown]
# # 08 · One kernel, five bodies
#
# Softmax is one line of mathematics. Here it is computed five times: by NumPy, by a compiled loop, by a thousand
# threads written in Python, by threads in CUDA C as one writes them first, and as they are used. All five give the
# same numbers, and they differ in speed by a factor of ten and more.
#
# You learn where the time goes (not into arithmetic), how the threads of a GPU work together, what goes wrong when
# they do not, and how to put a body of your own in a formula's place. No GPU is needed: CUDA C runs in an emulator,
# which needs the compiler g++, and Numba's CUDA in a simulator, which needs `pip install greenlet`.
#
# Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018. Williams, Waterman and Patterson,
# "Roofline", 2009.

# %%
from pathlib import Path

import numba
import numpy as np
from PIL import Image

import tinygrad_zh as tz
import tinygrad_zh_kernels as kernels
from tinygrad_zh import functional as F
from tinygrad_zh import i18n
from tinygrad_zh.kernels import check as check_body
from tinygrad_zh.plot.crossover import Race, Times, crossover
from tinygrad_zh.plot.roofline import Point, roofline
from tinygrad_zh_kernels.emulated import EmulatedLauncher, Thread
from tinygrad_zh_kernels.peaks import peaks
from tinygrad_zh_kernels.timing import interleaved

LANGUAGE = "en"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)
np.set_printoptions(precision=5, suppress=True)


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)

# %% [markdown]
# ## The formula
#
# Two rows that a pencil can do, because they are measured in units of ln 2: e to such a number is a power of 2. The
# powers of the first row are 2, 1, 4 and 1, their sum is 8; those of the second are 8, 4, 2 and 2, their sum is 16.

# %%
x = (np.log(2) * np.array([[1, 0, 2, 0], [3, 2, 1, 1]])).astype(np.float32)


def formula(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


y = formula(x)
print(y)
same(y, [[2 / 8, 1 / 8, 4 / 8, 1 / 8], [8 / 16, 4 / 16, 2 / 16, 2 / 16]])

# %% [markdown]
# ### What it costs at least
#
# Whoever computes softmax must read each number of x and write each number of y: 8 bytes a number in float32. And he
# must subtract, exponentiate, add, divide: about 5 operations a number. So 0.6 operations a byte.
#
# A processor's core computes some 100 operations in the time in which it fetches 8 bytes from memory. Softmax is not
# about arithmetic. It is about reading every number as few times as possible.
#
# NumPy goes through the array again for each operation: max reads it; minus reads it and writes; exp reads and
# writes; sum reads; divide reads and writes. That is 8 trips where 2 are needed.

# %%
kernel = kernels.get("softmax.forward")
large = kernel.arguments(np.random.default_rng(0), np.dtype(np.float32), (4096, 1000))
numbers = large.arrays[0].size
trips = {"max": 1, "minus": 2, "exp": 2, "sum": 1, "divide": 2}

print(f"{numbers:,}: {8 * numbers / 1e6:.1f} MB, numpy {4 * sum(trips.values()) * numbers / 1e6:.1f} MB")
assert sum(trips.values()) == 8 and kernel.flops(large) / numbers == 5

# %% [markdown]
# ## Five bodies
#
# A kernel is a contract: this formula, these shapes, these awkward cases. A body is one way to keep it. Softmax has a
# room of its own, the folder `kernels/tinygrad_zh_kernels/softmax`, where its bodies stand side by side; each says
# what it adds to the one before.

# %%
bodies = kernels.bodies(kernel)
for name, body in bodies.items():
    print(f"{name:<22}{body.adds[LANGUAGE == 'zh']}")

# %% [markdown]
# `tinygrad-zh kernels show softmax --body numba` prints one with its code. Five of them, on the same two rows:

# %%
five = ["numba", "numba-cuda", "cuda-c-1-naive", "cuda-c"]
results = {"numpy": formula(x)}
for name in five:
    launch = EmulatedLauncher() if bodies[name].device == "cuda" else None
    results[name] = bodies[name].run(launch, kernels.Arguments((x,), {"axis": -1}))

for name, result in results.items():
    print(f"{name:<16}{result[0]}")
    same(result, y)
assert len(results) == 5

# %% [markdown]
# 1. **numpy** is the formula itself: whole arrays, one operation at a time.
# 2. **numba** compiles the loops. A row of 4,000 bytes is read from memory once, and waits in the nearest cache until
#    its sum is known. And 16 numbers go through each instruction at once.
# 3. **numba-cuda** is written for a GPU, in Python: one block of 128 threads takes a row, each thread every 128th
#    number, and then they put together what each of them found.
# 4. **cuda-c-1-naive** is what one writes first in CUDA C: one thread takes a row. It is right, and slow, because
#    neighbouring threads read numbers that lie a row apart, and memory comes in pieces of 32 bytes.
# 5. **cuda-c** reads a row once, 16 bytes at a time, and keeps it in registers.
#
# ## Step into a thread
#
# The emulator can watch one thread. Here a block of 256 threads has the first row, of 4 numbers, so thread 2 has one
# number, thread 200 none. First each finds the largest of its own numbers; then the 32 threads of a warp exchange what
# they have, 5 times, each with a partner whose number differs in one bit: 16, 8, 4, 2 and 1 away.

# %%
launch = EmulatedLauncher(watch=Thread(thread=(2, 0, 0)))
bodies["cuda-c-2-block"].run(launch, kernels.Arguments((x,), {"axis": -1}))
exchanged = [step for step in launch.steps if step.event and "shfl" in step.event][:5]
for step in exchanged:
    print(f"{step.file}:{step.line}  x = {step.values['x']:.4f}   {step.event}")

same([step.values["x"] for step in exchanged], 5 * [2 * np.log(2)])

# %% [markdown]
# After 5 exchanges all 32 threads know the largest of 32 numbers: 2⁵ = 32. Thread 2 had it from the start, 2 ln 2,
# about 1.3863. Threads without a number hold −∞, which no maximum minds.
#
# On the command line, with every line that the thread ran and every value that it assigned:
#
# `tinygrad-zh kernels run softmax --body cuda-c-2-block --device emulated --thread 2`
#
# ## What can go wrong
#
# Threads run in no order that you know. Where one reads what another wrote, something must stand between: a barrier,
# at which all of a block wait for each other. Below it is missing. Thread 0 adds up what the others wrote, or what was
# there before they wrote it.

# %%
text = """
extern "C" __global__ void total(float* sum, const float* x) {
    __shared__ float room[64];
    room[threadIdx.x] = x[threadIdx.x];
    BARRIER
    if (threadIdx.x == 0) {
        float s = 0;
        for (int i = 0; i < 64; i++) s += room[i];
        *sum = s;
    }
}
"""
file = pictures / "total.cu"


def total(x, barrier, order=0):
    file.write_text(text.replace("BARRIER", barrier), encoding="utf-8")
    launch = EmulatedLauncher(order)
    s = launch.empty((1,), np.float32)
    launch.cuda_c(file.resolve(), "total", (1,), (64,), (s, x), dtype=np.float32)
    return s[0]


ones = np.ones(64, np.float32)
assert total(ones, "__syncthreads();") == 64
try:
    total(ones, "")
    found = None
except RuntimeError as error:
    found = str(error)
print(found)
assert "room" in found or "shared" in found

# %% [markdown]
# On a real GPU the wrong version often works: 64 threads are 2 warps, and the second is usually quick enough. The
# emulator does not wait for bad luck. It sees every access to memory, and knows which are ordered and which are not.
# In the same way it finds indices outside of an array, barriers that not all threads reach, and numbers that nobody
# wrote. `tinygrad-zh kernels check` tries every body so, on each size and case of its contract.

# %%
rows = check_body(bodies["cuda-c"], EmulatedLauncher())
print(f"{len(rows)} ✓  max |y − softmax| = {max(row.error for row in rows):.2f} ε")
assert not any(row.problem for row in rows)

# %% [markdown]
# ## How fast
#
# On this machine, on one core of its processor: the formula, a loop compiled as it is written, and the body that is
# used. They take turns, and medians are compared, so that a busy moment meets all of them.

# %%
numba.set_num_threads(1)
sizes = [(4, 1000), (64, 1000), (1024, 1000)]
ways = {"numpy": formula} | {name: bodies[name].function for name in ("numba-1-loops", "numba")}
timings = []
for size in sizes:
    (z,), _ = kernel.arguments(np.random.default_rng(0), np.dtype(np.float32), size)
    timings.append(interleaved({name: lambda way=way, z=z: way(z) for name, way in ways.items()}, seconds=0.1))
for size, timing in zip(sizes, timings, strict=True):
    print(f"{size[0]:>5} × {size[1]}  " + "  ".join(f"{name} {1e6 * t.seconds:7.1f} µs" for name, t in timing.items()))

counts = [rows * columns for rows, columns in sizes]
times = {name: Times(counts, *zip(*((t[name].seconds, t[name].low, t[name].high) for t in timings), strict=True))
         for name in ways}
Image.open(crossover([Race("softmax", "numbers", times)], pictures / "kernels-time.png", columns=1))

# %% [markdown]
# Where do they stand below what the machine can do? The roofline says it in one picture. Across: operations a byte,
# which the contract knows. Up: operations a second, which was measured. The slanted roofs are the bandwidths of memory
# and of the cache, the flat one is the fastest matrix product. Softmax stands far to the left, under the slanted part:
# no arithmetic, however clever, would make it faster.

# %%
top = peaks(np.float32, memory=1 << 25, seconds=0.1)
cost = kernel.flops(large) / numbers / 8
points = [Point("softmax", name, cost, kernel.flops(large) / numbers * counts[-1] / timings[-1][name].seconds)
          for name in ways]
Image.open(roofline(points, {"memory": top.memory, "cache": top.cache}, top.matmul, pictures / "kernels-roofline.png",
                    title="softmax 1024 × 1000"))

# %% [markdown]
# `python -m benchmarks kernels` draws both for every kernel, and `benchmarks/gpu.py` does the same on a GPU.
#
# ## Your own body
#
# A file is enough. What it decorates becomes a body: it is checked, timed, drawn and chosen like the others, and
# nothing in the package changes.

# %%
mine = pictures / "my_softmax.py"
mine.write_text('''
import numpy as np

from tinygrad_zh_kernels import get


@get("softmax.forward").body("mine", device="cpu", covers=lambda x, axis=-1: x.ndim > 0 and axis in (-1, x.ndim - 1))
def forward(x, *, axis=-1):
    """One array for all steps, instead of three.

    中文：所有步骤共用一个数组，而不是三个。
    """
    y = np.subtract(x, x.max(axis=-1, keepdims=True, initial=-np.inf))
    np.exp(y, out=y)
    y /= y.sum(axis=-1, keepdims=True)
    return y
''', encoding="utf-8")
(own,) = kernels.load(mine)
with np.errstate(all="ignore"):
    tried = check_body(own)
print(own, "–", own.adds[LANGUAGE == "zh"], f"{len(tried)} ✓")
assert not any(row.problem for row in tried)

t = tz.tensor(x, requires_grad=True)
with tz.use_kernels("mine"):
    F.softmax(t)[0, 2].backward()
same(t.grad.numpy()[0], y[0, 2] * (np.arange(4) == 2) - y[0, 2] * y[0])

# %% [markdown]
# Forward ran in your body, backward in the formula: a body replaces one function, and where none covers what comes, the
# formula is there. `tinygrad-zh kernels check softmax --file my_softmax.py` and `python -m benchmarks kernels --file
# my_softmax.py` do the rest.
#
# ## Exercises
#
# Replace each `...` by your answer and run the cell. ○ means not tried yet, ● means right, and a wrong answer is an
# error. All of them need what is on this page, and no more than three lines.

# %%
def check(number, mine, right):
    if mine is None:
        print(f"{number} ○")
    else:
        mine, right = (np.hstack(each) if isinstance(each, tuple) else each for each in (mine, right))
        np.testing.assert_allclose(mine, right, rtol=1e-6, atol=1e-9)
        print(f"{number} ●")

# %% [markdown]
# **1.** The backward pass of softmax reads dy and y and writes dx. How many bytes must it move, at least?

# %%
def least_bytes(rows, columns, itemsize):
    ...


backward = kernels.get("softmax.backward")
dy_and_y = backward.arguments(np.random.default_rng(0), np.dtype(np.float64), (30, 70))
check(1, least_bytes(30, 70, 8), backward.least_bytes(dy_and_y, (dy_and_y.arrays[0],)))

# %% [markdown]
# **2.** Two threads have gone through a part of a row each. One knows its largest number m1 and the sum s1 of
# e^(x − m1), the other m2 and s2. What are m and s of both parts together? This is the whole idea of online softmax.

# %%
def together(m1, s1, m2, s2):
    ...


row = np.array([1.0, 5, 2, 0, 3])
parts = [(part.max(), np.exp(part - part.max()).sum()) for part in (row[:2], row[2:])]
check(2, together(*parts[1], *parts[0]), (row.max(), np.exp(row - row.max()).sum()))

# %% [markdown]
# **3.** In `__shfl_xor_sync(FULL, x, step)`, from which lane does `lane` receive?

# %%
def partner(lane, step):
    ...


lane = np.arange(32)
check(3, partner(lane, 4), np.arange(32).reshape(4, 2, 4)[:, ::-1].ravel())

# %% [markdown]
# **4.** The roof: how many operations a second can a kernel reach that does `intensity` operations a byte, on a machine
# with this bandwidth, in bytes a second, and this peak, in operations a second?

# %%
def roof(intensity, bandwidth, peak):
    ...


check(4, roof(np.array([0.5, 8, 200]), 3e12, 6e13), [1.5e12, 2.4e13, 6e13])

# %% [markdown]
# **5.** Softmax's backward for one row, in two passes over it: dx = y (dy − Σ dy y).

# %%
def softmax_backward(dy, y):
    ...


dy = np.array([[1.0, 0, 2, -1], [0, 1, 0, 0]])
check(5, softmax_backward(dy, y), F.softmax.backward(dy, y, axis=-1))
