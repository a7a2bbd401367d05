"""make.py is a program that needs PyTorch, not a module of tests."""

from __future__ import annotations

collect_ignore = ["make.py"]
