"""Any text file as one str."""

from __future__ import annotations

import gzip

import pytest

from tinygrad_zh.data import read_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_one_file(tmp_path, encoding, end):
    path = tmp_path / "a.md"
    path.write_bytes(f"神经网络{end}\t反向传播{end}{end}中文".encode(encoding))
    assert read_text(path) == read_text(str(path)) == "神经网络\n\t反向传播\n\n中文"


def test_gb18030_characters_beyond_gbk(tmp_path):
    (tmp_path / "a.txt").write_bytes("㐀𠀀€".encode("gb18030"))
    assert read_text(tmp_path / "a.txt") == "㐀𠀀€"


def test_a_folder_in_the_order_of_the_names(tmp_path):
    for name, text in (("b.txt", "二"), ("a.TXT", "一\n"), ("c.txt", ""), ("d.md", "不读")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "e.txt").mkdir()
    assert read_text(tmp_path) == "一\n\n二\n"


@pytest.mark.parametrize("content", [b"", b" \n\t ", b"\xef\xbb\xbf"])
def test_nothing_to_read(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    for place in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(ValueError, match="holds nothing but white space"):
            read_text(place)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", r"a\.txt is not a text file: it holds the control character U\+001A"),
        (b"PK\x03\x04word", r"a\.txt is not a text file: it holds the control character U\+0003"),
        (gzip.compress("你好".encode(), mtime=0), r"a\.txt is (not a text file|neither UTF-8)"),
        ("你好".encode("utf-16"), r"a\.txt is (not a text file|neither UTF-8)"),
        (b"\xff" * 10, r"a\.txt is neither UTF-8 nor GB18030; save it as UTF-8 text"),
    ],
    ids=["png", "zip", "gzip", "utf-16", "bytes"],
)
def test_not_text(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    for place in (tmp_path, tmp_path / "a.txt"):
        with pytest.raises(ValueError, match=message):
            read_text(place)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "nowhere.txt")
    with pytest.raises(FileNotFoundError, match=r"holds no \.txt file"):
        read_text(tmp_path)
