"""Text files of any origin, as one str."""

from __future__ import annotations

import os
from pathlib import Path

KEPT = "\n\t\f\v"  # what a text may hold beside letters; other control characters mean another kind of file


def read_text(path: str | os.PathLike[str]) -> str:
    """The whole of a text file, or of every .txt file in a folder by the order of their names (读取文本).

    The encoding is UTF-8, with a byte-order mark or without, or else GB18030, which GBK and GB2312 are part
    of. Every line ends in a single line feed, whatever ended it in the file; files are joined by one.

    Raises ValueError, naming the file, when it is neither encoding, not text at all, or when there is
    nothing to read in it; FileNotFoundError when it is missing or the folder holds no .txt file.
    """
    place = Path(path)
    if place.is_dir():
        files = sorted(file for file in place.iterdir() if file.suffix.lower() == ".txt" and file.is_file())
        if not files:
            raise FileNotFoundError(f"the folder {place} holds no .txt file")
    else:
        files = [place]
    text = "\n".join(decoded(file.read_bytes(), file) for file in files)
    if not text.strip():
        raise ValueError(f"{place} holds nothing but white space")
    return text


def decoded(content: bytes, place: str | os.PathLike[str]) -> str:
    """UTF-8 or GB18030 as a str with line feeds; ``place`` is for the error."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if strange := next((c for c in text if c < " " and c not in KEPT), None):
            raise ValueError(f"{place} is not a text file: it holds the control character U+{ord(strange):04X}")
        return text
    raise ValueError(f"{place} is neither UTF-8 nor GB18030; save it as UTF-8 text")
