"""The rows of losses and their gradients: F02, F04, F08–F11, F23, F24."""

from __future__ import annotations

from tinygrad_zh.documents import s8
from tinygrad_zh.documents.formulas.row import Formula, Line
from tinygrad_zh.ops import loss
from tinygrad_zh.ops.loss import (
    BinaryCrossEntropy,
    CrossEntropy,
    CrossEntropyOfProbabilities,
    HalfSquaredError,
    SquaredError,
)

ROWS = (
    Formula(
        id="F02", places=("000 §4.1",), verdict="exact",
        formula="J = ½ Σᵢ (yᵢ − ŷᵢ)²",
        latex=r"J = \frac{1}{2} \sum_{i=1}^{k} (y_i - \hat y_i)^2",
        en="∂J/∂ŷ = ŷ − y. The document calls it MSE, but it is a half sum and no mean: see F08.",
        zh="∂J/∂ŷ = ŷ − y。文档称之为均方误差，其实是和的一半，不是平均：参见 F08。",
        lines=(Line(HalfSquaredError.forward, "return 0.5 * ((t - p) ** 2).sum()"),
               Line(HalfSquaredError.backward_p, "return dy * (p - t)")),
    ),
    Formula(
        id="F04", places=("000 §4.2",), verdict="erratum",
        formula="e₃ = y − a₃",
        latex=r"e_3 = y - a_3",
        corrected="∂J/∂a₃ = a₃ − y",
        corrected_latex=r"\frac{\partial J}{\partial a_3} = a_3 - y",
        en="The sign: y − a₃ is −∂J/∂a₃. Since the update F07 subtracts, the error has to be a₃ − y.",
        zh="符号错误：y − a₃ 是 −∂J/∂a₃。更新公式 F07 用的是减号，误差就必须是 a₃ − y。",
        lines=(Line(HalfSquaredError.backward_p, "return dy * (p - t)"),),
    ),
    Formula(
        id="F08", places=("001 §2.5.1", "002 §4.2", "004 §4.1"), verdict="exact",
        formula="MSE = 1/n Σᵢ (yᵢ − ŷᵢ)²",
        latex=r"\mathrm{MSE} = \frac{1}{n} \sum_{i=1}^{n} (y_i - \hat y_i)^2",
        en="∂MSE/∂ŷ = 2 (ŷ − y) / n, which is 2/n times the gradient of F02: the same learning rate takes other steps.",
        zh="∂MSE/∂ŷ = 2 (ŷ − y) / n，是 F02 梯度的 2/n 倍：同一个学习率，步长并不相同。",
        lines=(Line(SquaredError.forward, "return (p - t) ** 2"),
               Line(loss.mse_loss, 'return _reduced(SquaredError(*_operands("mse_loss", p, t)), reduction)')),
    ),
    Formula(
        id="F09", places=("001 §2.5.1",), verdict="exact",
        formula="CE = −Σᵢ yᵢ log ŷᵢ",
        latex=r"\mathrm{CE} = -\sum_i y_i \log \hat y_i",
        en="Exact for one sample if i runs over the classes (the text says samples). ∂CE/∂ŷ = −y / ŷ, and through "
           "softmax ∂CE/∂z = ŷ − y, where Σ y = 1.",
        zh="i 取遍各类别时，对一个样本是准确的（原文说 i 取遍样本）。∂CE/∂ŷ = −y / ŷ；"
           "经过 softmax，且 Σ y = 1 时，∂CE/∂z = ŷ − y。",
        lines=(Line(CrossEntropyOfProbabilities.forward, "return -xlogy(t, p).sum(axis=-1)"),
               Line(CrossEntropy.backward_x, "return dy[..., None] * (np.exp(x - lse) - hot)")),
    ),
    Formula(
        id="F10", places=("004 §4.1",), verdict="erratum",
        formula="CE = −1/n Σᵢ yᵢ log ŷᵢ",
        latex=r"\mathrm{CE} = -\frac{1}{n} \sum_{i=1}^{n} y_i \log \hat y_i",
        corrected="CE = −1/n Σᵢ Σ_c y_ic log ŷ_ic",
        corrected_latex=r"\mathrm{CE} = -\frac{1}{n} \sum_{i=1}^{n} \sum_{c} y_{ic} \log \hat y_{ic}",
        en="The sum over the classes is missing. Read literally, with one label yᵢ a sample, samples of class 0 do not "
           "count, and the loss is least at ŷ ≡ 1.",
        zh="漏掉了对类别的求和。照字面理解，每个样本只有一个标签 yᵢ，那么第 0 类样本根本不计入，"
           "ŷ ≡ 1 时损失最小。",
        lines=(Line(CrossEntropy.forward, "return np.where(hot, lse - x, 0).sum(axis=-1), lse"),
               Line(loss.cross_entropy, "return _reduced(CrossEntropy(x, t), reduction)")),
    ),
    Formula(
        id="F11", places=("002 §4.2",), verdict="exact",
        formula="CE = −1/n Σᵢ (yᵢ log ŷᵢ + (1 − yᵢ) log(1 − ŷᵢ))",
        latex=r"\mathrm{CE} = -\frac{1}{n} \sum_{i=1}^{n} (y_i \log \hat y_i + (1 - y_i) \log(1 - \hat y_i))",
        en="Binary cross-entropy. Through a sigmoid, ∂CE/∂z = (ŷ − y) / n.",
        zh="二元交叉熵。经过 sigmoid，∂CE/∂z = (ŷ − y) / n。",
        lines=(Line(BinaryCrossEntropy.forward, "return -xlogy(t, p) - xlogy(1 - t, 1 - p)"),
               Line(BinaryCrossEntropy.backward_p, "return dy * (ratio(1 - t, 1 - p) - ratio(t, p))")),
    ),
    Formula(
        id="F23", places=("004 §4.3",), verdict="exact",
        formula="J(w) = ½ Σᵢ (yᵢ − w · xᵢ)², ŷᵢ = w · xᵢ",
        latex=r"J(w) = \frac{1}{2} \sum_{i=1}^{n} (y_i - w \cdot x_i)^2,\quad \hat y_i = w \cdot x_i",
        en="The loss of F02, of a linear model.",
        zh="线性模型的 F02 损失。",
        lines=(Line(s8.cost, "return F.half_squared_error(X @ w, y).item()"),),
    ),
    Formula(
        id="F24", places=("004 §4.3",), verdict="erratum",
        formula="∇J = Σᵢ (yᵢ − ŷᵢ) xᵢ",
        latex=r"\nabla_w J = \sum_{i=1}^{n} (y_i - \hat y_i) \cdot x_i",
        corrected="∇J = −Σᵢ (yᵢ − ŷᵢ) xᵢ",
        corrected_latex=r"\nabla_w J = -\sum_{i=1}^{n} (y_i - \hat y_i) \cdot x_i",
        en="The sign: as printed, the update F07 climbs, and J grows without bound.",
        zh="符号错误：照文档所写，更新公式 F07 会一路上坡，J 无限增大。",
        lines=(Line(s8.corrected, "return -X.T @ (y - X @ w)"),),
    ),
)
