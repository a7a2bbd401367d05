"""The rows of layers, their shapes and what makes a network of them: F01, F03, F06, F20–F22."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.derivatives import vjp
from tinygrad_zh.documents import s1, s5, s6
from tinygrad_zh.documents.formulas.finding import Array, Finding, equal, gradient, measured, normal
from tinygrad_zh.documents.formulas.row import Formula, Line
from tinygrad_zh.nn.layers import Dense
from tinygrad_zh.ops.activation import Sigmoid
from tinygrad_zh.train import metrics

Function = Callable[..., Any]
Shapes = tuple[tuple[int, ...], ...]

# ---- as the documents write them


def layer(x: Array, W: Array, b: Array) -> Array:
    """aₗ = f(Wₗ · aₗ₋₁ + bₗ), f = ReLU, for every row of x on its own: 000 §4.1, with W turned around."""
    return np.stack([np.maximum(0, W.T @ column + b) for column in x])


def relu_on_the_output() -> nn.Module:
    """784–1000–10 with a ReLU on the output as well: 000 §4.2, a counter-example."""
    return nn.Sequential(s1.network(), nn.ReLU())


def shapes_as_printed(inputs: int, hidden: int, outputs: int) -> Shapes:
    """W₁₁, b₁₁, W₂₁, b₂₁: 000 §4.3, a counter-example. The outputs are not in it."""
    return (1, inputs), (inputs, 1), (1, hidden), (hidden, 1)


def regression_with_activated_output() -> nn.Module:
    """2–10–1 with the activation on the output too: 002 §4.3, a counter-example."""
    return nn.Sequential(s5.network(), nn.ReLU())


# ---- ours, where it is more than one function


def softmax_on_the_output() -> nn.Module:
    """784–1000–10 and a softmax, which in training is in the loss."""
    return nn.Sequential(s1.network(), nn.Softmax())


def our_layer(x: Any, W: Any, b: Any) -> Any:
    """Dense, then ReLU."""
    dense = Dense(*W.shape)
    dense.W, dense.b = W, b
    return F.relu(dense(x))


def our_shapes(inputs: int, hidden: int, outputs: int) -> Shapes:
    """W₁, b₁, W₂, b₂ of a network of Dense layers, turned around for columns."""
    W1, b1, W2, b2 = nn.Sequential(Dense(inputs, hidden), Dense(hidden, outputs)).parameters()
    return W1.shape[::-1], (*b1.shape, 1), W2.shape[::-1], (*b2.shape, 1)


def with_activations(model: s6.Network, X: Any) -> Any:
    """Z₄ of the network as it is: log(ŷ / (1 − ŷ)) undoes the last sigmoid."""
    y = model(X)
    return F.log(y / (1 - y))


# ---- the checks


def check_layer(ours: Function, literal: Function) -> Iterator[Finding]:
    """F01."""
    x, W, b = normal(4, 3), normal(3, 5, seed=1), normal(5, seed=2)
    yield equal(ours(x, W, b), literal(x, W, b))
    yield gradient("∂a/∂x, ∂a/∂W, ∂a/∂b", ours, x, W, b)


def check_output(ours: Callable[[], nn.Module], literal: Callable[[], nn.Module]) -> Iterator[Finding]:
    """F03. 20 samples, one at a time: the outputs whose bias gets no gradient, though they are wrong."""
    good, bad = ours(), literal()
    x, labels = normal(20, 28, 28) ** 2, np.arange(20) % 10
    pairs, dead = labels.size * 10, dead_outputs(bad, x, labels)
    yield measured(dead_outputs(good, x, labels) == 0, "all_outputs_learn", pairs=pairs)
    yield measured(np.allclose(good(x).numpy().sum(axis=1), 1), "probabilities")
    yield measured(dead > 0, "dead_outputs", pairs=pairs, dead=dead)
    sums = bad(x).numpy().sum(axis=1)
    yield measured(not np.allclose(sums, 1), "no_probabilities", least=sums.min(), most=sums.max())


def dead_outputs(model: nn.Module, x: Array, labels: Array) -> int:
    """How many (sample, output) pairs get the gradient 0 through J = ½ Σ (y − ŷ)² (F02): a change of that output's
    bias would leave J as it is."""
    bias = model.parameters()[-1]
    dead = 0
    for image, label in zip(x[:, None], labels, strict=True):
        y = np.eye(10)[[label]]
        bias.zero_grad()
        F.half_squared_error(model(image), y).backward()
        dead += int((bias.grad.numpy() == 0).sum())  # type: ignore[union-attr]
    return dead


def check_shapes(ours: Callable[..., Shapes], literal: Callable[..., Shapes]) -> Iterator[Finding]:
    """F06: both of the document's cases, 784–1000–10 and 1000–1000–10."""
    for inputs in (784, 1000):
        yield measured(shapes_through(ours, inputs) == [(1000, 1), (10, 1)], "fits", inputs=inputs)
    yield measured(shapes_through(literal, 784) == [(784, 1), None], "does_not_fit")
    yield measured(shapes_through(literal, 1000) == [(1000, 1), (1000, 1)], "fits_by_chance")


