"""What the engine set out to reach: how many times as long a peer takes for a step as ours does, on one thread."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

TIE = 0.05
"""Two times that differ by less than this share are called a tie."""
FUSED = ("PyTorch fused", "torch.compile")


class Target(NamedTuple):
    """In `case`, the fastest of `peers` takes at least `least` times as long as `ours`."""

    case: str
    ours: str
    peers: tuple[str, ...]
    least: float

    def found(self, seconds: Mapping[str, float]) -> Found | None:
        """What was measured, from {who: seconds a step}; None where ours or all of the peers are missing."""
        measured = {peer: seconds[peer] for peer in self.peers if peer in seconds}
        if not measured or self.ours not in seconds:
            return None
        peer = min(measured, key=lambda name: measured[name])
        return Found(self, peer, measured[peer] / seconds[self.ours])


class Found(NamedTuple):
    """A target, the peer that was the fastest of its kind, and its time ÷ ours."""

    target: Target
    peer: str
    ratio: float

    @property
    def met(self) -> bool:
        return self.ratio >= self.target.least

    @property
    def said(self) -> str:
        """"met" or "MISSED"; and "slower" or "a tie" where ours is not the faster one by more than TIE."""
        verdict = "met" if self.met else "MISSED"
        if abs(self.ratio - 1) <= TIE:
            return f"{verdict}, a tie"
        return verdict if self.ratio > 1 else f"{verdict}, slower"


def _row(cases: str, eager: float, fused: float, jax: float) -> list[Target]:
    return [Target(case, "compiled", peers, least) for case in cases.split()
            for peers, least in ((("PyTorch",), eager), (FUSED, fused), (("JAX jit",), jax))]


CHOSEN = [
    *_row("a32 a64", 3.3, 2.5, 1.35),
    *_row("a512", 2.3, 2.2, 1.1),
    *_row("b", 2.0, 2.0, 1.05),
    Target("c", "numba", ("PyTorch",), 2.0),
    *_row("c", 18.0, 8.0, 4.0),
    *_row("d", 8.0, 5.0, 2.2),
    *_row("e", 2.2, 2.2, 2.5),
    *_row("f", 2.0, 1.8, 3.0),
]
"""With the core that OpenBLAS chooses, on an AMD processor: there OpenBLAS uses AVX-512, and MKL, which multiplies
PyTorch's matrices, does not."""

EQUAL = {"a32": 2.0, "a64": 2.0, "a512": 1.35, "b": 1.15, "c": 8.0, "d": 5.5, "e": 1.4}
"""Against PyTorch's eager mode where both multiply matrices about equally fast: on an AMD processor with OpenBLAS's
Haswell core; on an Intel processor, where MKL uses AVX-512 too, with the core that OpenBLAS chooses."""


def formulas_beside_hips(cases: list[str]) -> list[Target]:
    """The formulas alone, eager and without Numba, are never slower than HIPS autograd."""
    return [Target(case, "formulas", ("HIPS autograd",), 1.0) for case in cases]


def equal_products(core: str = "") -> list[Target]:
    """EQUAL, for ours with a core of OpenBLAS's."""
    return [Target(case, "compiled" + (f" ~{core}" if core else ""), ("PyTorch",), least)
            for case, least in EQUAL.items()]
