# %% [markdown]
# # 02 · The tape
#
# On [the first page](01_the_chain_rule_by_hand.py) you wrote every program twice: forward, and then its mirror image.
# The mirror image holds nothing new, so a machine can write it, if it only takes down what was done. The list in which
# it does is called a *tape*. Here you build one, first for numbers, and then for matrices, in less than 40 lines. Then
# you open the one of this project, and find that it is the same.
#
# You need the first page: rates along a path multiply, and paths add up. Wengert kept such a list in 1964, and
# Linnainmaa went backward through one in 1970.

# %%
import inspect
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


def same(a, b, rtol=1e-9):
    np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-9)

# %% [markdown]
# ## A number that remembers, and a list
#
# A line of the tape says what was done, what came of it, and for each input **the rate at which it changes the
# result**. All of that is known at the moment when the line is written, so write it down at once.

# %%
class Number:
    def __init__(self, value):
        self.value = value
        self.gradient = None  # nothing has arrived yet, which is not 0


lines = []


def write(name, value, *inputs):
    result = Number(value)
    lines.append((name, result, inputs))
    return result


def add(a, b):
    return write("add", a.value + b.value, (a, 1), (b, 1))


def multiply(a, b):
    return write("multiply", a.value * b.value, (a, b.value), (b, a.value))


def square(a):
    return write("square", a.value**2, (a, 2 * a.value))

# %% [markdown]
# An example that has it all: u is used twice.
#
#     u = x²         x = 2, so u = 4
#     v = u + 3      v = 7
#     L = u v        L = 28
#
# By hand: L = x⁴ + 3x², so the slope at 2 is 4 · 8 + 6 · 2 = 44.

# %%
def example():
    lines.clear()
    x = Number(2)
    u = square(x)
    v = add(u, Number(3))
    return x, u, v, multiply(u, v)


x, u, v, L = example()
for name, result, inputs in lines:
    print(f"{name:<9} = {result.value:>2}   rates: {', '.join(str(rate) for _, rate in inputs)}")

assert (x.value, u.value, v.value, L.value) == (2, 4, 7, 28)
assert 4 * 8 + 6 * 2 == 44
assert [[rate for _, rate in inputs] for _, _, inputs in lines] == [[4], [1, 1], [7, 4]]

# %% [markdown]
# ## Backward: the list, read from its end
#
# Start with ∂L/∂L = 1, the *seed*: L changes just as fast as itself. Then take the lines from the last to the first. A
# line has a gradient for its result by then, and hands some to each input:
#
#     contribution = upstream · rate
#     before + contribution = after
#
# Nothing else ever happens in a backward pass. With – for "nothing has arrived yet":
#
# | line | input | upstream · rate | before | after |
# |---|---|---|---|---|
# | multiply | u | 1 · 7 = 7 | – | 7 |
# | multiply | v | 1 · 4 = 4 | – | 4 |
# | add | u | 4 · 1 = 4 | 7 | 11 |
# | add | 3 | 4 · 1 = 4 | – | 4 |
# | square | x | 11 · 4 = 44 | – | 44 |

# %%
def backward(last, order):
    last.gradient = 1
    for name, result, inputs in order:
        for x, rate in inputs:
            if result.gradient is not None:
                contribution, before = result.gradient * rate, x.gradient
                x.gradient = contribution if before is None else before + contribution
                shown = "–" if before is None else before
                print(f"{name:<9}{result.gradient:>3} · {rate} = {contribution:>3}{shown:>6}{x.gradient:>6}")


backward(L, reversed(lines))
assert (L.gradient, v.gradient, u.gradient, x.gradient) == (1, 4, 11, 44)

# %% [markdown]
# ### Why from the end?
#
# Because **a number may hand on only what is complete**. Take the same three lines in another order: square before
# add. Now u hands on its 7 while 4 more are still on their way. They arrive, u is 11 in the end, but x never hears of
# them, and has 28.
#
# In the order in which the lines were written, whatever uses u stands below u. So from the end, everything that u will
# ever get has arrived when it is u's turn. No sorting, no graph: a list read backward is enough.

