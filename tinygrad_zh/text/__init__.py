"""From a text to ids that a network can read: tokens, the vocabulary, word vectors. 文本处理"""

from __future__ import annotations

__all__: list[str] = []
