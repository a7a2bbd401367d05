"""A file that is written whole, or not at all. 整体写入文件"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A new file beside `path`, to be written in the block; at its end it is renamed over `path`. 整体写入

    A full disk, a missing permission, an error in the block or a killed process leaves the old file or the new one,
    whole. A symbolic link stays one.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(f"{folder}/note.txt") as beside:
    ...         _ = beside.write_text("written")
    ...     [file.name for file in Path(folder).iterdir()]
    ['note.txt']
    """
    target = Path(os.path.realpath(path))  # so that renaming does not replace a symbolic link
    beside = target.with_name(f".tinygrad_zh-{secrets.token_hex(8)}.tmp")
    try:
        yield beside
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)