# %%
x, u, v, L = example()
squared, added, multiplied = lines
backward(L, [multiplied, squared, added])
assert (u.gradient, x.gradient) == (11, 28)

# %% [markdown]
# ### Why add up?
#
# u is used twice, so two contributions arrive: 7 and 4. If the second overwrites the first, u has 4 in place of 11, and
# x has 4 · 4 = 16.

# %%
def backward_that_overwrites(last):
    last.gradient = 1
    for _, result, inputs in reversed(lines):
        for x, rate in inputs:
            x.gradient = result.gradient * rate


x, u, v, L = example()
backward_that_overwrites(L)
assert (u.gradient, x.gradient) == (4, 16)

# %% [markdown]
# ### Why a list, and not the paths?
#
# The paths themselves would do: follow each one from L to x, multiply, add up. But there are too many. y + y, and that
# doubled again, 16 times over: 16 lines, but 2¹⁶ = 65,536 paths. Reading the list costs 32 contributions, two a line.
# Following the paths costs 131,070.

# %%
def follow(result):  # how many contributions there are if every path is followed on its own
    made_by = {id(made): inputs for _, made, inputs in lines}
    return sum(1 + follow(x) for x, _ in made_by.get(id(result), ()))


lines.clear()
y = Number(1)
for _ in range(16):
    y = add(y, y)
print(len(lines), sum(len(inputs) for _, _, inputs in lines), follow(y))

assert y.value == 2**16 == 65_536
assert sum(len(inputs) for _, _, inputs in lines) == 32
assert follow(y) == 131_070

# %% [markdown]
# ### Twice
#
# Run the backward pass a second time. Should x have 44 again, or 88? Neither: it has 148. For v still has the 4 of the
# first pass, gets another 4, and hands on 8. And u still has 11, gets 7 and 8, and hands on 26.
#
# So what lies *between* belongs to one pass: it starts empty, and is thrown away. What lies at the *ends*, the
# parameters, keeps its gradient, and passes add up there: 44 + 44 = 88. That is on purpose. It lets one sum the
# gradients of several batches. And it is why a training loop clears them before each step, which everybody forgets
# once.

# %%
x, u, v, L = example()
backward(L, reversed(lines))
backward(L, reversed(lines))
assert (v.gradient, u.gradient, x.gradient) == (8, 26, 148)

# %% [markdown]
# ## The same for matrices
#
# With matrices a rate is no longer a number, but it is still a *rule*: the gradient of the result comes in, the
# gradient of one input goes out. You derived these rules on the first page:
#
#     Z = A B            dA = dZ Bᵀ,  dB = Aᵀ dZ
#     Z = A + B          dA = dZ,  dB = dZ, summed over what was broadcast
#     Z = max(0, A)      dA = dZ ∘ (A > 0)
#     L = ½ Σ (P − Y)²   dP = dL (P − Y)
#
# So a line of this tape holds functions. And `backward` pops the lines from the end: that is the right order, and each
# line is *released* as soon as it has been used, with every array that it kept.

# %%
class Array:
    def __init__(self, value):
        self.value = np.asarray(value, float)
        self.grad = None


class Tape(list):
    def write(self, name, value, *inputs):
        result = Array(value)
        self.append((name, result, inputs))
        return result

    def backward(self, last, seed=1.0):
        gradients = {last: np.ones_like(last.value) * seed}
        while self:
            _, result, inputs = self.pop()
            upstream = gradients.pop(result, None)
            for x, rule in inputs if upstream is not None else ():
                contribution = sum_to(rule(upstream), x.value.shape)
                gradients[x] = gradients[x] + contribution if x in gradients else contribution
        for leaf, gradient in gradients.items():
            leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient


def sum_to(gradient, shape):
    while gradient.ndim > len(shape):
        gradient = gradient.sum(axis=0)
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and gradient.shape[i] > 1)
    return gradient.sum(axis=stretched, keepdims=True)


