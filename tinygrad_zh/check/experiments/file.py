"""A Python file of the user's, run as a module."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any


def module_of(file: str) -> Any:
    """The module that a file defines; as with `python FILE.py`, it may import its neighbours.

    No bytecode is kept: of two versions saved within a second that are as long, Python would run the first twice.
    Raises OSError where there is no such file, and whatever the file raises.
    """
    path = Path(file).resolve(strict=True)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    sys.path.insert(0, str(path.parent))
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    finally:
        sys.path.remove(str(path.parent))
    return module
