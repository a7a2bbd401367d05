"""What a run of a system can be told. None means: as the document has it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """Options of `tinygrad-zh train`; a system raises ValueError for one that has no meaning for it."""

    data: str | None = None
    source: str | None = None
    epochs: int | None = None
    batch_size: int | None = None
    seed: int = 0
    out: Path | None = None
