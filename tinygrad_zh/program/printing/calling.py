"""What the printed program calls each value: names are used again as one does by hand. 变量的叫法

    W1_2 = W1 - lr * dW1                        W1 = W1 - lr * dW1          the leaf's new value has the leaf's name
    dh_2 = dh + dy                              dh = dh + dy                a gradient that grows keeps its name
    e_2 = np.exp(s_2)                           e = np.exp(s)               and what nobody reads any more gives it up
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from tinygrad_zh.program.listing import Listing
from tinygrad_zh.program.printing.rows import Row, required


def display_names(rows: Sequence[Row], listing: Listing) -> dict[str, str]:
    """{the name in the listing: the name in print}. Two values share one only where the first is not needed any more,
    and is of the second's kind: both states of one leaf, both gradients, both local to a formula."""
    return _Caller(rows, listing).names


class _Caller:
    def __init__(self, rows: Sequence[Row], listing: Listing) -> None:
        self.listing = listing
        self.last: dict[str, float] = {name: i for i, row in enumerate(rows) for name in row.reads}
        self.last |= dict.fromkeys(required(listing), inf)
        self.names = {"_": "_", **{leaf.name: leaf.name for leaf in listing.leaves}}
        self.holders = dict(self.names)
        for i, row in enumerate(rows):
            for bound in row.bound:  # all that the row reads is still there
                self._call(bound, i - 0.5, row.bound)
                self.last[bound] = i
            for target in row.targets:
                if target != "_":  # a result that nobody wants
                    self._call(target, i, row.targets)

    def _call(self, target: str, now: float, together: Sequence[str]) -> None:
        hint = self.listing.hints[target]
        if hint.kind == "gradient" and hint.of not in self.names:  # of a value that was folded: it keeps its name free
            self._call(hint.of, now, together)
            self.last[hint.of] = max(self.last.get(target, -1), now)
        base, owner = self._wish(target)
        number, wish = 1, base
        while not self._free(wish, owner, now, together) or (wish in self.listing.reserved and not hint.own
                                                             and hint.kind in ("value", "local")):
            number += 1
            wish = f"{base}_{number}"
        self.names[target], self.holders[wish] = wish, target

    def _free(self, wish: str, owner: object, now: float, together: Sequence[str]) -> bool:
        holder = self.holders.get(wish)
        if wish in self.listing.helpers:
            return False
        return holder is None or (self.last.get(holder, -1) <= now and holder not in together
                                  and self._wish(holder)[1] == owner)

    def _wish(self, name: str) -> tuple[str, object]:
        """What a value would like to be called, and what kind of value may have been called so before it."""
        hint = self.listing.hints[name]
        if hint.kind == "gradient":
            return "d" + self.names[hint.of], "gradient"
        if hint.kind == "update" or self.listing.leaf(name):
            leaf = hint.of or name
            return self.names[leaf], ("leaf", leaf)
        return hint.base, "local" if not hint.own else hint.kind  # nobody's own name may go on to the next
