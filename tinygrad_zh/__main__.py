"""`python -m tinygrad_zh` is the command `tinygrad-zh`."""

from __future__ import annotations

import sys

from tinygrad_zh.cli import main

if __name__ == "__main__":
    sys.exit(main())
