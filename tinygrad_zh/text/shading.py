"""A text on a terminal, each token on a ground as dark as its weight. 终端着色"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_zh.i18n import display_width, fill, pad, visible
from tinygrad_zh.plot.attention import token_weights

GROUNDS = (230, 223, 216, 209, 167, 161, 125, 89, 53)
"""Of the terminal's 256 colours, from cream to a dark purple, each about ten steps of CIE lightness darker."""
BLACK, WHITE = 16, 231
DARK_FROM = 5  # the first ground on which white is easier to read than black
BAR, PARTS = 20, " ▏▎▍▌▋▊▉█"


def shade(tokens: Sequence[str], weights: ArrayLike, *, colours: bool | None = None) -> str:
    """The text with each token on a ground as dark as its weight, the largest darkest, and the scale below. 终端着色

    Each token has its own ink, so that it is legible on dark terminals and on light ones. Without colours it is
    one line a token: the token, a bar, the weight. `colours` None: as `colours_shown` says. `weights` (n,) for n
    `tokens`. For `print`: lines are as long as the terminal is wide, and the last has no line break.

    Raises TypeError for weights that are not numbers, ValueError if one is negative or not finite, or if there
    is not one for each token.

    >>> print(shade("问题", [0.25, 0.5], colours=False))
    问 ██████████           0.250
    题 ████████████████████ 0.500
    """
    weights = token_weights(weights, tokens)
    shown = [visible(token) for token in tokens]
    share = weights / (weights.max() or 1)
    if colours_shown() if colours is None else colours:
        return _on_grounds(shown, share, weights.max())
    return _with_bars(shown, share, weights)


def colours_shown() -> bool:
    """Whether standard output is a terminal that shows colours, and the user wants them. 是否显示颜色

    A pipe or a file does not, nor TERM=dumb; NO_COLOR, if it is set and not empty, asks for none
    (https://no-color.org). Windows Terminal sets no TERM but WT_SESSION.
    """
    capable = os.environ.get("TERM", "dumb") != "dumb" or "WT_SESSION" in os.environ
    return capable and not os.environ.get("NO_COLOR") and sys.stdout.isatty()


def _on_grounds(tokens: list[str], share: np.ndarray[Any, Any], largest: float) -> str:
    steps = iter(np.rint(share * (len(GROUNDS) - 1)).astype(int))
    # A line that the terminal broke itself would be filled with the last ground to its end.
    lines = fill(tokens, shutil.get_terminal_size().columns)
    painted = ["".join(_paint(token, next(steps)) for token in line) + "\x1b[0m" for line in lines]
    scale = "".join(_paint("  ", step) for step in range(len(GROUNDS)))
    return "\n".join([*painted, f"0 {scale}\x1b[0m {largest:.3f}"])


def _paint(token: str, step: int) -> str:
    """Select Graphic Rendition of ECMA-48: 38;5 and 48;5 choose ink and ground out of 256."""
    return f"\x1b[38;5;{WHITE if step >= DARK_FROM else BLACK};48;5;{GROUNDS[step]}m{token}"


def _with_bars(tokens: list[str], share: np.ndarray[Any, Any], weights: np.ndarray[Any, Any]) -> str:
    width = max(map(display_width, tokens))
    numbers = [f"{weight:.3f}" for weight in weights]
    longest = max(map(len, numbers))
    return "\n".join(
        f"{pad(token, width)} {pad(_bar(part), BAR)} {number:>{longest}}"
        for token, part, number in zip(tokens, share, numbers, strict=True)
    )


def _bar(share: float) -> str:
    whole, eighths = divmod(round(share * BAR * 8), 8)
    return ("█" * whole + PARTS[eighths]).rstrip()
