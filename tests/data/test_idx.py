"""The IDX reader and what it refuses."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from tinygrad_zh.data import read_idx
from tinygrad_zh.data.idx import parse_idx


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=0, min_side=0, max_dims=4, max_side=4)))
def test_round_trip(array):
    read = parse_idx(idx(array), "x")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array, strict=True)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["raw", "gzip"])
def test_files_raw_and_gzipped(tmp_path, pack):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "x").write_bytes(pack(idx(array)))
    np.testing.assert_array_equal(read_idx(tmp_path / "x"), array, strict=True)
    assert not read_idx(tmp_path / "x").flags.writeable


GOOD = idx(np.arange(6, dtype=np.uint8).reshape(2, 3))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not an IDX file"),
        (b"\x89PNG\r\n", "not an IDX file: it starts with 0x89504e47"),
        (b"\0\0\x0d" + GOOD[3:], "IDX type 0x0d; only 0x08"),
        (GOOD[:7], "truncated: 7 bytes are less than its header"),
        (GOOD[:-1], r"truncated: 17 bytes, but shape \(2, 3\) takes 18"),
        (GOOD + b"\0", r"too long: 19 bytes, but shape \(2, 3\) takes 18"),
        (struct.pack(">4I", 0x803, 2**32 - 1, 2**32 - 1, 2**32 - 1), "truncated"),
        (gzip.compress(GOOD)[:-9], "truncated or damaged gzip file"),
        (gzip.compress(GOOD)[:-8] + bytes(8), "truncated or damaged gzip file"),
        (gzip.compress(GOOD)[:10] + b"\xff" * 20, "truncated or damaged gzip file"),
    ],
)
def test_damage_is_named(tmp_path, content, told):
    (tmp_path / "pictures").write_bytes(content)
    with pytest.raises(ValueError, match=rf"pictures .*{told}"):
        read_idx(tmp_path / "pictures")


def test_missing_file():
    with pytest.raises(FileNotFoundError):
        read_idx("nowhere")
