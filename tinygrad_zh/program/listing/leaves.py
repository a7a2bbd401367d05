"""What a program starts from: parameters and states by their place in the model. 参数与状态的名称"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from tinygrad_zh.core import Tensor
from tinygrad_zh.core.tape import Line
from tinygrad_zh.nn import Embedding, Module
from tinygrad_zh.program.recording import Recording


class Parameters:
    """What the leaves are: parameters and states by their place in the model, and an optimizer's own."""

    def __init__(self, recording: Recording) -> None:
        self.known: dict[int, tuple[str, str, str]] = {}  # the id of a tensor -> kind, name, path
        self.numbers: dict[int, str] = {}  # the id of a layer with parameters -> its number
        self.roles: dict[int, str] = {}  # the id of a layer -> Q, K, V, O of attention, E of an embedding
        self.one: dict[int, int] = {}  # the ids of tensors that are one -> the first's
        self.leaves: dict[int, str] = {}  # the id of an accumulator -> the leaf's name
        roots = {id(line.info["module"]): line.info["module"] for line in recording.tape.of("enter")
                 if line.info["depth"] == 0}
        whose = {key: f"{type(root).__name__}." if len(roots) > 1 else "" for key, root in roots.items()}
        modules = [(f"{whose[key]}{path}".removesuffix("."), module)
                   for key, root in roots.items() for path, module in root.named_modules()]
        self._roles([module for _, module in modules])
        self._models(dict((id(m), (path, m)) for path, m in reversed(modules)), [id(m) for _, m in modules])
        for optimizer in recording.optimizers:
            self._optimizer(optimizer)

    def _roles(self, modules: Sequence[Module]) -> None:
        """The letters that the field has for the layers of attention, and for a table of embeddings."""
        for module in modules:
            parts = {name: part for name, part in vars(module).items() if isinstance(part, Module)}
            found = {match[1].upper(): part for name, part in parts.items()
                     if (match := ATTENTION.fullmatch(name.lower())) is not None}
            if {"Q", "K", "V"} <= found.keys():
                out = [part for name, part in parts.items() if OUTPUT.fullmatch(name.lower())]
                self.roles |= {id(part): role for role, part in [*found.items(), *(("O", part) for part in out[:1])]}
            if isinstance(module, Embedding):
                self.roles.setdefault(id(module), "E")

    def _models(self, modules: dict[int, tuple[str, Module]], order: list[int]) -> None:
        own = {key: list(modules[key][1].own_tensors()) for key in dict.fromkeys(order)}
        kinds = {key: (_plain(tensors[0][0]), self.roles.get(key, "")) for key, tensors in own.items() if tensors}
        total, count = Counter(kinds.values()), Counter[tuple[str, str]]()
        for key, kind in kinds.items():
            count[kind] += 1
            number = str(count[kind]) if total[kind] > 1 else ""
            path = modules[key][0]
            self.numbers[key] = number
            for attribute, t in own[key]:
                place = _place(f"{path}.{attribute}" if path else attribute)
                what = "parameter" if t.requires_grad else "state"
                name = _plain(attribute) + ("_" + kind[1] if kind[1] else "") + number
                self.known.setdefault(id(t), (what, name, place))

    def _optimizer(self, optimizer: Any) -> None:
        for rate in optimizer._rates.values():
            self.known.setdefault(id(rate), ("rate", "lr", ""))
        counters: dict[str, list[Tensor]] = {}
        for p, state in zip(optimizer.parameters, optimizer.state, strict=True):
            of = self.known.get(id(p), ("", p.name or "", ""))[1]
            for name, t in state.items():
                self.known.setdefault(id(t), ("state", f"{name}_{of}" if of else name, ""))
                if not t.ndim:
                    counters.setdefault(name, []).append(t)
        for name, several in counters.items():  # the number of the step is one for all parameters
            if len({t.numpy().tobytes() for t in several}) == 1:
                self.known |= {id(t): ("state", name, "") for t in several}
                self.one |= {id(t): id(several[0]) for t in several}

    def described(self, tensor: Tensor | None) -> tuple[str, str, str]:
        """Kind, name and path of a leaf; the name is "" where the model does not give it one."""
        if tensor is None:
            return "constant", "", ""
        kind = "parameter" if tensor.requires_grad else "input"
        return self.known.get(id(tensor), (kind, tensor.name or "", ""))

    def leaf_of(self, source: Any) -> str | None:
        return self.leaves.get(id(source))


ATTENTION = re.compile(r"(?:w_?|to_)?(q|k|v)(?:uery|ueries|eys?|alues?)?(?:_proj|_layer)?")
OUTPUT = re.compile(r"(?:w_?|to_)?o(?:ut(?:put)?)?(?:_proj|_layer)?|proj(?:ection)?")
"""What the layers of attention are called."""


def _plain(attribute: str) -> str:
    """weights.0 -> weights0"""
    return attribute.replace(".", "")


def _place(path: str) -> str:
    """layers.0.W -> layers[0].W; a Sequential's own 0.W likewise."""
    path = re.sub(r"^(\d)", r"layers.\1", path)
    return re.sub(r"\.(\d+)", r"[\1]", path)


def entered(tape: Sequence[Line]) -> dict[int, str]:
    """{the id of an array that a module was called with: the name of its parameter}"""
    found: dict[int, str] = {}
    for line in tape:
        if line.kind == "enter":
            names = line.function.__code__.co_varnames[1:]
            given = (getattr(x, "array", x) for x in line.arguments)
            found |= {id(x): name for x, name in zip(given, names, strict=False) if hasattr(x, "dtype")}
    return found
