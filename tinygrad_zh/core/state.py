"""A state: named arrays, as `state_dict` gives them and `tz.load` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def check_state(owner: str, own: Mapping[str, Any], state: Any, strict: bool = True) -> None:
    """Whether a state can take the place of `own`, before one value changes. strict: with just these names.

    Raises TypeError for what is no mapping, ValueError that lists every name that is missing, extra or of
    another shape, and TypeError that lists every array whose dtype does not fit.
    """
    if not isinstance(state, Mapping):
        raise TypeError("a state maps names to arrays, as state_dict() and tz.load(path) give it; "
                        f"this is a {type(state).__name__}")
    shared = {name: np.asarray(state[name]) for name in own if name in state}
    _refuse(ValueError, owner, {
        "missing": sorted(own.keys() - state.keys()) if strict else [],
        "not in it": sorted(map(str, state.keys() - own.keys())) if strict else [],
        "of another shape": [f"{name} is {array.shape}, not {own[name].shape}"
                             for name, array in shared.items() if array.shape != own[name].shape],
    })
    _refuse(TypeError, owner, {
        "of another dtype": [f"{name} is {array.dtype}, not {own[name].dtype}"
                             for name, array in shared.items()
                             if not np.can_cast(array.dtype, own[name].dtype, "same_kind")],
    })


def _refuse(kind: type[Exception], owner: str, problems: dict[str, list[str]]) -> None:
    found = [f"{problem}: {', '.join(names)}" for problem, names in problems.items() if names]
    if found:
        raise kind(f"this state does not fit {owner}, nothing was loaded; {'; '.join(found)}")