def matmul(a, b):
    rules = (a, lambda dz: dz @ b.value.T), (b, lambda dz: a.value.T @ dz)
    return tape.write("matmul", a.value @ b.value, *rules)


def plus(a, b):
    return tape.write("add", a.value + b.value, (a, lambda dz: dz), (b, lambda dz: dz))


def relu(a):
    return tape.write("relu", np.maximum(0, a.value), (a, lambda dz: dz * (a.value > 0)))


def half_squared_error(p, y):
    value = 0.5 * np.sum((p.value - y) ** 2)
    return tape.write("halfsquarederror", value, (p, lambda dL: dL * (p.value - y)))


parts = (Array.__init__, Tape.write, Tape.backward, sum_to, matmul, plus, relu, half_squared_error)
count = sum(len(inspect.getsource(part).splitlines()) for part in parts) + 2  # two lines begin a class
print(count)
assert count < 40

# %% [markdown]
# `gradients` is the sheet of paper for one pass: what lies between is taken off it when it is handed on, and what is
# left at the end are the leaves. So a second pass cannot meet anything of the first, but for the leaves' own sums.
#
# Now the network of the first page, with the same numbers. Only the forward half is written; for the other half there
# is nothing to do. L = 5, and the gradients are those that you worked out on paper.

# %%
X, Y = np.array([[2.0, 1, 0], [1, 3, 1]]), np.array([[4.0], [3]])
parameters = [np.array(p) for p in ([[1.0, -1], [0, 1], [2, 0]], [1.0, -1], [[1.0], [2]], [-2.0])]

tape = Tape()
W1, b1, W2, b2 = (Array(p) for p in parameters)
P = plus(matmul(relu(plus(matmul(Array(X), W1), b1)), W2), b2)
L = half_squared_error(P, Y)
written = [name for name, _, _ in tape]
print(written)

tape.backward(L)
for leaf in (W1, b1, W2, b2):
    print(leaf.grad + 0.0)  # + 0.0: no minus zero

same(L.value, 5)
same(W1.grad, [[-5, 2], [0, 6], [1, 2]])
same(b1.grad, [-2, 2])
same(W2.grad, [[-5], [1]])
same(b2.grad, [-2])
assert tape == []

# %% [markdown]
# ## What a tape costs
#
# Memory. The rule of matmul needs A and B, the rule of the ReLU needs A, so the tape keeps those arrays until the
# backward pass has come by. A tape that is never released grows until the machine has no memory left; that is what
# happens to whoever collects losses in a list, for a plot, without turning them into plain numbers.
#
# And an op can choose *what* to keep. For the sigmoid, σ(z) (1 − σ(z)) needs only the result, which the next op keeps
# anyway. So z can go.
#
# ## Now open ours
#
# `tz.record()` writes down everything that this project computes in a block. The same network:

# %%
leaves = [tz.tensor(p, requires_grad=True) for p in parameters]
with tz.record() as trace:
    A = F.relu(tz.tensor(X) @ leaves[0] + leaves[1])
    loss = F.half_squared_error(A @ leaves[2] + leaves[3], Y)
    loss.backward()

for number, line in enumerate(trace):
    print(f"{number:>2}  {line}")

assert [line.info["op"].__name__.lower() for line in trace if line.kind == "forward"] == written
for ours, leaf in zip(leaves, (W1, b1, W2, b2), strict=True):
    same(ours.grad, leaf.grad)

# %% [markdown]
# Line by line it is what you built:
#
# - **forward**: 6 lines, the same 6 as yours, in the same order.
# - **seed**: the 1 at the end.
# - **backward**: the rules, from the last op to the first. There are 9: one for each op and input, but none for X and
#   Y, which need no gradient.
# - **sum_to**: the two biases were broadcast, so their gradients are summed. A step of its own, because that is where
#   shapes go wrong.
# - **gradient**: at the very end the 4 leaves get theirs, all together. If a rule fails halfway, no parameter has
#   half a gradient.
#
# Where a value is used twice there is also an **accumulate** line: before + contribution. Our network has none.

