"""Two languages from one catalogue: what a learner reads as text, in Chinese and English. 双语文本"""

from __future__ import annotations

from tinygrad_zh.i18n.arguments import BilingualHelp, translated_argparse
from tinygrad_zh.i18n.catalog import catalogue, text
from tinygrad_zh.i18n.choice import LANGUAGES, chosen, in_language, language, use_language
from tinygrad_zh.i18n.columns import aligned, display_width, fill, pad, visible, wrap

__all__ = [
    "LANGUAGES",
    "BilingualHelp",
    "aligned",
    "catalogue",
    "chosen",
    "display_width",
    "fill",
    "in_language",
    "language",
    "pad",
    "text",
    "translated_argparse",
    "use_language",
    "visible",
    "wrap",
]
