# %% [markdown]
# # 09 · 从模型到手写的反向传播
#
# 教科书把反向传播写出来：前向、反向，一行一个公式。框架把它藏起来。在这里，你像用框架那样写一个模型，
# 再从中得到教科书上的程序：只用 NumPy，数值与引擎逐位相同。然后读它，弄坏它，找出哪里坏了，最后让它变快。
#
# 需要会矩阵乘法和链式法则（笔记本 01），知道磁带是什么（笔记本 02）。

# %%
import io
import runpy
import time
from contextlib import redirect_stdout
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import i18n, plot
from tinygrad_zh.check import gradcheck

LANGUAGE = "zh"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)

tz.set_default_dtype(np.float64)
np.set_printoptions(precision=5, suppress=True)
plt.rcParams["font.family"] = ["DejaVu Sans", *filter(None, [plot.chinese_font()])]

# %% [markdown]
# ## 一个模型
#
# 4 个样本，每个 2 个数，分 3 类，一个隐藏层，有 3 个神经元。要写的只有下面这个函数：
# 它只说损失是什么，一句也没有提到梯度。

# %%
rng = np.random.default_rng(0)
x = rng.normal(size=(4, 2))
t = np.array([0, 1, 2, 1])

W1 = tz.tensor(rng.normal(size=(2, 3)), requires_grad=True, name="W1")
b1 = tz.tensor(np.zeros(3), requires_grad=True, name="b1")
W2 = tz.tensor(rng.normal(size=(3, 3)), requires_grad=True, name="W2")
b2 = tz.tensor(np.zeros(3), requires_grad=True, name="b2")


def loss_of(x, t):
    z1 = x @ W1 + b1
    h1 = F.tanh(z1)
    z2 = h1 @ W2 + b2
    return F.cross_entropy(z2, t)


assert x.shape == (4, 2) and W2.shape == (3, 3)

# %% [markdown]
# ## 展开
#
# `tz.unroll` 在磁带上运行一次这个函数，反向走一遍，再把磁带打印成程序。之后一切如旧：没有留下任何梯度。

# %%
program = tz.unroll(loss_of, x, t)
print(program)

assert W1.grad is None

# %% [markdown]
# ## 逐行读
#
# 名字是你自己取的：z1、h1、z2。你没有取名的，用它在公式里的名字：top、lse、hot 来自交叉熵内部。
# 梯度的名字是 d 加上它所属的变量名。
#
# 从上往下读反向部分，同时对照前向部分。每一行都对应前向的一行，次序相反：
#
# - `dz2` 出自交叉熵：softmax(z2) 在正确的类别处减 1，再除以样本数 4。
# - `db2 = dz2.sum(axis=0)`：b2 加到了全部 4 行上，所以 4 行都对它有贡献。广播过的，就要求和。
# - `dh1 = dz2 @ W2.T` 与 `dW2 = h1.T @ dz2`：乘积有两边，每一边的梯度里都是另一边的转置。
# - `dz1 = dh1 * (1 - h1 * h1)`：tanh 的斜率，用它自己的结果表示。
# - 第一层与第二层相同。没有 dx：谁也没有要它。

# %%
lines = [line.partition("  #")[0].rstrip() for line in program.source.splitlines()]
for line in ("z1 = x @ W1 + b1", "h1 = np.tanh(z1)", "db2 = dz2.sum(axis=0)", "dh1 = dz2 @ W2.T", "dW2 = h1.T @ dz2",
             "dz1 = dh1 * (1 - h1 * h1)", "db1 = dz1.sum(axis=0)", "dW1 = x.T @ dz1"):
    assert line in lines, line
assert not any(line.startswith("dx") for line in lines)

# %% [markdown]
# ## 算出来一样吗？
#
# 保存，运行，与引擎比较：不是近似，而是每一位都相同。程序由引擎所运行的公式的源代码生成，不可能算出别的结果。

# %%
program.save(pictures / "mlp_by_hand.py")
mlp = runpy.run_path(pictures / "mlp_by_hand.py")

loss = loss_of(tz.tensor(x), t)
loss.backward()
assert mlp["loss"].tobytes() == loss.numpy().tobytes()
for name, parameter in (("dW1", W1), ("db1", b1), ("dW2", W2), ("db2", b2)):
    assert mlp[name].tobytes() == parameter.grad.numpy().tobytes(), name

# %% [markdown]
# 这是一个普通的文件。可以设断点，可以打印形状，可以用任何调试器单步执行：里面没有框架，不会掉进去。
#
# ## 标量循环
#
# 第一堂课连矩阵乘法都没有。同一个程序，写成列表上的循环，不用 NumPy：在这里可以看到乘积是什么，为什么要花那么多时间。
# z1 有 4 · 3 = 12 个元素，每个要做 2 次乘法，一共 24 次。

# %%
loops = tz.unroll(loss_of, x, t, style="loops")
print(loops)

print("4 · 3 · 2 =", x.shape[0] * W1.shape[1] * W1.shape[0])
assert x.shape[0] * W1.shape[0] * W1.shape[1] == 24 and x.shape[0] * W1.shape[1] == 12
assert "import numpy" not in loops.source

