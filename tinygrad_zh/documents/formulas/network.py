"""The rows of layers and of what backpropagation takes through them: F01, F03, F05, F06, F18, F20–F22."""

from __future__ import annotations

from tinygrad_zh.documents import s1, s5, s6
from tinygrad_zh.documents.formulas.row import Formula, Line
from tinygrad_zh.nn.layers import Dense
from tinygrad_zh.ops.activation import ReLU, Sigmoid
from tinygrad_zh.ops.linear import MatMul
from tinygrad_zh.train import metrics

ROWS = (
    Formula(
        id="F01", places=("000 §4.1",), verdict="exact",
        formula="aₗ = f(Wₗ · aₗ₋₁ + bₗ)",
        latex=r"a_l = f(W_l \cdot a_{l-1} + b_l)",
        en="The document writes columns, W a; the code takes a batch of rows, so W is turned around: X W.",
        zh="文档用列向量，写作 W a；代码按行处理一批样本，W 转置过来，写作 X W。",
        lines=(Line(Dense.forward, "return y if self.b is None else y + self.b"),
               Line(Dense.forward, "y = x @ self.W")),
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
    ),
    Formula(
        id="F05", places=("000 §4.2",), verdict="erratum",
        formula="e₂ = W₃₂ᵀ e₃, e₁ = W₂₂ᵀ e₂",
        latex=r"e_2 = W_{32}^{\top} e_3,\quad e_1 = W_{22}^{\top} e_2",
        corrected="δ₃ = (a₃ − y) ⊙ f′(z₃), δₗ = (Wₗ₊₁ᵀ δₗ₊₁) ⊙ f′(zₗ), ∂J/∂Wₗ = δₗ aₗ₋₁ᵀ, ∂J/∂bₗ = δₗ",
        corrected_latex=r"\delta_3 = (a_3 - y) \odot f'(z_3),\quad \delta_l = (W_{l+1}^{\top} \delta_{l+1}) \odot "
                        r"f'(z_l),\quad \frac{\partial J}{\partial W_l} = \delta_l a_{l-1}^{\top},\quad "
                        r"\frac{\partial J}{\partial b_l} = \delta_l",
        en="The activation's derivative f′(z) is missing: with ReLU, an error would pass back through units that were "
           "off. (Single entries, W₃₂ and W₂₂, are printed where whole matrices are meant.)",
        zh="漏掉了激活函数的导数 f′(z)：用 ReLU 时，误差会穿过没有激活的神经元传回去。"
           "（文中写的是单个元素 W₃₂、W₂₂，指的应是整个矩阵。）",
        lines=(Line(ReLU.backward, "return np.where(y > 0, dy, 0)"), Line(MatMul.backward_a, "return dy @ b.mT"),
               Line(MatMul.backward_b, "return a.mT @ dy")),
    ),
    Formula(
        id="F06", places=("000 §4.3",), verdict="erratum",
        formula="W₁₁: 1 × 784, b₁₁: 784; W₂₁: 1 × 1000, b₂₁: 1000",
        latex=r"W_{11} \in R^{1 \times 784},\quad b_{11} \in R^{784},\quad W_{21} \in R^{1 \times 1000},\quad "
              r"b_{21} \in R^{1000}",
        corrected="W₁: 1000 × 784, b₁: 1000; W₂: 10 × 1000, b₂: 10",
        corrected_latex=r"W_1 \in R^{1000 \times 784},\quad b_1 \in R^{1000},\quad W_2 \in R^{10 \times 1000},\quad "
                        r"b_2 \in R^{10}",
        en="The shapes do not fit the network they are for, 784–1000–10: one row of weights is one unit, and a bias "
           "belongs to a unit, not to an input. Case 2 has the same slip.",
        zh="形状与所描述的 784–1000–10 网络不符：一行权重只是一个神经元，偏置应与神经元一一对应，而不是与输入对应。"
           "案例二有同样的错误。",
        lines=(Line(Dense.__init__, 'self.W = initial("Dense", "W", init, (inputs, outputs))'),
               Line(Dense.__init__, 'self.b = initial("Dense", "b", bias_init, (outputs,)) if bias else None')),
    ),
    Formula(
        id="F18", places=("002 §4.2", "002 §4.3"), verdict="erratum",
        formula="gradient = ∂loss/∂weight · f′(z)",
        latex=r"g = \frac{\partial L}{\partial w} \cdot f'(z)",
        corrected="∂L/∂w = ∂L/∂a · f′(z) · x",
        corrected_latex=r"\frac{\partial L}{\partial w} = \frac{\partial L}{\partial a} \cdot f'(z) \cdot x",
        en="∂L/∂w holds f′(z) already; multiplied once more, the activation's derivative counts twice.",
        zh="∂L/∂w 里已经含有 f′(z)，再乘一次，激活函数的导数就算了两遍。",
        lines=(Line(Sigmoid.backward, "return dy * y * (1 - y)"), Line(MatMul.backward_b, "return a.mT @ dy")),
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
        lines=(Line(s6.Network.forward, "A2 = F.sigmoid(second(X))"), Line(s6.Network.forward, "A3 = F.relu(third(A2))")),
    ),
    Formula(
        id="F22", places=("003 §4.3",), verdict="erratum",
        formula="class = 1 where Y > 0.5, Y = max(0, z)",
        latex=r"\mathrm{class} = 1\ \mathrm{where}\ Y > 0.5,\quad Y = \max(0, z)",
        corrected="class = 1 where ŷ > 0.5, ŷ = σ(z)",
        corrected_latex=r"\mathrm{class} = 1\ \mathrm{where}\ \hat y > 0.5,\quad \hat y = \sigma(z)",
        en="0.5 is a threshold for a probability, so for a sigmoid, with which the document's own code ends. A ReLU's "
           "output may be any number ≥ 0, and 0 is all it gives where z is negative.",
        zh="0.5 是概率的阈值，适用于 sigmoid 输出（文档自己的代码正是以 sigmoid 结尾）。"
           "ReLU 的输出可以是任何非负数，z 为负时则一律是 0。",
        lines=(Line(s6.Network.forward, "return F.sigmoid(fourth(A3))"),
               Line(metrics._labels_of_probabilities, "return (values > 0.5).astype(np.int64)")),
    ),
)