def shapes_through(shapes: Callable[..., Shapes], inputs: int) -> list[tuple[int, ...] | None]:
    """The shapes of W₁ x + b₁ and of W₂ (W₁ x + b₁) + b₂ for a column x; None where NumPy cannot multiply."""
    W1, b1, W2, b2 = (np.ones(shape) for shape in shapes(inputs, 1000, 10))
    hidden = W1 @ np.ones((inputs, 1)) + b1
    try:
        return [hidden.shape, (W2 @ hidden + b2).shape]
    except ValueError:
        return [hidden.shape, None]


def check_regression(ours: Callable[[], nn.Module], literal: Callable[[], nn.Module]) -> Iterator[Finding]:
    """F20. Standardised targets are negative half of the time."""
    x, y = normal(200, 2), normal(200, 1, seed=1)
    good, bad = (np.stack([factory()(x).numpy() for _ in range(10)]) for factory in (ours, literal))
    least = np.mean(np.minimum(y, 0) ** 2)
    yield measured((good < 0).any() and (good > 0).any(), "any_sign", least=good.min(), most=good.max())
    yield measured((bad >= 0).all() and ((bad - y) ** 2).mean(axis=(1, 2)).min() >= least, "never_negative",
                   share=np.mean(y < 0), least=least)
    yield measured(not_affine(ours(), x) > 0.01, "not_linear", rest=not_affine(ours(), x))


def not_affine(function: Function, x: Array) -> float:
    """The share of the variance of f(x) that the best affine map leaves unexplained."""
    y = np.asarray(function(x).numpy(), np.float64)
    design = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    left = y - design @ np.linalg.lstsq(design, y)[0]
    return float(left.var() / y.var())


def check_collapse(ours: Function, literal: Function) -> Iterator[Finding]:
    """F21, on document 003's own network 3–10–10–1."""
    model, X = s6.network(), 3 * normal(200, 3)
    W, b = s6.collapsed(model)
    rest = not_affine(lambda X: ours(model, X), X)
    yield measured(rest > 0.001, "not_affine", rest=rest)
    yield measured(np.allclose(literal(model, X).numpy(), X @ W + b, atol=1e-5), "collapses", inputs=len(X))


def check_threshold(ours: Function, literal: Function) -> Iterator[Finding]:
    """F22. Class 1 is right where z > 0, that is where its probability σ(z) is above ½."""
    z = np.linspace(-1, 1, 1000)
    right = (z > 0).astype(np.int64)
    wrong = 1 - metrics.accuracy(literal(z), right)
    yield measured(metrics.accuracy(ours(z), right) == 1, "threshold", points=z.size)
    yield measured(wrong > 0.1, "wrong_threshold", share=wrong)
    yield measured(literal(np.array([3.0])) > 1, "above_one", output=literal(np.array([3.0])).item())
    with np.errstate(divide="ignore"):
        loss, slope = vjp(lambda z: F.binary_cross_entropy(literal(z), np.ones(1)), np.array([-1.0]))
    yield measured(np.isinf(loss.item()) and slope.item() == 0, "stuck")


