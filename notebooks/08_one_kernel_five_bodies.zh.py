# %% [markdown]
# # 08 · 一个计算核，五种写法
#
# softmax 只是一行数学。这里把它算五遍：用 NumPy，用编译过的循环，用 Python 写的上千个线程，用 CUDA C 里最先想到的写法，
# 再用真正采用的写法。五种写法得到的数完全一样，速度却相差十倍以上。
#
# 你会看到：时间花在哪里（不在算术上），GPU 的线程怎样合作，不合作时会出什么错，以及怎样用自己的写法代替一个公式。
# 不需要 GPU：CUDA C 在模拟器里运行，需要编译器 g++；Numba 的 CUDA 在另一个模拟器里运行，需要 `pip install greenlet`。
#
# 出处：Milakov、Gimelshein，《Online normalizer calculation for softmax》，2018 年；Williams、Waterman、Patterson，
# 《Roofline》，2009 年。

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

LANGUAGE = "zh"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)
np.set_printoptions(precision=5, suppress=True)


def same(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)

# %% [markdown]
# ## 公式
#
# 两行数，以 ln 2 为单位，用铅笔就能算：e 的这些次方都是 2 的幂。第一行的幂是 2、1、4、1，和为 8；
# 第二行的幂是 8、4、2、2，和为 16。

# %%
x = (np.log(2) * np.array([[1, 0, 2, 0], [3, 2, 1, 1]])).astype(np.float32)


