"""From a text to the numbers that a network reads: tokens, and the vocabulary that gives each its id. 文本处理"""

from __future__ import annotations

from tinygrad_zh.text.shading import shade
from tinygrad_zh.text.skipgram import skip_gram, skip_gram_loss
from tinygrad_zh.text.tokens import characters, words
from tinygrad_zh.text.vectors import neighbours
from tinygrad_zh.text.vocabulary import Vocabulary

__all__ = ["Vocabulary", "characters", "neighbours", "shade", "skip_gram", "skip_gram_loss", "words"]
