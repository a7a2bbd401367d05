# %% [markdown]
# # 09 · From a model to its hand-written backprop
#
# A textbook writes backpropagation out: a line for every formula, forward, then backward. A framework hides it. Here
# you write a model as in a framework, and get the textbook's program out of it: NumPy alone, and the same numbers to
# the last bit. Then you read it, break it, find what is broken, and make it fast.
#
# You need matrix products and the chain rule (notebook 01), and know what a tape is (notebook 02).

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

LANGUAGE = "en"
i18n.use_language(LANGUAGE)
pictures = Path("tinygrad-zh-notebooks")
pictures.mkdir(exist_ok=True)

tz.set_default_dtype(np.float64)
np.set_printoptions(precision=5, suppress=True)
plt.rcParams["font.family"] = ["DejaVu Sans", *filter(None, [plot.chinese_font()])]

# %% [markdown]
# ## A model
#
# 4 samples of 2 numbers, 3 classes, one hidden layer of 3 units. The function below is all there is to write: it says
# what the loss is, and nothing about gradients.

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
# ## Unrolled
#
# `tz.unroll` runs the function once, on a tape, goes backward, and prints the tape as a program. Nothing has changed
# afterwards: no gradient is left behind.

# %%
program = tz.unroll(loss_of, x, t)
print(program)

assert W1.grad is None

# %% [markdown]
# ## Line by line
#
# The names are yours: z1, h1, z2. What has no name of yours has that of its formula: top, lse, hot are inside of the
# cross-entropy. A gradient is called d and the name of what it belongs to.
#
# Read the backward part from the top, with the forward part beside it. Each line belongs to one forward line, in the
# reverse order:
#
# - `dz2` comes out of the cross-entropy: softmax(z2) minus 1 at the right class, over the 4 samples.
# - `db2 = dz2.sum(axis=0)`: b2 was added to all 4 rows, so it hears from all 4. What was broadcast is summed.
# - `dh1 = dz2 @ W2.T` and `dW2 = h1.T @ dz2`: a product has two sides, and each sees the other, transposed.
# - `dz1 = dh1 * (1 - h1 * h1)`: the slope of tanh, in terms of its result.
# - and the first layer as the second. There is no dx: nobody asked for it.

# %%
lines = [line.partition("  #")[0].rstrip() for line in program.source.splitlines()]
for line in ("z1 = x @ W1 + b1", "h1 = np.tanh(z1)", "db2 = dz2.sum(axis=0)", "dh1 = dz2 @ W2.T", "dW2 = h1.T @ dz2",
             "dz1 = dh1 * (1 - h1 * h1)", "db1 = dz1.sum(axis=0)", "dW1 = x.T @ dz1"):
    assert line in lines, line
assert not any(line.startswith("dx") for line in lines)

# %% [markdown]
# ## Does it compute the same?
#
# Save it, run it, and compare with the engine: not approximately, but every bit. The program is made from the source of
# the formulas that the engine runs, so it cannot say anything else.

# %%
program.save(pictures / "mlp_by_hand.py")
mlp = runpy.run_path(pictures / "mlp_by_hand.py")

loss = loss_of(tz.tensor(x), t)
loss.backward()
assert mlp["loss"].tobytes() == loss.numpy().tobytes()
for name, parameter in (("dW1", W1), ("db1", b1), ("dW2", W2), ("db2", b2)):
    assert mlp[name].tobytes() == parameter.grad.numpy().tobytes(), name

# %% [markdown]
# It is an ordinary file. Set a breakpoint in it, print a shape, step through it with any debugger: there is no
# framework left in it that you could fall into.
#
# ## In scalar loops
#
# A first lecture has no matrix product either. The same program in loops over lists, without NumPy: here is what a
# product is, and why it costs what it costs. z1 has 4 · 3 = 12 elements of 2 multiplications each, 24 in all.

# %%
loops = tz.unroll(loss_of, x, t, style="loops")
print(loops)

print("4 · 3 · 2 =", x.shape[0] * W1.shape[1] * W1.shape[0])
assert x.shape[0] * W1.shape[0] * W1.shape[1] == 24 and x.shape[0] * W1.shape[1] == 12
assert "import numpy" not in loops.source

# %% [markdown]
# The sums are added in another order than NumPy's, so the last bits may differ. Nothing else does.

# %%
slow = {}
with redirect_stdout(io.StringIO()):
    exec(loops.source, slow)

for name in ("dW1", "db1", "dW2", "db2"):
    np.testing.assert_allclose(slow[name], mlp[name], rtol=1e-12, atol=1e-15)

# %% [markdown]
# ## As formulas
#
# The same statements once more, as mathematics. ⊙ multiplies element by element, x W₁ is the product of matrices, and
# ∂L/∂z₁ is what the program calls dz1. A notebook shows a program in this form; `to_latex` gives the text, for a paper
# or a slide.

# %%
program

# %%
formulas = program.to_latex()
print(formulas)

assert r"\frac{\partial L}{\partial W_1} &= x^\top \frac{\partial L}{\partial z_1}" in formulas

