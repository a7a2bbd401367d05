"""A text cut into characters and words: normalised, total, the same every time."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_zh import text
from tinygrad_zh.text import tokens


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", []),
        (" \t\r\n\u3000\u00a0\u2028", []),
        ("你好，世界。", ["你", "好", ",", "世", "界", "。"]),
        ("ＡＢＣ１２３％（）：；！？", list("abc123%():;!?")),
        ("WiFi 2.4G", list("wifi2.4g")),
        ("①㎡…", ["1", "m", "2", ".", ".", "."]),
        ("e\u0301", ["é"]),
        ("\ufeff\u200b\x00\x07好\ud800", ["好"]),
        ("😀👍🏽", ["😀", "👍", "🏽"]),
        ("İ", ["i", "\u0307"]),
    ],
)
def test_characters(given, expected):
    assert text.characters(given) == expected


@given(st.text(st.characters()))
def test_characters_of_any_text(given):
    found = text.characters(given)
    assert all(len(token) == 1 and not token.isspace() for token in found)
    assert "".join(found).encode("utf-8").decode("utf-8") == "".join(found)


def test_a_character_is_normalised_once_and_for_all():
    every = (chr(number) for number in range(0x20000))
    assert [c for c in every if tokens.normalized(tokens.normalized(c)) != tokens.normalized(c)] == []


@pytest.mark.parametrize("cut", [text.characters, text.words])
@pytest.mark.parametrize("wrong", [None, 1, b"abc", ["a"]])
def test_only_a_str_is_a_text(cut, wrong):
    with pytest.raises(TypeError, match=f"a text must be a str, got {type(wrong).__name__}"):
        cut(wrong)


class TestWords:
    @pytest.fixture(autouse=True)
    def needed(self):
        pytest.importorskip("jieba", reason="jieba is not installed")

    def test_the_words_of_a_sentence(self):
        assert text.words("我来到北京清华大学") == ["我", "来到", "北京", "清华大学"]

    def test_normalised_like_characters(self):
        assert text.words("ＷｉＦｉ　很 快！\n4.5分") == ["wifi", "很", "快", "!", "4.5", "分"]

    @given(st.text(st.characters()))
    def test_words_are_made_of_the_characters(self, given):
        found = text.words(given)
        assert list("".join("".join(found).split())) == text.characters(given)
        assert all(word and not word.isspace() for word in found)

    def test_no_text_no_words(self):
        assert text.words("") == text.words(" \n\u3000") == []

    def test_words_added_to_jieba_elsewhere_change_nothing(self, tmp_path):
        import jieba

        sentence = "台中正确应该不会被切开"
        before = text.words(sentence)
        jieba.dt.tmp_dir = str(tmp_path)
        jieba.setLogLevel(logging.CRITICAL)
        jieba.add_word("台中正确应该")
        try:
            assert jieba.lcut(sentence) != before
            assert text.words(sentence) == before
        finally:
            jieba.del_word("台中正确应该")

    def test_in_silence_and_without_a_shared_file(self, tmp_path):
        """A new process that compiles jieba anew with warnings as errors; a poisoned cache lies where it looks."""
        temporary, compiled = tmp_path / "temporary", tmp_path / "compiled"
        temporary.mkdir()
        (temporary / "jieba.cache").write_bytes(b"not marshal")
        code = f"""if True:
            import sys
            from tinygrad_zh.text import words
            sys.pycache_prefix = {str(compiled)!r}
            print(len(words("我来到北京清华大学")))"""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "TMPDIR": str(temporary), "TEMP": str(temporary), "PYTHONPATH": "kernels"},
        )
        assert (done.stdout.strip(), done.stderr, done.returncode) == ("4", "", 0)
        assert [path.name for path in temporary.iterdir()] == ["jieba.cache"]
        assert (temporary / "jieba.cache").read_bytes() == b"not marshal"


def test_without_jieba_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jieba", None)
    tokens._jieba.cache_clear()
    with pytest.raises(ImportError, match=r'needs jieba: pip install "tinygrad-zh\[text\]"'):
        text.words("你好")