# %% [markdown]
# 求和的次序与 NumPy 不同，所以最后几位可能有出入。别的都一样。

# %%
slow = {}
with redirect_stdout(io.StringIO()):
    exec(loops.source, slow)

for name in ("dW1", "db1", "dW2", "db2"):
    np.testing.assert_allclose(slow[name], mlp[name], rtol=1e-12, atol=1e-15)

# %% [markdown]
# ## 写成公式
#
# 还是那些语句，这一次写成数学。⊙ 是逐元素相乘，x W₁ 是矩阵乘积，∂L/∂z₁ 就是程序里的 dz1。
# 笔记本把程序显示成这个样子；`to_latex` 给出文本，可以放进论文或幻灯片。

# %%
program

# %%
formulas = program.to_latex()
print(formulas)

assert r"\frac{\partial L}{\partial W_1} &= x^\top \frac{\partial L}{\partial z_1}" in formulas

# %% [markdown]
# ## 画成图
#
# 也可以画出来，用的是文档里画图的语言 Mermaid：贴进 Markdown 文件即可。实线箭头是前向，虚线把梯度带回来。
# 每个参数恰好收到一个梯度。

# %%
graph = program.to_mermaid()
print(graph)

for name in ("dW1", "db1", "dW2", "db2"):
    assert graph.count(f'|"{name}"|') == 1

# %% [markdown]
# ## 弄坏它
#
# W2 是方阵，3 × 3。所以反向时如果忘了转置，形状仍然都对，什么也不会报错。程序照样运行，照样给出梯度。
# 哪些是错的？

# %%
right_line = "dh1 = dz2 @ W2.T"
broken = program.source.replace(right_line, "dh1 = dz2 @ W2")
assert broken != program.source


# 程序的数据，以及用它们做的计算；打印的部分不要
def parts(source):
    data, computing = source.split("\nz1 = ", 1)
    computing = computing.split("\nnp.set_printoptions")[0].split("\nprint(")[0]
    return data, compile(f"z1 = {computing}", "step", "exec")


# 给定 W1、b1、W2、b2 的值，程序算出的梯度
def gradients(source, *parameters):
    data, computing = parts(source)
    values = {}
    exec(data, values)
    values.update(zip(("W1", "b1", "W2", "b2"), parameters, strict=True))
    exec(computing, values)
    return [values[name] for name in ("dW1", "db1", "dW2", "db2")]


def loss_at(W1, b1, W2, b2):
    return F.cross_entropy(F.tanh(tz.tensor(x) @ W1 + b1) @ W2 + b2, t).numpy()


point = [p.numpy() for p in (W1, b1, W2, b2)]
good = gradcheck(loss_at, *point, grad=lambda *p: gradients(program.source, *p))
report = gradcheck(loss_at, *point, grad=lambda *p: gradients(broken, *p))
print(report)

assert good and not report

# %% [markdown]
# 第二层的两个是对的，第一层的两个是错的：在回来的路上，坏掉的那一行之后的全错，之前的全对。
# 所以检验全部梯度，不仅能知道有错，还能知道去哪里找：从损失往回数，第一个错的梯度就是出错的地方。

# %%
pairs = zip(gradients(broken, *point), gradients(program.source, *point), strict=True)
wrong = [not np.allclose(a, b) for a, b in pairs]
print(dict(zip(("dW1", "db1", "dW2", "db2"), wrong, strict=True)))

assert wrong == [True, True, False, False]

# %% [markdown]
# 训练时你会发现吗？少了转置，梯度下降照样让损失变小，因为第二层在学。只是始终差一些。

# %%
# 用程序给出的梯度做梯度下降，每一步的损失
def trained(source, steps):
    data, computing = parts(source)
    values, losses = {}, []
    exec(data, values)
    for _ in range(steps):
        exec(computing, values)
        losses.append(float(values["loss"]))
        for name in ("W1", "b1", "W2", "b2"):
            values[name] = values[name] - 0.1 * values["d" + name]
    return losses


right, spoiled = trained(program.source, 200), trained(broken, 200)
print(right[0], right[-1], spoiled[-1])

assert right[0] == spoiled[0] == float(loss.item())
assert right[-1] < spoiled[-1] < right[0]

# %% [markdown]
# ## 注意力
#
# 再来一个不那么短的公式。2 个词，每个 3 个数，三个矩阵，softmax(Q Kᵀ / √3) V。在框架里这只是一次调用。

# %%
words = rng.normal(size=(2, 3))
Wq, Wk, Wv = (tz.tensor(rng.normal(size=(3, 3)), requires_grad=True, name=name) for name in ("Wq", "Wk", "Wv"))


def attention(words):
    q = words @ Wq
    k = words @ Wk
    v = words @ Wv
    y = F.scaled_dot_product_attention(q, k, v)
    return (y * y).sum()


by_hand = tz.unroll(attention, words)
print(by_hand)
by_hand

