"""Pictures of a training run, of attention and of gradient checks, each with a CSV of its figures beside it. 绘图

They need matplotlib (`pip install "tinygrad-zh[plot]"`), which is imported when a picture is drawn, and no
display. Text is in the language in force, or in English where no Chinese font is found.
"""

from __future__ import annotations

from tinygrad_zh.plot.attention import attention_map, attention_over_text
from tinygrad_zh.plot.confusion import confusion_matrix
from tinygrad_zh.plot.curves import loss_curve
from tinygrad_zh.plot.digits import misread_digits
from tinygrad_zh.plot.fonts import chinese_font
from tinygrad_zh.plot.gradients import gradient_report

__all__ = [
    "attention_map",
    "attention_over_text",
    "chinese_font",
    "confusion_matrix",
    "gradient_report",
    "loss_curve",
    "misread_digits",
]
