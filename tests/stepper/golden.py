"""The golden texts of the stepper: `python -m tests.stepper.golden`, from the root of the repository, writes them.

They are made from documents written by hand, so that a change of one is a change of the text alone.
"""

from __future__ import annotations

from pathlib import Path

from tests.stepper.handmade import showcase, square
from tinygrad_zh.i18n import LANGUAGES, in_language
from tinygrad_zh.stepper.text import listing, step_text

FOLDER = Path(__file__).parents[1] / "golden" / "stepper"
DOCUMENTS = {"square": square, "showcase": showcase}


def golden(name: str, code: str) -> str:
    """The list of the steps of a document, then each step in full."""
    data = DOCUMENTS[name]()
    with in_language(code):
        texts = [listing(data), *(step_text(data, k) for k in range(len(data["steps"])))]
    return f"\n\n{'─' * 100}\n\n".join(texts) + "\n"


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(exist_ok=True)
    for name in DOCUMENTS:
        for code in LANGUAGES:
            Path(FOLDER, f"{name}.{code}.txt").write_text(golden(name, code), encoding="utf-8")


if __name__ == "__main__":
    main()
