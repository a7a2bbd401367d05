"""A tape as a straight-line program: named values, and statements made from the formulas' own source. 磁带写成的程序

    tape                                        statement                       section
    forward MatMul((4, 2), (2, 10))             z = x @ W1                      forward
    backward MatMul.backward_b(dy, a)           dW1 = x.mT @ dz1                backward
    forward SGD(w0, g, lr)                      W1_2 = W1 - lr * dW1            update

Every name is assigned once; what a printer calls a value is its business, `hints` tell it what the value is. Printers,
and whoever else reads a program, read only this.
"""

from __future__ import annotations

from tinygrad_zh.program.listing.lister import Lister
from tinygrad_zh.program.listing.parts import BACKWARD, FORWARD, LOSS, UPDATE, Hint, Leaf, Listing, Statement
from tinygrad_zh.program.listing.sections import first_step
from tinygrad_zh.program.recording import Recording

__all__ = ["BACKWARD", "FORWARD", "LOSS", "UPDATE", "Hint", "Leaf", "Listing", "Statement", "first_step", "listed"]


def listed(recording: Recording) -> Listing:
    """The program that a recording is. Raises ValueError where a part of it was not recorded."""
    return Lister(recording).listing
