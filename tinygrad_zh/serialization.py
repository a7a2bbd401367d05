"""Weights on disk (权重的保存与读取): safetensors files that are whole or not there, and never pickle.

The library's NumPy writer trusts an array's memory to be contiguous: for ``x.T`` it stores wrong numbers,
for ``x[::-1]`` bytes that are not the array's. So what is written here is always a fresh contiguous copy,
read back and compared before it takes the place of the old file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_zh.disk import whole_file

__all__ = ["load", "load_metadata", "save"]

CHECKSUM = "tinygrad_zh.sha256"
HEADER_LIMIT = 16 * 2**20  # bytes; room for about 150,000 names, and a bound on what a hostile file can cost
DTYPES = frozenset("BOOL U8 U16 U32 U64 I8 I16 I32 I64 F16 F32 F64".split())


def save(
    state: Mapping[str, ArrayLike], path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays to one safetensors file (保存权重), or leave the old file as it was.

    The new file is written beside the old one, synced, read back, compared, and only then renamed over it: a
    full disk, a missing permission or a killed process leaves the old file or the new one, whole. (A killed
    process may also leave a hidden ``.tmp`` file.) ``metadata`` is free text kept in the file's header; a
    SHA-256 of everything is added to it, and `load` verifies it.

    Booleans, integers and floats of 16, 32 and 64 bits keep their dtype, their shape (0-d and empty included)
    and their bits.

    Raises TypeError for other dtypes, naming the key; ValueError for a name or metadata key that the format
    reserves; OSError when the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save({"w": np.eye(2)}, f"{folder}/model.safetensors")
    ...     load(f"{folder}/model.safetensors")["w"]
    array([[1., 0.],
           [0., 1.]])
    """
    from safetensors.numpy import save as serialize

    arrays = {_checked_name(name): _exact_copy(name, value) for name, value in state.items()}
    notes = _checked_metadata(metadata or {})
    content = serialize(arrays, metadata={**notes, CHECKSUM: _checksum(arrays, notes)})

    with whole_file(path) as beside:
        with open(beside, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _read_back(beside, Path(path))
    _sync_folder(beside.parent)


def load(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read the named arrays of a safetensors file (读取权重), as writable arrays that share nothing.

    A file written by `save` is verified against its checksum; a file from another writer carries none and is
    read as it is. The header is checked first, so a damaged file is refused before its data is read.

    Raises ValueError, naming the path and the reason, for a file that is truncated, too long, damaged, has a
    name twice, or holds a dtype that NumPy does not have; OSError when it cannot be opened.
    """
    from safetensors import SafetensorError, safe_open

    header = _read_header(path)
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():
                if (dtype := header[name]["dtype"]) not in DTYPES:
                    raise ValueError(
                        f"cannot load {path}: {name!r} has dtype {dtype}, which NumPy does not have; "
                        f"convert it to F32 where it was written"
                    )
            arrays = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"cannot load {path}: it is truncated or damaged ({error})") from error

    for name, array in arrays.items():
        if array.dtype == np.bool_ and (array.view(np.uint8) > 1).any():
            raise ValueError(f"cannot load {path}: {name!r} is BOOL but holds bytes other than 0 and 1")
    notes = dict(header.get("__metadata__") or {})
    expected = notes.pop(CHECKSUM, None)
    if expected is not None and _checksum(arrays, notes) != expected:
        raise ValueError(f"cannot load {path}: its checksum does not match, so it changed after it was saved")
    return arrays


def load_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read the free text that `save` was given (读取元数据), without reading the arrays.

    Raises ValueError for a damaged header; OSError when the file cannot be opened.
    """
    notes = _read_header(path).get("__metadata__") or {}
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise ValueError(f"cannot load {path}: its metadata is not text")
    return {key: note for key, note in notes.items() if key != CHECKSUM}


def _checked_name(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"names in a state must be str, got {name!r} of type {type(name).__name__}")
    if name == "__metadata__":
        raise ValueError("the name '__metadata__' is reserved by the safetensors format; rename the array")
    if not _is_unicode(name):
        raise ValueError(f"the name {name!r} cannot be written as UTF-8; rename the array")
    return name


def _exact_copy(name: str, value: ArrayLike) -> np.ndarray:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TypeError(f"state[{name!r}] is not an array: {error}") from error
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(
            f"state[{name!r}] has dtype {array.dtype}, which cannot be saved; "
            f"use bool, an integer, float16, float32 or float64"
        )
    return np.array(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    for key, note in metadata.items():
        if not isinstance(key, str) or not isinstance(note, str):
            raise TypeError(f"metadata must map str to str, got {key!r}: {note!r}")
        if key == CHECKSUM:
            raise ValueError(f"the metadata key {CHECKSUM!r} is reserved for the checksum; choose another")
        if not _is_unicode(key + note):
            raise ValueError(f"the metadata {key!r}: {note!r} cannot be written as UTF-8")
    return dict(metadata)


def _is_unicode(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _checksum(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> str:
    """SHA-256 over metadata, names, dtypes, shapes and little-endian bytes, whatever order they come in."""
    ordered = {name: _little_endian(arrays[name]) for name in sorted(arrays)}
    layout = [(name, array.dtype.str, array.shape) for name, array in ordered.items()]
    digest = hashlib.sha256(json.dumps([sorted(metadata.items()), layout]).encode())
    for array in ordered.values():
        digest.update(array.data)
    return digest.hexdigest()


def _little_endian(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)


def _read_back(temporary: Path, target: Path) -> None:
    try:
        load(temporary)  # verifies the checksum, which was taken from the arrays and not from the file
    except ValueError as error:
        raise OSError(
            f"cannot save {target}: what was read back is not what was written; check the disk"
        ) from error


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows cannot open a folder, and renames durably without it
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The JSON header, in bounded memory; of two equal names the library keeps one without a word."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError(
                f"cannot load {path}: it is truncated or not safetensors "
                f"({size} bytes, with a header said to take {length})"
            )
        if length > HEADER_LIMIT:
            raise ValueError(
                f"cannot load {path}: its header takes {length} bytes, more than the limit of {HEADER_LIMIT}"
            )
        content = file.read(length)
    try:
        header = json.loads(content.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"cannot load {path}: its header is damaged ({error})") from error
    if not isinstance(header, dict):
        raise ValueError(f"cannot load {path}: its header is damaged (not a JSON object)")
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"the name {twice[:80]!r} is there twice")
    return result
