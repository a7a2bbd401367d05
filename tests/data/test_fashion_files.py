"""Fashion-MNIST from a folder, and what of it ships; how a collection is obtained is tested in test_mnist_files.py."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from tinygrad_zh.data import clothes, fashion_files, fashion_mnist

from .server import serve
from .test_idx import idx

NAMES = list(fashion_files.FILES)


@pytest.fixture
def small(monkeypatch) -> dict[str, bytes]:
    """Four small files in Fashion-MNIST's place."""
    arrays = (np.zeros((3, 28, 28)), np.array([9, 0, 3]), np.ones((2, 28, 28)), np.array([5, 8]))
    contents = {name: idx(array.astype(np.uint8)) for name, array in zip(NAMES, arrays, strict=True)}
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(fashion_files, "FILES", sums)
    return contents


def test_a_folder_as_the_source(tmp_path, small):
    for name, content in small.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    train, test = fashion_mnist(tmp_path / "empty", source=tmp_path)
    assert (train.labels.tolist(), test.labels.tolist()) == ([9, 0, 3], [5, 8])
    assert (test.pixels == 1).all()


def test_a_download_into_the_cache_under_its_own_name(tmp_path, small, monkeypatch):
    monkeypatch.setenv("TINYGRAD_ZH_CACHE", str(tmp_path))
    files = {f"/fashion/{name}.gz": gzip.compress(content) for name, content in small.items()}
    with serve(files) as server:
        monkeypatch.setattr(fashion_files, "MIRRORS", (f"{server.address}/fashion/",))
        assert fashion_mnist()[0].labels.tolist() == [9, 0, 3]
    assert sorted(path.name for path in (tmp_path / "fashion-mnist").iterdir()) == sorted(f"{n}.gz" for n in NAMES)


def test_digits_are_not_clothes(tmp_path, small):
    for name in NAMES:
        (tmp_path / name).write_bytes(idx(np.zeros(3, np.uint8)))
    with pytest.raises(ValueError, match=r"is not Fashion-MNIST's train-images-idx3-ubyte"):
        fashion_mnist(tmp_path)


def test_clothes_can_be_told_apart():
    """The nearest class mean gets about 2 of 3 right on the test pictures: pictures and labels belong together."""
    train, test = clothes()
    means = np.stack([train.pixels[train.labels == k].reshape(400, -1).mean(axis=0) for k in range(10)])
    distances = (means**2).sum(axis=1) - 2 * test.pixels.reshape(1000, -1).astype(float) @ means.T
    nearest = distances.argmin(axis=1)
    assert 0.6 < (nearest == test.labels).mean() < 0.8


def test_no_test_picture_is_a_training_picture():
    train, test = clothes()
    assert not {picture.tobytes() for picture in train.pixels} & {picture.tobytes() for picture in test.pixels}


@pytest.fixture
def whole() -> str:
    """A folder of Fashion-MNIST's four files, as Debian's package dataset-fashion-mnist has it."""
    place = os.environ.get("TINYGRAD_ZH_FASHION")
    if not place or not Path(place).exists():
        pytest.skip("TINYGRAD_ZH_FASHION does not name a folder of Fashion-MNIST's files")
    return place


@pytest.mark.mnist
def test_the_whole_of_fashion_mnist_and_what_ships_of_it(tmp_path, whole):
    for every, shipped, count in zip(fashion_mnist(tmp_path, source=whole), clothes(), (400, 100), strict=True):
        assert np.unique(np.bincount(every.labels)).size == 1
        first = np.concatenate([np.flatnonzero(every.labels == c)[:count] for c in range(10)])
        np.testing.assert_array_equal(shipped.pixels, every.pixels[first])
        np.testing.assert_array_equal(shipped.labels, every.labels[first])
