"""Names that tell apart tensors of one name, and the versions of one tensor."""

from __future__ import annotations

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


class Names:
    """Each name once; another tensor of the same name is x₂, x₃, …"""

    def __init__(self) -> None:
        self._times: dict[str, int] = {}

    def fresh(self, name: str) -> str:
        times = self._times[name] = self._times.get(name, 0) + 1
        return name if times == 1 else f"{name}{str(times).translate(SUBSCRIPTS)}"


def version(name: str, number: int) -> str:
    """A leaf after its updates: W′, W″, W⁽³⁾, …"""
    return name + ("", "′", "″")[number] if number < 3 else f"{name}⁽{str(number).translate(SUPERSCRIPTS)}⁾"
