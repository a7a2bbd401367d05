"""Names of a program as symbols of a formula: W1 is W₁, gamma1 is γ₁, dz1 is ∂L/∂z₁. 变量名 → 数学符号"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

_GREEK = ("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi "
          "psi omega").split()
_LETTERS = {name: f"\\{name}" for name in _GREEK} | {name.title(): f"\\{name.title()}" for name in (
    "gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "phi", "psi", "omega")}
_LETTERS |= {"eps": "\\epsilon", "lr": "\\eta", "lambda_": "\\lambda"}
_ACCENTS = {"hat": "\\hat", "bar": "\\bar", "tilde": "\\tilde", "̂": "\\hat", "̄": "\\bar", "̃": "\\tilde"}


class Symbols:
    """LaTeX for each name of one program: no two names look alike, and gradients are ∂L/∂x.

    names: all that the program assigns or reads. root: the one whose gradients they are; `loss` is written L. A name
    d… is a gradient where the rest is a name too; dz1_2, a second contribution to it, is (∂L/∂z₁)⁽²⁾. displayed: what
    a name is called in print, where that is another one.
    """

    def __init__(self, names: Iterable[str], root: str = "loss", displayed: Mapping[str, str] | None = None) -> None:
        ordered = list(dict.fromkeys(names))
        self._displayed = displayed or {}
        self._names = set(ordered)
        self._symbols: dict[str, str] = {}
        self._taken: set[str] = set()
        self._root = root
        for name in sorted(ordered, key=lambda name: self._differentiated(name) is not None):
            self._symbols[name] = self._free(name)

    def __call__(self, name: str) -> str:
        return self._symbol(self._displayed.get(name, name))

    def _symbol(self, name: str) -> str:
        if name not in self._symbols:
            self._symbols[name] = self._free(name)
        return self._symbols[name]

    def raised(self, name: str) -> bool:
        """Whether the symbol has a mark above, so that a power of it needs brackets."""
        return "^" in self(name) or self(name).startswith("\\frac")

    def indices(self, count: int) -> list[str]:
        """Letters for the axes of an array, the first for the first: i, j, k, … as far as they are no names here."""
        free = [letter for letter in "ijklmnpqrstuvwxyzabcdefgh" if letter not in self._names]
        return free[:count]

    def _free(self, name: str) -> str:
        symbol = next(candidate for candidate in self._candidates(name) if candidate not in self._taken)
        self._taken.add(symbol)
        return symbol

    def _candidates(self, name: str) -> Iterator[str]:
        of = self._differentiated(name)
        if of is not None:
            variable, again = of
            partial = f"\\frac{{\\partial {self._symbol(self._root)}}}{{\\partial {self._symbol(variable)}}}"
            yield f"\\left({partial}\\right)^{{({again})}}" if again else partial
        if name == "loss":
            yield "L"
        yield from self._plain(name)
        yield f"\\mathtt{{{escaped(name)}}}"

    def _plain(self, name: str) -> Iterator[str]:
        """Ways to write a name, the most usual first."""
        accented = re.fullmatch(r"(.+)_(hat|bar|tilde)(\d*)", name)
        if accented:  # x_hat, and that of the second layer
            head, accent, number = accented.groups()
            yield f"{_ACCENTS[accent]}{{{next(self._plain(head))}}}" + (f"_{{{number}}}" if number else "")
        first, _, rest = name.partition("_")
        if (len(first) == 1 or first in _LETTERS) and rest and not rest.isdigit():
            yield f"{_base(first)}_{{{next(self._plain(rest))}}}"
        elif rest in self._names and first.isalpha():  # norm_W1
            yield f"{_base(first)}_{{{self._symbol(rest)}}}"
        numbered = re.fullmatch(r"(.*?[^\W\d_])_?(\d+)", name)
        if numbered:
            below = numbered[2] if len(numbered[2]) == 1 else f"{{{numbered[2]}}}"
            yield f"{_base(numbered[1])}_{below}"
        again = re.fullmatch(r"(.+)_(\d+)", name)
        if again:  # a second z1 is called z1_2
            yield f"{next(self._plain(again[1]))}^{{({again[2]})}}"
        if re.fullmatch("[A-Z][a-z]", name):  # Wq
            yield f"{name[0]}_{name[1]}"
        yield _base(name)

    def _differentiated(self, name: str) -> tuple[str, str] | None:
        """(z1, "2") for dz1_2, the second name for a gradient of z1; None for what is no gradient."""
        found = re.fullmatch(r"d(\w+?)(?:_(\d+))?", name)
        if name[:1] != "d" or found is None or name == self._root:
            return None
        if name[1:] in self._names:
            return name[1:], ""
        return (found[1], found[2] or "") if found[1] in self._names else None


def _base(word: str) -> str:
    """One word as one symbol."""
    plain = unicodedata.normalize("NFD", word)
    if len(plain) == 2 and plain[1] in _ACCENTS:
        return f"{_ACCENTS[plain[1]]}{{{plain[0]}}}"
    if word in _LETTERS:
        return _LETTERS[word]
    if len(word) == 1:
        return _greek(word) if not word.isascii() else word
    return f"\\mathit{{{escaped(word)}}}" if word.isascii() else f"\\text{{{escaped(word)}}}"


def _greek(letter: str) -> str:
    """η is \\eta; LaTeX without a Unicode font does not know it otherwise."""
    words = unicodedata.name(letter, "").split()
    if words[:1] == ["GREEK"] and len(words) == 4:
        spelled = words[3].lower().replace("lamda", "lambda")
        return _LETTERS.get(spelled.title() if words[1] == "CAPITAL" else spelled, f"\\text{{{letter}}}")
    return f"\\text{{{letter}}}"


def escaped(text: str) -> str:
    """Text inside \\mathit{…} or \\text{…}, where some marks mean something."""
    return re.sub(r"([#$%&_{}])", r"\\\1", text)