def formula(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


y = formula(x)
print(y)
same(y, [[2 / 8, 1 / 8, 4 / 8, 1 / 8], [8 / 16, 4 / 16, 2 / 16, 2 / 16]])

# %% [markdown]
# ### 至少要花多少
#
# 谁来算 softmax，都得把 x 的每个数读一遍，把 y 的每个数写一遍：float32 下每个数 8 字节。还要减、取指数、加、除：
# 每个数大约 5 次运算。也就是每字节 0.6 次运算。
#
# 从内存取来 8 字节的工夫，处理器的一个核能做大约 100 次运算。所以 softmax 的关键不在算术，而在于每个数尽量少读几遍。
#
# NumPy 每做一种运算，就把整个数组走一遍：求最大值要读；相减要读也要写；取指数要读也要写；求和要读；相除要读也要写。
# 一共走了 8 趟，而必需的只有 2 趟。

# %%
kernel = kernels.get("softmax.forward")
large = kernel.arguments(np.random.default_rng(0), np.dtype(np.float32), (4096, 1000))
numbers = large.arrays[0].size
trips = {"max": 1, "minus": 2, "exp": 2, "sum": 1, "divide": 2}

print(f"{numbers:,}: {8 * numbers / 1e6:.1f} MB, numpy {4 * sum(trips.values()) * numbers / 1e6:.1f} MB")
assert sum(trips.values()) == 8 and kernel.flops(large) / numbers == 5

# %% [markdown]
# ## 五种写法
#
# 一个计算核是一份约定：哪个公式，哪些形状，哪些容易出错的情形。履行这份约定的一种方式，就是它的一种写法。
# softmax 有自己的一间屋子，即文件夹 `kernels/tinygrad_zh_kernels/softmax`，
# 各种写法并排放在那里，每一种都说明比前一种多了什么。

# %%
bodies = kernels.bodies(kernel)
for name, body in bodies.items():
    print(f"{name:<22}{body.adds[LANGUAGE == 'zh']}")

# %% [markdown]
# `tinygrad-zh kernels show softmax --body numba` 打印其中一种和它的代码。下面用其中五种计算同样的两行：

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
# 1. **numpy** 就是公式本身：每次对整个数组做一种运算。
# 2. **numba** 把循环编译成机器码。一行 4,000 字节只从内存读一遍，
#    在最近的缓存里等到和算出来为止；每条指令同时处理 16 个数。
# 3. **numba-cuda** 是为 GPU 写的，用的是 Python：一个线程块有 128 个线程，负责一行，每个线程每隔 128 个数取一个，
#    然后把各自的结果合并起来。
# 4. **cuda-c-1-naive** 是用 CUDA C 最先会写出来的样子：一个线程算一行。结果正确，但是慢：
#    相邻的线程读的数相隔一整行，而内存是按 32 字节一块送来的。
# 5. **cuda-c** 每一行只读一遍，每次 16 字节，并且留在寄存器里。
#
# ## 走进一个线程
#
# 模拟器可以盯住一个线程。这里，一个有 256 个线程的线程块负责第一行的 4 个数，
# 所以 2 号线程有一个数，200 号线程一个也没有。每个线程先求出自己那些数里最大的；
# 然后，一个线程束的 32 个线程交换手里的数，一共 5 次，每次的伙伴编号只差一个二进制位：相隔 16、8、4、2、1。

# %%
launch = EmulatedLauncher(watch=Thread(thread=(2, 0, 0)))
bodies["cuda-c-2-block"].run(launch, kernels.Arguments((x,), {"axis": -1}))
exchanged = [step for step in launch.steps if step.event and "shfl" in step.event][:5]
for step in exchanged:
    print(f"{step.file}:{step.line}  x = {step.values['x']:.4f}   {step.event}")

same([step.values["x"] for step in exchanged], 5 * [2 * np.log(2)])

# %% [markdown]
# 5 次交换之后，32 个线程都知道了 32 个数里最大的那个：2⁵ = 32。2 号线程一开始就拿着它：2 ln 2，约为 1.3863。
# 没有数的线程拿着 −∞，对最大值没有影响。
#
# 在命令行里，可以看到这个线程执行的每一行和赋的每一个值：
#
# `tinygrad-zh kernels run softmax --body cuda-c-2-block --device emulated --thread 2`
#
# ## 会出什么错
#
# 线程的先后次序是不可知的。一个线程要读另一个线程写的数，中间就必须有东西隔开：一道屏障，
# 线程块里的所有线程都在那里互相等待。下面的代码没有屏障。
# 0 号线程加起来的，可能是其他线程写的数，也可能是写之前留在那里的数。

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
# 在真正的 GPU 上，错误的版本常常能得到正确的结果：64 个线程是 2 个线程束，第二个通常够快。模拟器不靠运气。
# 它看得见对内存的每一次访问，知道哪些有先后次序，哪些没有。同样，它还能发现越界的下标、不是所有线程都到达的屏障，
# 以及从来没有人写过的数。`tinygrad-zh kernels check` 就这样检查每一种写法，用约定里的每一种大小和情形。

# %%
rows = check_body(bodies["cuda-c"], EmulatedLauncher())
print(f"{len(rows)} ✓  max |y − softmax| = {max(row.error for row in rows):.2f} ε")
assert not any(row.problem for row in rows)

# %% [markdown]
# ## 有多快
#
# 在这台机器上，用处理器的一个核：公式，照原样编译的循环，以及真正采用的写法。它们轮流运行，比较中位数，
# 这样机器偶尔的忙碌会落到每一种写法头上。

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
# 它们离机器的极限还有多远？屋顶线图一眼就能看清。横轴是每字节的运算次数，约定里写着；纵轴是每秒的运算次数，由测量得到。
# 斜的屋顶是内存和缓存的带宽，平的屋顶是最快的矩阵乘法。softmax 站在很靠左的地方，在斜屋顶下面：
# 再巧妙的算术也不能让它更快。

# %%
top = peaks(np.float32, memory=1 << 25, seconds=0.1)
cost = kernel.flops(large) / numbers / 8
points = [Point("softmax", name, cost, kernel.flops(large) / numbers * counts[-1] / timings[-1][name].seconds)
          for name in ways]
Image.open(roofline(points, {"memory": top.memory, "cache": top.cache}, top.matmul, pictures / "kernels-roofline.png",
                    title="softmax 1024 × 1000"))

# %% [markdown]
# `python -m benchmarks kernels` 为每个计算核画出这两种图，`benchmarks/gpu.py` 在 GPU 上做同样的事。
#
# ## 你自己的写法
#
# 一个文件就够了。被它装饰的函数就成为一种写法：和其他写法一样被检查、计时、画图和选用，包里什么也不用改。

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
# 前向由你的写法计算，反向由公式计算：一种写法只代替一个函数，没有写法能处理的情形，仍由公式处理。
# `tinygrad-zh kernels check softmax --file my_softmax.py` 和
# `python -m benchmarks kernels --file my_softmax.py` 完成其余的事。
#
# ## 练习
#
# 把每个 `...` 换成你的答案，再运行。○ 表示还没有做，● 表示正确，答错会报错。
# 用到的都在本页，每题不超过三行。

# %%
def check(number, mine, right):
    if mine is None:
        print(f"{number} ○")
    else:
        mine, right = (np.hstack(each) if isinstance(each, tuple) else each for each in (mine, right))
        np.testing.assert_allclose(mine, right, rtol=1e-6, atol=1e-9)
        print(f"{number} ●")

# %% [markdown]
# **1.** softmax 的反向要读 dy 和 y，写 dx。至少要移动多少字节？

# %%
def least_bytes(rows, columns, itemsize):
    ...


backward = kernels.get("softmax.backward")
dy_and_y = backward.arguments(np.random.default_rng(0), np.dtype(np.float64), (30, 70))
check(1, least_bytes(30, 70, 8), backward.least_bytes(dy_and_y, (dy_and_y.arrays[0],)))

# %% [markdown]
# **2.** 两个线程各看过一行的一部分。一个知道自己那部分的最大值 m1 和 e^(x − m1) 的和 s1，另一个知道 m2 和 s2。
# 两部分合起来，m 和 s 是多少？在线 softmax 的全部想法就在这里。

# %%
def together(m1, s1, m2, s2):
    ...


row = np.array([1.0, 5, 2, 0, 3])
parts = [(part.max(), np.exp(part - part.max()).sum()) for part in (row[:2], row[2:])]
check(2, together(*parts[1], *parts[0]), (row.max(), np.exp(row - row.max()).sum()))

# %% [markdown]
# **3.** 在 `__shfl_xor_sync(FULL, x, step)` 里，`lane` 号线程收到的是几号线程的数？

# %%
def partner(lane, step):
    ...


lane = np.arange(32)
check(3, partner(lane, 4), np.arange(32).reshape(4, 2, 4)[:, ::-1].ravel())

# %% [markdown]
# **4.** 屋顶：一个计算核每字节做 `intensity` 次运算，机器的带宽是每秒若干字节，峰值是每秒若干次运算。
# 它每秒最多能做多少次运算？

# %%
def roof(intensity, bandwidth, peak):
    ...


check(4, roof(np.array([0.5, 8, 200]), 3e12, 6e13), [1.5e12, 2.4e13, 6e13])

# %% [markdown]
# **5.** 一行的 softmax 反向，分两遍：dx = y (dy − Σ dy y)。

# %%
def softmax_backward(dy, y):
    ...


dy = np.array([[1.0, 0, 2, -1], [0, 1, 0, 0]])
check(5, softmax_backward(dy, y), F.softmax.backward(dy, y, axis=-1))