# %% [markdown]
# ## As a graph
#
# And as a drawing, in the language of the documents' own diagrams, Mermaid: paste it into a Markdown file. Solid arrows
# go forward, broken ones carry the gradients back. Each parameter receives exactly one.

# %%
graph = program.to_mermaid()
print(graph)

for name in ("dW1", "db1", "dW2", "db2"):
    assert graph.count(f'|"{name}"|') == 1

# %% [markdown]
# ## Break it
#
# W2 is square, 3 × 3. So if you forget its transpose on the way back, no shape is wrong and nothing complains. The
# program runs and gives gradients. Which ones are wrong?

# %%
right_line = "dh1 = dz2 @ W2.T"
broken = program.source.replace(right_line, "dh1 = dz2 @ W2")
assert broken != program.source


# a program's data, and what it computes with them, without what it prints
def parts(source):
    data, computing = source.split("\nz1 = ", 1)
    computing = computing.split("\nnp.set_printoptions")[0].split("\nprint(")[0]
    return data, compile(f"z1 = {computing}", "step", "exec")


# what a program computes for W1, b1, W2 and b2, at these values of them
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
# The two of the second layer are right, the two of the first are wrong: everything that comes after the broken line on
# the way back, and nothing before it. So a check of all gradients does not only say that something is wrong, it says
# where to look: the first wrong one, counted from the loss, is where the mistake is.

# %%
pairs = zip(gradients(broken, *point), gradients(program.source, *point), strict=True)
wrong = [not np.allclose(a, b) for a, b in pairs]
print(dict(zip(("dW1", "db1", "dW2", "db2"), wrong, strict=True)))

assert wrong == [True, True, False, False]

# %% [markdown]
# Would you have noticed in training? Gradient descent with the broken line still goes down, because the second layer
# learns. It only stays worse.

# %%
# the loss at each step of gradient descent with the gradients of a program
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
# ## Attention
#
# The same with a formula that is no longer short. 2 words of 3 numbers each, three matrices, softmax(Q Kᵀ / √3) V.
# In a framework this is one call.

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
# Look at what comes back through the softmax: `s` is P ⊙ (∂L/∂Y Vᵀ − its average over the row, weighted by P), times
# 1 / √3. That line is the whole secret of attention's backward pass. Of P the forward pass keeps only lse, one number a
# row, and P is computed again. Bit for bit, once more:

# %%
by_hand.save(pictures / "attention_by_hand.py")
with redirect_stdout(io.StringIO()):
    found = runpy.run_path(pictures / "attention_by_hand.py")
attention(tz.tensor(words)).backward()

for name, parameter in (("dWq", Wq), ("dWk", Wk), ("dWv", Wv)):
    assert found[name].tobytes() == parameter.grad.numpy().tobytes(), name
assert words.shape == (2, 3)

# %% [markdown]
# ## Fast
#
# A program that is known beforehand can be made fast beforehand. `tz.compile` records a step as `unroll` does, and runs
# the recording from the third call on: no Python of yours, no tape, fixed memory, and, with Numba, machine code. Four
# ways to compute the same gradients:

# %%
def step(x, t):
    for p in (W1, b1, W2, b2):
        p.grad = None
    loss = loss_of(x, t)
    loss.backward()
    return loss


# the shortest of a few runs
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


# a program that can be called again and again
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
# The model is tiny, so what you see is what each way costs besides computing: Python's loops, NumPy's calls, the tape's
# notes. On a large one the other three come closer, for then the numbers themselves take the time, and the loops fall
# far behind.
#
# ## Exercises
#
# Each is a line that is missing in an unrolled program. Replace each `...` by your answer and run the cell. ○ means not
# tried yet, ● means right, and a wrong answer is an error. One line is enough.

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
# **1.** The line that was broken: dh1, from dz2 and W2.

# %%
def gradient_of_h1(dz2, W2):
    ...


check(1, gradient_of_h1(mlp["dz2"], mlp["W2"]), mlp["dh1"])

# %% [markdown]
# **2.** Somebody replaces tanh by the sigmoid σ. How does the line of dz1 read then, with h1 = σ(z1)?

# %%
def gradient_of_z1(dh1, h1):
    ...


z = tz.tensor(mlp["z1"], requires_grad=True)
F.sigmoid(z).backward(mlp["dh1"])
check(2, gradient_of_z1(mlp["dh1"], F.sigmoid(z).numpy()), z.grad.numpy())

# %% [markdown]
# **3.** Both gradients of the first layer, from x and dz1.

# %%
def gradients_of_layer1(x, dz1):
    ...


check(3, gradients_of_layer1(x, mlp["dz1"]), (mlp["dW1"], mlp["db1"]))

# %% [markdown]
# **4.** A residual connection, y = x + h with h = x @ W. What is dx, from dy and W? (x is used twice.)

# %%
def gradient_of_x(dy, W):
    ...


leaf = tz.tensor(rng.normal(size=(2, 3)), requires_grad=True)
upstream = rng.normal(size=(2, 3))
(leaf + leaf @ Wq).backward(upstream)
check(4, gradient_of_x(upstream, Wq.numpy()), leaf.grad.numpy())
