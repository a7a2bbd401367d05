"""The frameworks that `benchmarks/training.py` measures: a file each, and the process in which each of them runs.

A framework's module has VARIANTS, {name: in a sentence how it is used}; `loaded(variant)`, which imports what the
variant needs and says what multiplies its matrices; and `stepper(case, variant)`, a function that takes the number of
a batch, makes one training step on it and returns the loss, which `float` makes a number.
"""

from __future__ import annotations

from typing import NamedTuple


class Peer(NamedTuple):
    """module: of this folder. variant: of its VARIANTS. core: for OPENBLAS_CORETYPE, empty where OpenBLAS chooses."""

    module: str
    variant: str
    core: str = ""

    @property
    def name(self) -> str:
        return self.variant + (f" ~{self.core}" if self.core else "")


OURS = [Peer("ours", "compiled"), Peer("ours", "numba"), Peer("ours", "formulas")]
PEERS = [
    *OURS,
    Peer("pytorch", "PyTorch"),
    Peer("pytorch", "PyTorch fused"),
    Peer("pytorch", "torch.compile"),
    Peer("jax_", "JAX jit"),
    Peer("hips", "HIPS autograd"),
    Peer("tinygrad_", "tinygrad"),
    Peer("micrograd_", "micrograd"),
]
CORES = ("Haswell",)
"""Cores that ours is also measured with: this one stands in for a processor on which both have the same products."""
EVERYTHING = [*PEERS, *(Peer(peer.module, peer.variant, core) for core in CORES for peer in OURS)]