# %% [markdown]
# 看看从 softmax 回来的是什么：`s` 是 P ⊙ (∂L/∂Y Vᵀ − 它在每一行以 P 为权的平均)，再乘 1 / √3。
# 注意力反向传播的全部秘密就在这一行。前向没有留下 P，只留下 lse，每行一个数；P 重新计算。仍然逐位相同：

# %%
by_hand.save(pictures / "attention_by_hand.py")
with redirect_stdout(io.StringIO()):
    found = runpy.run_path(pictures / "attention_by_hand.py")
attention(tz.tensor(words)).backward()

for name, parameter in (("dWq", Wq), ("dWk", Wk), ("dWv", Wv)):
    assert found[name].tobytes() == parameter.grad.numpy().tobytes(), name
assert words.shape == (2, 3)

# %% [markdown]
# ## 快
#
# 事先知道的程序，可以事先让它变快。`tz.compile` 像 `unroll` 一样录制一步，从第三次调用起只运行录下来的内容：
# 没有你的 Python 代码，没有磁带，内存固定；有 Numba 时还会编译成机器码。同样的梯度，四种算法：

# %%
def step(x, t):
    for p in (W1, b1, W2, b2):
        p.grad = None
    loss = loss_of(x, t)
    loss.backward()
    return loss


# 运行几次，取最短的时间
def seconds(function, times=5):
    best = np.inf
    for _ in range(times):
        begun = time.perf_counter()
        function()
        best = min(best, time.perf_counter() - begun)
    return best


fast = tz.compile(step)
losses = [fast(x, t).item() for _ in range(4)]
np.testing.assert_allclose(losses, loss.item(), rtol=1e-12)
print(fast.explain())


# 可以反复调用的程序
def as_function(source):
    data, computing = parts(source)
    values = {}
    exec(data, values)
    return lambda: exec(computing, values)


xs, ts = tz.tensor(x), tz.tensor(t)
ways = as_function(loops.source), as_function(program.source), lambda: step(xs, ts), lambda: fast(x, t)
names = {"en": ["loops", "NumPy", "tape", "compiled"], "zh": ["标量循环", "NumPy", "磁带", "编译"]}[LANGUAGE]
times = dict(zip(names, map(seconds, ways), strict=True))
for name, value in times.items():
    print(f"{value * 1e6:8.1f} µs  {name}")

# %%
figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
colours = ["#c2410c", "#b45309", "#475569", "#0f766e"]
bars = axes.barh(list(times), [value * 1e6 for value in times.values()], color=colours)
axes.bar_label(bars, [f" {value * 1e6:.0f} µs" for value in times.values()])
axes.set_xlabel("µs")
axes.invert_yaxis()
axes.margins(x=0.12)
axes.spines[["top", "right"]].set_visible(False)
figure.savefig(pictures / "from-model-to-backprop.png", dpi=150)

# %% [markdown]
# 这个模型很小，所以看到的是各种写法在计算之外的花费：Python 的循环，NumPy 的调用，磁带的记录。
# 模型一大，后三种就会接近，因为时间都花在数本身上；标量循环则远远落后。
#
# ## 练习
#
# 每一题都是展开的程序里缺的一行。把 `...` 换成你的答案，运行这个单元。○ 表示还没有做，● 表示正确，答错会报错。
# 一行就够。

# %%
def check(number, mine, right):
    if mine is None:
        print(f"{number} ○")
    else:
        pairs = zip(mine, right, strict=True) if isinstance(right, tuple) else [(mine, right)]
        for a, b in pairs:
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
        print(f"{number} ●")

# %% [markdown]
# **1.** 弄坏过的那一行：由 dz2 和 W2 求 dh1。

# %%
def gradient_of_h1(dz2, W2):
    ...


check(1, gradient_of_h1(mlp["dz2"], mlp["W2"]), mlp["dh1"])

# %% [markdown]
# **2.** 有人把 tanh 换成了 S 型函数 σ。现在 h1 = σ(z1)，dz1 那一行该怎么写？

# %%
def gradient_of_z1(dh1, h1):
    ...


z = tz.tensor(mlp["z1"], requires_grad=True)
F.sigmoid(z).backward(mlp["dh1"])
check(2, gradient_of_z1(mlp["dh1"], F.sigmoid(z).numpy()), z.grad.numpy())

# %% [markdown]
# **3.** 第一层的两个梯度，由 x 和 dz1 求得。

# %%
def gradients_of_layer1(x, dz1):
    ...


check(3, gradients_of_layer1(x, mlp["dz1"]), (mlp["dW1"], mlp["db1"]))

# %% [markdown]
# **4.** 残差连接：y = x + h，其中 h = x @ W。由 dy 和 W 求 dx。（x 用了两次。）

# %%
def gradient_of_x(dy, W):
    ...


leaf = tz.tensor(rng.normal(size=(2, 3)), requires_grad=True)
upstream = rng.normal(size=(2, 3))
(leaf + leaf @ Wq).backward(upstream)
check(4, gradient_of_x(upstream, Wq.numpy()), leaf.grad.numpy())
