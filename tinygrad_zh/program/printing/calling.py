"""What the printed program calls each value: names are used again as one does by hand. 变量的叫法

    W1_2 = W1 - lr * dW1                        W1 = W1 - lr * dW1          the leaf's new value has the leaf's name
    dh_2 = dh + dy                              dh = dh + dy                a gradient that grows keeps its name
    e_2 = np.exp(s_2)                           e = np.exp(s)               so does what is local to a formula
"""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from tinygrad_zh.program.listing import Listing
from tinygrad_zh.program.printing.simplifying import Row, required


def display_names(rows: Sequence[Row], listing: Listing) -> dict[str, str]:
    """{the name in the listing: the name in print}. Two values share one only where the first is not needed any more,
    and is what the second is: an earlier state of the same leaf or gradient, or local to a formula as well."""
    last: dict[str, float] = {name: i for i, row in enumerate(rows) for name in row.reads}
    last |= dict.fromkeys(required(listing), inf)
    names = {leaf.name: leaf.name for leaf in listing.leaves}
    holders = dict(names)
    for i, row in enumerate(rows):
        for target in row.targets:
            base, owner = _wish(target, names, listing)
            number = 1
            while True:
                wish = base if number == 1 else f"{base}_{number}"
                holder = holders.get(wish)
                if wish not in listing.helpers and (holder is None or (
                        last.get(holder, -1) <= i and holder not in row.targets
                        and owner and _wish(holder, names, listing)[1] == owner)):
                    break
                number += 1
            names[target], holders[wish] = wish, target
    return names


def _wish(name: str, names: dict[str, str], listing: Listing) -> tuple[str, object]:
    """What a value would like to be called, and what it is a state of."""
    hint = listing.hints[name]
    if hint.kind == "gradient":
        return "d" + names.get(hint.of, listing.hints[hint.of].base or hint.of), ("gradient", hint.of)
    if hint.kind == "update":
        return names.get(hint.of, hint.base), ("leaf", hint.of)
    if hint.kind == "local":
        return hint.base, "local"
    return hint.base, ("leaf", name) if listing.leaf(name) else None