# %%
kinds = [line.kind for line in trace]
print({kind: kinds.count(kind) for kind in dict.fromkeys(kinds)})
assert [kinds.count(kind) for kind in ("forward", "seed", "backward", "sum_to", "gradient")] == [6, 1, 9, 2, 4]
assert "accumulate" not in kinds

x = tz.tensor(2.0, requires_grad=True)
with tz.record() as used_twice:
    u = x * x
    (u * (u + 3)).backward()
print([line for line in used_twice if line.kind == "accumulate"])
same(x.grad, 44)

# %% [markdown]
# ### Read it like brackets
#
# Join each line of the backward pass to the line of the forward pass that it undoes. The arcs lie inside each other,
# like brackets: the op that was opened last is closed first.

# %%
figure, axes = plt.subplots(figsize=(9.6, 3.8), layout="constrained")
colours = {"forward": "#0072B2", "seed": "#7B3FA0"}  # all other lines are of the backward pass
angle = np.linspace(0, np.pi, 60)
for number, line in enumerate(trace):
    colour = colours.get(line.kind, "#D55E00")
    name = line.info["op"].__name__ if line.kind in ("forward", "backward") else line.kind
    axes.text(number, -0.4, name, rotation=90, ha="center", va="top", color=colour)
    axes.plot(number, 0, "o", color=colour, ms=5)
    if line.kind == "backward":
        start = next(i for i, other in enumerate(trace) if other is line.info["forward"])
        middle, radius = (start + number) / 2, (number - start) / 2
        axes.plot(middle + radius * np.cos(angle), 0.35 * radius * np.sin(angle), color="0.6", lw=1)
axes.set(xlim=(-1, len(trace)), ylim=(-3.4, 3.3))
axes.axis("off")
axes.set_title({"en": "the tape, from left to right: blue forward, orange backward",
                "zh": "磁带，从左到右：蓝色前向，橙色反向"}[LANGUAGE])
figure.savefig(pictures / "tape.png", dpi=160)

# %% [markdown]
# ### A tape is a program
#
# Each line is a function and its arguments. So one can run the tape again, line by line, and everything comes out the
# same, to the last bit. That is why one list is enough for stepping, for timing, for compiling: each is another way
# to read it.

# %%
for line in trace:
    again = line.function(*line.arguments, **line.keywords)
    again = again if isinstance(again, tuple) else (again,)
    assert all(np.array_equal(new, old) for new, old in zip(again, line.outputs, strict=True))
print(len(trace))

# %% [markdown]
# ### Released, and added up
#
# Ours releases what it kept, too. A second pass over the same tape is refused, with the reason. With
# `retain_graph=True` it may happen, and then the gradients of the leaves add up, as they should: twice as much.

# %%
try:
    loss.backward()
except RuntimeError as error:
    print(error)
    refused = True
assert refused

w = tz.tensor([1.0, 2], requires_grad=True)
total = F.sum(w * w)
total.backward(retain_graph=True)
once = w.grad.numpy()
total.backward()
same(w.grad, 2 * once)

# %% [markdown]
# ### What an op keeps
#
# In your tape a rule is a function that remembers its arrays without telling. In ours an op says what it keeps, by the
# names that its `backward` takes: `dy` is the upstream gradient, `y` the result, and the other names are inputs. The
# sigmoid names dy and y, so y is kept and x is not. Read it as the formula that it is:

# %%
for op in (F.sigmoid, F.relu, F.exp):
    print(op.__name__, inspect.signature(op.backward))
    print(inspect.getsource(op.backward))

assert list(inspect.signature(F.sigmoid.backward).parameters) == ["dy", "y"]

# %% [markdown]
# ## An op of your own
#
# The tape does not know what ops there are. Any pair of a forward and a backward will do. Here is softsign, which this
# project does not have:
#
#     y = x / (1 + |x|)          ∂L/∂x = ∂L/∂y / (1 + |x|)²
#
# By hand at x = 3: y = 3/4, and the rate is 1/16. And since nobody believes a backward that was never measured, the
# next line measures it ([notebook 04](04_checking_gradients.py) tells how).

