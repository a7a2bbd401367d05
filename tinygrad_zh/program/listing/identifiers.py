"""The user's names as names that Python takes. 变量名"""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

GREEK = {"η": "lr", "α": "alpha", "β": "beta", "γ": "gamma", "λ": "lam", "μ": "mu", "σ": "sigma"}
FURNITURE = ("np", "math", "base64", "zlib", "stored")
"""What a printed program imports and defines for itself."""
RESERVED = frozenset({"_", *FURNITURE, *keyword.kwlist, *keyword.softkwlist, *dir(builtins)})


def identifier(name: str) -> str:
    """A name that Python takes, and that hides nothing."""
    name = unicodedata.normalize("NFKC", GREEK.get(name, name))  # Python reads names so
    name = re.sub(r"\[(\d+)\]", lambda m: str(int(m[1]) + 1), name)
    name = re.sub(r"\W", "_", name).strip("_") or "c"
    name = name if name.isidentifier() else "c" + name
    return name + "_" if name in RESERVED else name
