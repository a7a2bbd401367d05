"""What a backward owes whoever calls it: an answer, and nothing where nothing came from above. 反向的约定"""

from __future__ import annotations

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh.check.zoo.bug import normal, planted
from tinygrad_zh.core.op import Op


@planted(normal(3), right=lambda x: x * x,
         cure="return dy * 2 * x",
         en="The backward names an attribute that no array has. Nobody had ever run it.",
         zh="反向里用了数组根本没有的属性。这段代码从来没有人跑过。")
class Raises(Op):
    """y = x²
    中文：平方
    """

    def forward(x):
        return x * x

    def backward(dy, x):
        return dy * x.undefined


@planted(np.array([0.5, 2.0]), right=F.log,
         cure="return dy / x",
         en="A little is added, so that the gradient never vanishes altogether. Where nothing comes from above, "
            "nothing may go down.",
         zh="加了一点点，免得梯度完全消失。可上面没有传来任何东西时，也就不该往下传任何东西。")
class SomethingOfNothing(Op):
    """y = ln x
    中文：自然对数
    """

    def forward(x):
        return np.log(x)

    def backward(dy, x):
        return dy / x + np.where((dy == 0).all(), 1e-3, 0.0)