# %%
class Softsign(tz.Op):
    def forward(x):
        return x / (1 + np.abs(x))

    def backward(dy, x):
        return dy / (1 + np.abs(x)) ** 2


x = tz.tensor([3.0, -1.0], requires_grad=True)
with tz.record() as trace:
    y = Softsign(x)
    F.sum(y).backward()
print(*trace, sep="\n")

report = gradcheck(Softsign, np.array([3.0, -1.0, 0.5]))
print(report)
assert report
same([y.numpy()[0], x.grad.numpy()[0]], [3 / 4, 1 / 16])

# %% [markdown]
# ## Exercises
#
# Replace each `...` by your answer and run the cell. ○ means not done yet, ● right, and a wrong answer is an error that
# shows both: ACTUAL is yours, DESIRED is what differences measured. The first four are ops for *your* tape: return
# `tape.write(…)`, with a rule for each input.

# %%
def slopes(f, x, h=1e-6):
    x, measured = np.array(x, float), np.zeros(np.shape(x))
    for index in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[index] = h
        measured[index] = (f(x + step) - f(x - step)) / (2 * h)
    return measured


def gradients(op, seed, *arrays):  # the gradient of Σ seed ∘ op(…) for each array, by the tape
    tape.clear()
    leaves = [Array(a) for a in arrays]
    result = op(*leaves)
    if result is None:
        return None
    tape.backward(result, seed)
    return [leaf.grad for leaf in leaves]


def check(number, mine, *right):
    if mine is None:
        print(f"{number} ○")
        return
    for my, measured in zip(mine if isinstance(mine, list) else [mine], right, strict=True):
        np.testing.assert_allclose(my, measured, rtol=1e-5, atol=1e-7)
    print(f"{number} ●")


M, N, dM = np.array([[1.0, -1, 2], [0.5, 2, -2]]), np.array([2.0, -1, 4]), np.array([[1.0, 2, 3], [-1, 0, 1]])

# %% [markdown]
# **1.** eˣ, entry by entry. (Which array will you keep?)

# %%
def exp(a):
    ...


check(1, gradients(exp, dM, M), slopes(lambda m: np.sum(dM * np.exp(m)), M))

# %% [markdown]
# **2.** a / b, entry by entry, with broadcasting. (`sum_to` is `Tape`'s affair, not yours.)

# %%
def divide(a, b):
    ...


by_m, by_n = slopes(lambda m: np.sum(dM * (m / N)), M), slopes(lambda n: np.sum(dM * (M / n)), N)
check(2, gradients(divide, dM, M, N), by_m, by_n)

# %% [markdown]
# **3.** The transpose of a matrix.

# %%
def transpose(a):
    ...


check(3, gradients(transpose, dM.T, M), slopes(lambda m: np.sum(dM.T * m.T), M))

# %% [markdown]
# **4.** ln Σⱼ eᵃʲ for each row, so of shape (2,) for a matrix of (2, 3). Its gradient has a famous name.

# %%
def log_sum_exp(a):
    ...


dY = dM[:, 0]
check(4, gradients(log_sum_exp, dY, M), slopes(lambda m: np.sum(dY * np.log(np.exp(m).sum(axis=1))), M))

# %% [markdown]
# **5.** Softsign's backward needs x, but it could do with y alone. Write dx in terms of dy and y.

# %%
def softsign_backward(dy, y):
    ...


check(5, softsign_backward(dM, Softsign(M)), Softsign.backward(dM, M))

# %% [markdown]
# **6.** Read a tape of ours: how many times was a contribution added to one that was there before? (Look at what kinds
# of lines there are.)

# %%
def additions(trace):
    ...


w = tz.tensor([1.0, 2], requires_grad=True)
with tz.record() as trace:
    F.sum(w * w * w + w).backward()
check(6, additions(trace), 3)

# %% [markdown]
# Next: [stepping through S6](03_stepping_through_s6.py), a network of the documents, one contribution at a time.
