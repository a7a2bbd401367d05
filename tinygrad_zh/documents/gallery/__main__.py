"""Write the gallery's page anew."""

from __future__ import annotations

import sys
from pathlib import Path

from tinygrad_zh.documents.gallery.page import FILE, write

write(Path(sys.argv[1]) if len(sys.argv) > 1 else FILE)
