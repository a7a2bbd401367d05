"""The IDX format that MNIST and its relatives come in, raw or gzipped.

Two zero bytes, one byte for the element type, one for the number of axes, the length of each axis as a
big-endian 32-bit integer, then the elements in row-major order (Y. LeCun, C. Cortes, C. Burges, "The MNIST
database").
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np

UNSIGNED_BYTE = 0x08


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzipped or not (读取 IDX 文件), as a read-only uint8 array.

    Raises ValueError, naming the file, when the magic is wrong or bytes are missing or left over; OSError
    when it cannot be opened.
    """
    return parse_idx(gunzip(Path(path).read_bytes(), path), path)


def gunzip(content: bytes, name: str | os.PathLike[str]) -> bytes:
    """Uncompress what is gzipped and pass on what is not; ``name`` is for the error."""
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{name} is a truncated or damaged gzip file ({error})") from error


def parse_idx(content: bytes, name: str | os.PathLike[str]) -> np.ndarray:
    """The array that the bytes of an IDX file hold; ``name`` is for the error."""
    if len(content) < 4 or content[:2] != b"\0\0":
        raise ValueError(f"{name} is not an IDX file: it starts with 0x{content[:4].hex()}")
    if content[2] != UNSIGNED_BYTE:
        raise ValueError(
            f"{name} holds elements of IDX type 0x{content[2]:02x}; only 0x08, unsigned bytes, is read"
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(f"{name} is truncated: {len(content)} bytes are less than its header")
    shape = tuple(np.frombuffer(content, ">u4", count=content[3], offset=4).tolist())
    expected = start + math.prod(shape)
    if len(content) != expected:
        fault = "truncated" if len(content) < expected else "too long"
        raise ValueError(f"{name} is {fault}: {len(content)} bytes, but shape {shape} takes {expected}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
