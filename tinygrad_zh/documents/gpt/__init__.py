"""A GPT that learns to write from one text, character by character. A large model in small.

    h₀ = E[t] + P                                   a row for each character and each place   001 §2.6
    hᵢ = Bᵢ(hᵢ₋₁), i = 1 … 3                        pre-norm blocks; a row sees no later one  000 §2 (F25)
    z  = LN(h₃) Eᵀ                                  the logits of the next character
    L  = −1/n Σ ln softmax(z)_next                  cross-entropy, in nats a character        F09, F10 corrected
    W  ← AdamW(W, ∂L/∂W · min(1, 1 / ‖∂L/∂W‖))      the rate warms up, then falls as a cosine

E is the table of the input and of the output alike (Press, Wolf 2017). e^L is the perplexity: as many equally likely
characters would be as hard to choose from. Radford et al. 2018. The documents speak of such models and build none;
the default text is their own.
"""

from __future__ import annotations

from tinygrad_zh.documents.gpt.model import INPUT, INPUT_DTYPE, network
from tinygrad_zh.documents.gpt.training import first_step, run
from tinygrad_zh.documents.gpt.writing import answer

__all__ = ["INPUT", "INPUT_DTYPE", "answer", "first_step", "network", "run"]
