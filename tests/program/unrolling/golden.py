"""The golden texts of unroll: `python -m tests.program.unrolling.golden`, from the root of the repository, writes them.

What depends on the machine (NumPy, BLAS) is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.documents import s5, s6

FOLDER = Path(__file__).parents[2] / "golden" / "unroll"


def residual() -> Callable[[], Any]:
    """A block whose input runs past it, a mask of dropout, weight decay, AdamW. No number depends on the machine."""
    W = tz.tensor(np.arange(9.0).reshape(3, 3) / 8, requires_grad=True, name="W")
    gamma = tz.tensor(np.ones(3), requires_grad=True, name="gamma")
    optimizer = tz.optim.AdamW([W, gamma], lr=0.125, weight_decay=0.25)
    x, rng = tz.tensor(np.arange(6.0).reshape(2, 3) / 4, name="x"), np.random.Generator(np.random.Philox(7))

    def step() -> None:
        h = F.dropout(F.relu(x @ W), 0.5, generator=rng)
        y = F.rms_norm(x + h, gamma)
        loss = (y * y).mean() + (W * W).sum() * 0.5
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


MADE: dict[str, Callable[[], Any]] = {"s5": s5.first_step, "s6": s6.first_step, "residual": residual}


def printed(name: str, lang: str) -> str:
    """The program, without its title and without the numbers that go in."""
    source = tz.unroll(MADE[name](), lang=lang).source
    _, *sections = source.split("\n# ---- ")
    return "\n".join("# ---- " + section for section in sections if " = np.array(" not in section)


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in MADE:
        for lang in ("en", "zh"):
            (FOLDER / f"{name}.{lang}.txt").write_text(printed(name, lang), encoding="utf-8")


if __name__ == "__main__":
    write()
