"""Downloads against a real server: resumed, checked, whole or not there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tinygrad_zh.data import download
from tinygrad_zh.data.download import cache_folder, fetch

from .server import serve

CONTENT = np.random.default_rng(0).bytes(300_000)


def check(part: Path) -> None:
    if part.read_bytes() != CONTENT:
        raise ValueError(f"wrong bytes, SHA-256 {hashlib.sha256(part.read_bytes()).hexdigest()}")


def assert_fetched(path: Path) -> None:
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_one_request_when_all_is_well(tmp_path):
    with serve({"/a": CONTENT}) as server:
        fetch([f"{server.address}/a", f"{server.address}/b"], tmp_path / "new" / "folder" / "a", check)
        assert server.requests == [("/a", None)]
    assert_fetched(tmp_path / "new" / "folder" / "a")


def test_a_cut_connection_is_resumed(tmp_path):
    with serve({"/a": CONTENT}, cuts={"/a": [100_000]}) as server:
        fetch([f"{server.address}/a"], tmp_path / "a", check)
        assert server.requests == [("/a", None), ("/a", "bytes=100000-")]
    assert_fetched(tmp_path / "a")


def test_another_mirror_goes_on_where_the_first_stopped(tmp_path):
    with serve({"/a": CONTENT, "/b": CONTENT}, cuts={"/a": [100_000]}) as server:
        fetch([f"{server.address}/a", f"{server.address}/b"], tmp_path / "a", check)
        assert server.requests == [("/a", None), ("/b", "bytes=100000-")]
    assert_fetched(tmp_path / "a")


def test_a_later_call_goes_on_where_the_last_one_stopped(tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT[:200_000])
    with serve({"/a": CONTENT}) as server:
        fetch([f"{server.address}/a"], tmp_path / "a", check)
        assert server.requests == [("/a", "bytes=200000-")]
    assert_fetched(tmp_path / "a")


def test_what_has_arrived_is_kept_when_all_fails(tmp_path):
    with serve({"/a": CONTENT}, cuts={"/a": [100_000, 50_000]}) as server:
        with pytest.raises(ConnectionError, match="connection was cut after 150000 of 300000 bytes"):
            fetch([f"{server.address}/a"], tmp_path / "a", check)
    assert (tmp_path / "a.part").read_bytes() == CONTENT[:150_000]
    assert not (tmp_path / "a").exists()


def test_a_server_without_ranges_starts_anew(tmp_path):
    (tmp_path / "a.part").write_bytes(b"something else")
    with serve({"/a": CONTENT}, ranges=False) as server:
        fetch([f"{server.address}/a"], tmp_path / "a", check)
        assert server.requests == [("/a", "bytes=14-")]
    assert_fetched(tmp_path / "a")


def test_a_server_that_tells_no_length(tmp_path):
    with serve({"/a": CONTENT}, length=False) as server:
        fetch([f"{server.address}/a"], tmp_path / "a", check)
    assert_fetched(tmp_path / "a")


def test_a_part_that_was_complete_is_used(tmp_path):
    (tmp_path / "a.part").write_bytes(CONTENT)
    with serve({"/a": CONTENT}) as server:
        fetch([f"{server.address}/a"], tmp_path / "a", check)
    assert_fetched(tmp_path / "a")


@pytest.mark.parametrize("stale", [b"x" * 1000, b"x" * 400_000], ids=["shorter", "longer"])
def test_a_part_of_another_file_is_thrown_away(tmp_path, stale):
    (tmp_path / "a.part").write_bytes(stale)
    with serve({"/a": CONTENT}) as server:
        fetch([f"{server.address}/a"], tmp_path / "a", check)
        assert server.requests == [("/a", f"bytes={len(stale)}-"), ("/a", None)]
    assert_fetched(tmp_path / "a")


def test_missing_here_but_not_at_the_mirror(tmp_path):
    with serve({"/b": CONTENT}) as server:
        fetch([f"{server.address}/a", f"{server.address}/b"], tmp_path / "a", check)
        assert [path for path, _ in server.requests] == ["/a", "/b"]
    assert_fetched(tmp_path / "a")


def test_wrong_bytes_here_but_not_at_the_mirror(tmp_path):
    with serve({"/a": CONTENT[::-1], "/b": CONTENT}) as server:
        fetch([f"{server.address}/a", f"{server.address}/b"], tmp_path / "a", check)
        assert server.requests == [("/a", None), ("/b", None)]
    assert_fetched(tmp_path / "a")


def test_nowhere_says_why_and_where_to_put_it(tmp_path):
    with serve({"/a": CONTENT[::-1]}) as server:
        urls = [f"{server.address}/a", f"{server.address}/b"]
        with pytest.raises(ConnectionError) as error:
            fetch(urls, tmp_path / "a", check)
    message = str(error.value)
    assert message.startswith(f"could not download a; put the file at {tmp_path / 'a'} yourself (")
    assert f"{urls[0]}: wrong bytes" in message and f"{urls[1]}: HTTP Error 404" in message
    assert list(tmp_path.iterdir()) == []


def test_nobody_listens(tmp_path):
    with serve({}) as server:
        url = f"{server.address}/a"
    with pytest.raises(ConnectionError, match="refused"):
        fetch([url], tmp_path / "a", check)
    assert list(tmp_path.iterdir()) == []


def test_not_an_address(tmp_path):
    with pytest.raises(ConnectionError, match="unknown url type"):
        fetch(["a"], tmp_path / "a", check)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"TINYGRAD_ZH_CACHE": "/mine"}, "/mine"),
        ("linux", {"XDG_CACHE_HOME": "/xdg"}, "/xdg/tinygrad-zh"),
        ("linux", {}, "/home/.cache/tinygrad-zh"),
        ("darwin", {}, "/home/Library/Caches/tinygrad-zh"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/tinygrad-zh"),
        ("win32", {}, "/home/AppData/Local/tinygrad-zh"),
    ],
)
def test_cache_folder(monkeypatch, platform, environment, expected):
    for name in ("TINYGRAD_ZH_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(download.sys, "platform", platform)
    monkeypatch.setattr(download.Path, "home", lambda: Path("/home"))
    assert cache_folder() == Path(expected)
