"""Word vectors: skip-gram with negative sampling, trained on this engine. 词向量

    L = −ln σ(u_o·v_c) − Σ_k ln σ(−u_k·v_c)

A token c has a vector v_c. By the second vectors u, a token o that stands near it is told from tokens k drawn at
random, so that tokens with the same neighbours come to have near vectors v. Mikolov, Sutskever, Chen, Corrado,
Dean 2013, "Distributed Representations of Words and Phrases and their Compositionality".
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.core import Tensor, default_generator
from tinygrad_zh.optim import Adam
from tinygrad_zh.text.pairs import Pairs
from tinygrad_zh.train.progress import Progress

DRAWN = 64
"""How many tokens are drawn for a batch, whatever k is: more only make the mean of the second term more certain."""


def skip_gram_loss(v: Any, u: Any, u_drawn: Any, negatives: float = 1.0) -> Tensor:
    """L = 1/n Σ_i (−ln σ(u_i·v_i) − k/m Σ_j ln σ(−u_j·v_i)) 中文：跳字模型的负采样损失。

    v (n, d) of the centres, u (n, d) of their neighbours, u_drawn (m, d) of tokens drawn at random. All pairs share
    these m, so that the products are one matrix (n, m); together they weigh as much as k = ``negatives`` tokens drawn
    for each pair would. −ln σ(z) is softplus(−z).
    """
    near = F.softplus(-F.sum(u * v, axis=1))
    far = F.softplus(v @ F.transpose(u_drawn))
    return F.mean(near) + negatives * F.mean(far)


def skip_gram(texts: Iterable[ArrayLike], size: int, width: int = 100, *, window: int = 5, negatives: float = 1.0,
              epochs: int = 5, batch_size: int = 16_384, lr: float = 0.02, threshold: float = 1e-4,
              generator: np.random.Generator | None = None, progress: str = "auto") -> np.ndarray:
    """v of every token id: (size, width), in the default dtype. 中文：训练词向量。

    texts: rows of ids below ``size``, lists of any length or what `Vocabulary.encode` gives. Padding and unknown
    tokens are left out. Their vectors are zero, and those of ids that are in no text.

    A frequent token is kept with probability √(threshold / frequency), in a small corpus give 1, which keeps all;
    a window is drawn for each token from 1 to ``window`` on both sides; negatives follow count^¾. The paper
    recommends 5 to 20 of them for small corpora; for the mean of a short text's vectors 1 served better here. Adam
    takes a step for every ``batch_size`` pairs, its rate falling in a line to a twentieth. All is drawn from the
    generator, the context's (tz.manual_seed) unless given.

    Raises TypeError for ids that are no integers, IndexError for one that is not below ``size``, ValueError for a
    setting out of range and where there are no pairs, FloatingPointError when the loss is not finite. Ctrl-C
    raises: half-trained vectors are not returned.

    >>> import tinygrad_zh as tz
    >>> _ = tz.manual_seed(0)
    >>> skip_gram([[2, 3, 2], [4, 5, 4]], size=6, width=8, threshold=1, progress="none").shape
    (6, 8)
    """
    _check_whole(size=size, width=width, window=window, epochs=epochs, batch_size=batch_size)
    _check_positive(negatives=negatives, lr=lr, threshold=threshold)
    pairs = Pairs(texts, size, window, threshold)
    generator = default_generator() if generator is None else generator
    half = 0.5 / math.sqrt(width)
    V = nn.Embedding(size, width, init=lambda shape: nn.init.uniform(shape, -half, half, generator))
    U = nn.Embedding(size, width, init=nn.init.zeros)
    optimizer = Adam([V.W, U.W], lr)
    report = Progress(epochs, 0, progress)
    try:
        for epoch in range(epochs):
            centres, neighbours = pairs.draw(generator)
            batches = [slice(start, start + batch_size) for start in range(0, len(centres), batch_size)]
            report.batches = len(batches)
            report.begin(epoch + 1)
            losses = []
            for number, batch in enumerate(batches):
                optimizer.lr = lr * max(0.05, 1 - (epoch + number / len(batches)) / epochs)
                drawn = pairs.noise_tokens(DRAWN, generator)
                L = skip_gram_loss(V(centres[batch]), U(neighbours[batch]), U(drawn), negatives)
                losses.append(L.item())
                if not math.isfinite(losses[-1]):
                    raise FloatingPointError(f"the loss is {losses[-1]} in epoch {epoch + 1}; try a smaller lr")
                optimizer.zero_grad()
                L.backward()
                optimizer.step()
                report.advance({"loss": losses[-1]} if report.due() else None)
            report.end(epoch + 1, {"loss": float(np.mean(losses))})
    finally:
        report.close()
    vectors = V.W.numpy().copy()
    vectors[pairs.counts == 0] = 0
    return vectors


def _check_whole(**settings: int) -> None:
    for name, value in settings.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"skip_gram: {name} is a whole number, not {value!r}")
        if value < 1:
            raise ValueError(f"skip_gram: {name} is at least 1, not {value}")


def _check_positive(**settings: float) -> None:
    for name, value in settings.items():
        if not value > 0:
            raise ValueError(f"skip_gram: {name} is a number above 0, not {value!r}")