# ---- the rows

ROWS = (
    Formula(
        id="F01", places=("000 §4.1",), verdict="exact",
        formula="aₗ = f(Wₗ · aₗ₋₁ + bₗ)",
        latex=r"a_l = f(W_l \cdot a_{l-1} + b_l)",
        en="The document writes columns, W a; the code takes a batch of rows, so W is turned around: X W.",
        zh="文档用列向量，写作 W a；代码按行处理一批样本，W 转置过来，写作 X W。",
        lines=(Line(Dense.forward, "return y if self.b is None else y + self.b"),
               Line(Dense.forward, "y = x @ self.W")),
        ours=our_layer, literal=layer, check=check_layer,
    ),
    Formula(
        id="F03", places=("000 §4.2",), verdict="erratum",
        formula="a₁ = max(0, W₁ x + b₁), a₂ = max(0, W₂ a₁ + b₂), a₃ = max(0, W₃ a₂ + b₃)",
        latex=r"a_1 = \max(0, W_1 x + b_1),\quad a_2 = \max(0, W_2 a_1 + b_2),\quad a_3 = \max(0, W_3 a_2 + b_3)",
        corrected="a₁ = max(0, W₁ x + b₁), z₂ = W₂ a₁ + b₂, ŷ = softmax(z₂)",
        corrected_latex=r"a_1 = \max(0, W_1 x + b_1),\quad z_2 = W_2 a_1 + b_2,\quad \hat y = \mathrm{softmax}(z_2)",
        en="A ReLU on the output stops the gradient of every output whose pre-activation is negative, however wrong it "
           "is, and what it gives are no probabilities. Besides, 100–1000–10 has two weight matrices, not three.",
        zh="输出层用了 ReLU：净输入为负的输出单元，无论错多少都得不到梯度，而且输出不是概率。"
           "此外，100–1000–10 只有两个权重矩阵，不是三个。",
        lines=(Line(s1.network, "return nn.Sequential(nn.Flatten(), nn.Dense(784, 1000), nn.ReLU(), nn.Dense(1000, 10))"
                    ),),
        ours=softmax_on_the_output, literal=relu_on_the_output, check=check_output,
    ),
    Formula(
        id="F06", places=("000 §4.3",), verdict="erratum",
        formula="W₁₁: 1 × 784, b₁₁: 784; W₂₁: 1 × 1000, b₂₁: 1000",
        latex=r"W_{11} \in \mathbb{R}^{1 \times 784},\quad b_{11} \in \mathbb{R}^{784},\quad "
              r"W_{21} \in \mathbb{R}^{1 \times 1000},\quad b_{21} \in \mathbb{R}^{1000}",
        corrected="W₁: 1000 × 784, b₁: 1000; W₂: 10 × 1000, b₂: 10",
        corrected_latex=r"W_1 \in \mathbb{R}^{1000 \times 784},\quad b_1 \in \mathbb{R}^{1000},\quad "
                        r"W_2 \in \mathbb{R}^{10 \times 1000},\quad b_2 \in \mathbb{R}^{10}",
        en="The shapes do not fit the network they are for, 784–1000–10: one row of weights is one unit, and a bias "
           "belongs to a unit, not to an input. Case 2 has the same slip.",
        zh="形状与所描述的 784–1000–10 网络不符：一行权重只是一个神经元，偏置应与神经元一一对应，而不是与输入对应。"
           "案例二有同样的错误。",
        lines=(Line(Dense.__init__, 'self.W = initial("Dense", "W", init, (inputs, outputs))'),
               Line(Dense.__init__, 'self.b = initial("Dense", "b", bias_init, (outputs,)) if bias else None')),
        ours=our_shapes, literal=shapes_as_printed, check=check_shapes,
    ),
    Formula(
        id="F20", places=("002 §4.3",), verdict="erratum",
        formula="ŷ = f(w · x + b)",
        latex=r"\hat y = f(w \cdot x + b)",
        corrected="a = f(W₁ x + b₁), ŷ = W₂ a + b₂",
        corrected_latex=r"a = f(W_1 x + b_1),\quad \hat y = W_2 a + b_2",
        en="With a hidden layer, 2–10–1 is no linear regression, and the output of a regression has no activation: a "
           "ReLU there can predict no negative value (the document's own code in §5 has none).",
        zh="2–10–1 有隐藏层，已经不是线性回归；回归的输出层不应有激活函数：用 ReLU 就永远预测不出负值"
           "（文档 §5 的代码自己也没有用）。",
        lines=(Line(s5.network, "nn.Dense(10, 1, init=uniform, bias_init=uniform))"),),
        ours=s5.network, literal=regression_with_activated_output, check=check_regression,
    ),
    Formula(
        id="F21", places=("003 §4.2",), verdict="erratum",
        formula="Z⁽¹⁾ = X, Z⁽ⁿ⁾ = W⁽ⁿ⁾ Z⁽ⁿ⁻¹⁾ + b⁽ⁿ⁾, Y = f⁽ⁿ⁾(Z⁽ⁿ⁾)",
        latex=r"Z^{(1)} = X,\quad Z^{(n)} = W^{(n)} Z^{(n-1)} + b^{(n)},\quad Y = f^{(n)}(Z^{(n)})",
        corrected="A⁽¹⁾ = X, Z⁽ⁿ⁾ = W⁽ⁿ⁾ A⁽ⁿ⁻¹⁾ + b⁽ⁿ⁾, A⁽ⁿ⁾ = f⁽ⁿ⁾(Z⁽ⁿ⁾), Y = A⁽ᴸ⁾",
        corrected_latex=r"A^{(1)} = X,\quad Z^{(n)} = W^{(n)} A^{(n-1)} + b^{(n)},\quad A^{(n)} = f^{(n)}(Z^{(n)}),"
                        r"\quad Y = A^{(L)}",
        en="The next layer is fed Z, not f(Z). Without activations in between, all the layers together are one affine "
           "map.",
        zh="传给下一层的是 Z 而不是 f(Z)。中间没有激活函数，所有层合起来只是一个仿射变换。",
        lines=(Line(s6.Network.forward, "A2 = F.sigmoid(second(X))"),
               Line(s6.Network.forward, "A3 = F.relu(third(A2))")),
        ours=with_activations, literal=s6.without_activations, check=check_collapse,
    ),
    Formula(
        id="F22", places=("003 §4.3",), verdict="erratum",
        formula="Y = max(0, z), Y > 0.5 → 1",
        latex=r"Y = \max(0, z),\quad Y > 0.5 \rightarrow 1",
        corrected="ŷ = σ(z), ŷ > 0.5 → 1",
        corrected_latex=r"\hat y = \sigma(z),\quad \hat y > 0.5 \rightarrow 1",
        en="0.5 is a threshold for a probability, so for a sigmoid, with which the document's own code ends. A ReLU's "
           "output may be any number ≥ 0, and 0 is all it gives where z is negative.",
        zh="0.5 是概率的阈值，适用于 sigmoid 输出（文档自己的代码正是以 sigmoid 结尾）。"
           "ReLU 的输出可以是任何非负数，z 为负时则一律是 0。",
        lines=(Line(Sigmoid.forward, "return np.where(x >= 0, 1, e) / (1 + e)"),
               Line(metrics._labels_of_probabilities, "return (values > 0.5).astype(np.int64)")),
        ours=F.sigmoid, literal=F.relu, check=check_threshold,
    ),
)
