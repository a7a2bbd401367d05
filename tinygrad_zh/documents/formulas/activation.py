"""The rows of activations: F12–F15."""

from __future__ import annotations

from tinygrad_zh.documents.formulas.row import Formula, Line
from tinygrad_zh.nn.layers import Dense
from tinygrad_zh.ops.activation import ReLU, Sigmoid, Softmax, Tanh

ROWS = (
    Formula(
        id="F12", places=("001 §2.5.2",), verdict="erratum",
        formula="ReLU(x) = max(0, x), whose gradient does not vanish where x < 0",
        latex=r"\mathrm{ReLU}(x) = \max(0, x)",
        corrected="ReLU(x) = max(0, x), ReLU′(x) = 1 where x > 0, 0 where x < 0",
        corrected_latex=r"\mathrm{ReLU}(x) = \max(0, x),\quad \mathrm{ReLU}'(x) = 1\ (x > 0),\ 0\ (x < 0)",
        en="The formula is exact, the sentence about it is not: in the negative region the gradient is zero, and a unit "
           "that is negative for every sample stays so (a dying ReLU). What does not vanish is the positive side.",
        zh="公式准确，关于它的说法不对：负半轴上梯度恰好是零，对所有样本都为负的神经元再也不会更新（“神经元死亡”）。"
           "不会消失的是正半轴的梯度。",
        lines=(Line(ReLU.forward, "return np.maximum(x, 0)"), Line(ReLU.backward, "return np.where(y > 0, dy, 0)")),
    ),
    Formula(
        id="F13", places=("001 §2.5.2",), verdict="exact",
        formula="σ(x) = 1 / (1 + e⁻ˣ)",
        latex=r"\sigma(x) = \frac{1}{1 + e^{-x}}",
        en="σ′ = σ (1 − σ). As written e⁻ˣ overflows where x is far below 0, so the code uses e^−|x|.",
        zh="σ′ = σ (1 − σ)。照原式计算，x 远小于 0 时 e⁻ˣ 会溢出，所以代码用 e^−|x|。",
        lines=(Line(Sigmoid.forward, "return np.where(x >= 0, 1, e) / (1 + e)"),
               Line(Sigmoid.backward, "return dy * y * (1 - y)")),
    ),
    Formula(
        id="F14", places=("001 §2.5.2",), verdict="erratum",
        formula="tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ), suited to several classes",
        latex=r"\tanh x = \frac{e^x - e^{-x}}{e^x + e^{-x}}",
        corrected="tanh x = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ); for several classes softmax(z)ᵢ = e^zᵢ / Σⱼ e^zⱼ",
        corrected_latex=r"\tanh x = \frac{e^x - e^{-x}}{e^x + e^{-x}},\quad "
                        r"\mathrm{softmax}(z)_i = \frac{e^{z_i}}{\sum_j e^{z_j}}",
        en="The formula is exact, tanh′ = 1 − tanh². But its values lie between −1 and 1 and are no distribution over "
           "classes; softmax gives one.",
        zh="公式准确，tanh′ = 1 − tanh²。但它的值在 −1 与 1 之间，不构成类别上的概率分布；多分类要用 softmax。",
        lines=(Line(Tanh.forward, "return np.tanh(x)"), Line(Tanh.backward, "return dy * (1 - y * y)"),
               Line(Softmax.forward, "return e / e.sum(axis=axis, keepdims=True)")),
    ),
    Formula(
        id="F15", places=("002 §4.2",), verdict="exact",
        formula="a = 1 / (1 + e^(−w·x))",
        latex=r"a = \frac{1}{1 + e^{-w \cdot x}}",
        en="One sigmoid neuron without a bias. ∂a/∂w = a (1 − a) x.",
        zh="一个没有偏置的 sigmoid 神经元。∂a/∂w = a (1 − a) x。",
        lines=(Line(Sigmoid.forward, "return np.where(x >= 0, 1, e) / (1 + e)"), Line(Dense.forward, "y = x @ self.W")),
    ),
)
