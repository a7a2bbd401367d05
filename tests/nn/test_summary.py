"""The summary: its text in both languages, word for word, and that looking changes nothing."""

from __future__ import annotations

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import nn
from tinygrad_zh.i18n import display_width, in_language

ENGLISH = """\
module                                  output            parameters
──────────────────────────────────────────────────────────────────────
Sequential                              (1, 10)           –
  0: Flatten                            (1, 784)          –
  1: Dense(784 → 128)                   (1, 128)          100,480
  2: BatchNorm(128)                     (1, 128)          256
  3: ReLU                               (1, 128)          –
  4: Dropout(p=0.5)                     (1, 128)          –
  5: Dense(128 → 10)                    (1, 10)           1,290
──────────────────────────────────────────────────────────────────────
102,026 numbers learn, 256 are state; 399.5 KiB in all"""

CHINESE = """\
模块                                    输出形状          参数量
──────────────────────────────────────────────────────────────────────
Sequential                              (1, 10)           –
  0: Flatten                            (1, 784)          –
  1: Dense(784 → 128)                   (1, 128)          100,480
  2: BatchNorm(128)                     (1, 128)          256
  3: ReLU                               (1, 128)          –
  4: Dropout(p=0.5)                     (1, 128)          –
  5: Dense(128 → 10)                    (1, 10)           1,290
──────────────────────────────────────────────────────────────────────
可学习的参数 102,026 个，状态 256 个，共 399.5 KiB"""


def network():
    return nn.Sequential(nn.Flatten(), nn.Dense(784, 128), nn.BatchNorm(128), nn.ReLU(), nn.Dropout(),
                         nn.Dense(128, 10))


def rows(model, *arguments, **keywords):
    """The summary's rows as [label, output, parameters], then its last line."""
    with in_language("en"):
        lines = model.summary(*arguments, **keywords).splitlines()
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in lines[2:-2]], lines[-1]


@pytest.mark.parametrize(("language", "expected"), [("en", ENGLISH), ("zh", CHINESE)])
def test_the_text(language, expected):
    with in_language(language):
        assert network().summary((1, 28, 28)) == expected


def test_without_an_input_there_are_no_shapes():
    table, total = rows(nn.Sequential(nn.Dense(2, 3), nn.Tanh()))
    assert table == [["Sequential", "–", "–"], ["0: Dense(2 → 3)", "–", "9"], ["1: Tanh", "–", "–"]]
    assert total == "9 numbers learn, 0 are state; 0.0 KiB in all"


def test_parts_stand_under_the_module_they_belong_to():
    class Net(nn.Module):
        def __init__(self):
            self.weights = [tz.tensor([1.0, 2.0], requires_grad=True)]
            self.blocks = [nn.Sequential(nn.Dense(2, 3)), nn.ReLU()]

        def forward(self, x):
            return self.blocks[1](self.blocks[0](x)).sum()

    with in_language("en"):
        shown = Net().summary((4, 2)).splitlines()
    assert [line[:35].rstrip() for line in shown[2:-2]] == [
        "Net", "  blocks.0: Sequential", "    0: Dense(2 → 3)", "  blocks.1: ReLU",
    ]  # fmt: skip
    assert [line[40:].split("  ")[0] for line in shown[2:-2]] == ["()", "(4, 3)", "(4, 3)", "(4, 3)"]
    assert [line.split()[-1] for line in shown[2:-2]] == ["2", "–", "9", "–"]


def test_what_is_shared_is_counted_once():
    dense = nn.Dense(2, 2)
    tied = nn.Dense(2, 2)
    tied.W = dense.W
    table, total = rows(nn.Sequential(dense, dense, tied))
    assert [row[-1] for row in table] == ["–", "6", "2"], "the rows add up to the total"
    assert total.startswith("8 numbers learn")


def test_columns_stand_under_each_other_for_long_and_for_chinese_names():
    class 一个名字很长的神经网络模块(nn.Module):
        def forward(self, x):
            return x.reshape(1, 1, 1, 1, 1, 1, 1, 1, 1, 6)

    model = 一个名字很长的神经网络模块()
    for _ in range(8):
        model = nn.Sequential(model)
    with in_language("zh"):
        head, rule, first, *_, second = model.summary((2, 3)).splitlines()[:-2]
    output = display_width(head[: head.index("输出形状")])
    parameters = display_width(head[: head.index("参数量")])
    assert display_width(second[: second.index("(1, 1")]) == output
    for row in (first, second):
        assert display_width(row[: row.index("–")]) == parameters
    assert display_width(rule) > parameters


def test_the_input_has_the_model_s_dtype_unless_told():
    seen = []

    class Look(nn.Dense):
        def forward(self, x):
            seen.append(x.dtype)
            return super().forward(x)

    model = Look(2, 1, init=lambda shape: np.zeros(shape, np.float64))
    model.summary((1, 2))
    model.summary((1, 2), dtype=np.float32)
    assert seen == [np.float64, np.float32]


def test_tokens_need_an_integer_dtype():
    model = nn.Sequential(nn.Embedding(10, 4), nn.Dense(4, 2))
    with pytest.raises(TypeError, match="integers"):
        model.summary((2, 5))
    assert all(module.training for _, module in model.named_modules())
    table, _ = rows(model, (2, 5), dtype=np.int64)
    assert [row[1] for row in table] == ["(2, 5, 2)", "(2, 5, 4)", "(2, 5, 2)"]


def test_looking_changes_nothing():
    generator = tz.manual_seed(3)
    own = np.random.Generator(np.random.Philox(4))
    model = nn.Sequential(nn.Dense(4, 3), nn.BatchNorm(3), nn.Dropout(), nn.Dropout(0.5, own), nn.Dense(3, 1))
    model[2].eval()
    model(np.ones((5, 4), np.float32)).sum().backward()
    state = {name: array.tobytes() for name, array in model.state_dict().items()}
    gradients = [p.grad for p in model.parameters()]
    modes = [module.training for _, module in model.named_modules()]
    generators = [str(g.bit_generator.state) for g in (generator, own)]

    model.summary((5, 4))

    assert {name: array.tobytes() for name, array in model.state_dict().items()} == state
    assert all(p.grad is g for p, g in zip(model.parameters(), gradients, strict=True))
    assert [module.training for _, module in model.named_modules()] == modes
    assert modes == [True, True, True, False, True, True]
    assert [str(g.bit_generator.state) for g in (generator, own)] == generators
    assert tz.is_grad_enabled()


def test_looking_writes_nothing_on_a_tape_that_records():
    model = network()
    with tz.record() as tape:
        model.summary((2, 784))
    assert tape == []


def test_an_input_that_does_not_fit_says_so_and_changes_nothing():
    model = network()
    with pytest.raises(ValueError, match=r"takes \(…, 784\), not \(1, 783\)"):
        model.summary((1, 783))
    assert all(module.training for _, module in model.named_modules())
    assert tz.is_grad_enabled()
    with in_language("en"):
        assert model.summary((1, 28, 28)) == ENGLISH
