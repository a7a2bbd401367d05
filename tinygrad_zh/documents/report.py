"""How the systems speak: sentences from the catalogue, in the language chosen."""

from __future__ import annotations

from typing import Any

from tinygrad_zh.i18n import text


def say(key: str, **values: Any) -> None:
    """Print the catalogue's text for a key."""
    print(text(key, **values), flush=True)


def heading(system: str, **values: Any) -> None:
    """What the system is, then what it is trained on."""
    say(f"system.{system}")
    say(f"{system}.data", **values)
    print()
