"""What a run of a system can be told. None means: as the document has it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Options of `tinygrad-zh train`; a system raises ValueError for one that has no meaning for it."""

    data: str | None = None
    source: str | None = None
    text: Path | None = None
    tokens: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    seed: int = 0
    out: Path | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is a number ≥ 1, not {value}")

    def only(self, system: str, *meaningful: str) -> Options:
        """These options, after a check that nothing is given but the meaningful ones and the seed."""
        known = (*meaningful, "seed")
        given = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        useless = [name for name in given if name not in known]
        if useless:
            raise ValueError(f"{system} has no use for {', '.join(useless)}; it takes {', '.join(known)}")
        return self
