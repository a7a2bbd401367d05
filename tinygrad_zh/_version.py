"""The version, in one place: the wheel's metadata, `__version__` and `tinygrad-zh --version` read it."""

__version__ = "0.1.0"
