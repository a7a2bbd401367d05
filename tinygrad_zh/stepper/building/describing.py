"""What an op says of itself: the names in its signatures, its formula, what its backward keeps."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from tinygrad_zh.core.op import locate
from tinygrad_zh.ops.formula import formula
from tinygrad_zh.program.printing.wording import formula_words


def input_names(cls: Any, count: int) -> list[str]:
    return [f"{cls.inputs[0]}[{k}]" for k in range(count)] if cls.variadic else list(cls.inputs)


def output_names(cls: Any, count: int) -> list[str]:
    return [f"{cls.outputs[0]}[{k}]" for k in range(count)] if cls.many else list(cls.outputs)


def saved(cls: Any) -> list[str]:
    """What the backward of an op keeps: what its functions name that is neither upstream nor a keyword."""
    names = [p.name for key in cls.backwards for p in inspect.signature(getattr(cls, key)).parameters.values()
             if p.kind != p.KEYWORD_ONLY and locate(cls, key, p.name)[0] != "upstream"]
    return list(dict.fromkeys(names))


def described(cls: Any) -> dict[str, Any]:
    """The op's formula, its partials by input, its Chinese term and notes; a user's op may have none."""
    try:
        said = formula(cls)
    except ValueError:
        return {"forward": cls.__name__, "partials": {}, "zh": "", "notes": ""}
    names = [key.removeprefix("backward_") for key in cls.backwards if key != "backward"] or list(cls.inputs)
    partials = dict(zip(names, said.partials, strict=False))
    chinese = {"forward_zh": formula_words(said.forward, "zh"),
               "partials_zh": {name: formula_words(partial, "zh") for name, partial in partials.items()}}
    entry = {"forward": said.forward, "partials": partials, "zh": said.chinese, "notes": said.notes}
    return entry | {key: words for key, words in chinese.items() if words != entry[key.removesuffix("_zh")]}


def keyword(value: Any) -> str:
    """A keyword's value, for its reader."""
    if isinstance(value, (type, np.dtype)):
        return np.dtype(value).name
    text = f"array {value.shape}" if hasattr(value, "shape") else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
