"""python -m benchmarks NAME [options]: run benchmarks/NAME.py. Without a name: what there is."""

from __future__ import annotations

import ast
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "kernels")]  # a clone that was not installed


def programs() -> dict[str, str]:
    """{name: the first line of what it says of itself} of the files that can be run."""
    found = {}
    for path in sorted(HERE.glob("[a-z]*.py")):
        source = path.read_text(encoding="utf-8")
        if 'if __name__ == "__main__":' in source:
            found[path.stem] = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    return found


def main() -> int:
    known = programs()
    if len(sys.argv) < 2 or sys.argv[1] not in known:
        width = max(map(len, known))
        for name, line in known.items():
            print(f"python -m benchmarks {name:<{width}}  {line}", file=sys.stderr)
        return 2
    name = sys.argv.pop(1)
    sys.argv[0] = f"python -m benchmarks {name}"
    runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
