"""Texts with their classes, and files of them."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh.data import Texts, labelled_texts

LABELS = np.array([0, 1, 1])


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


class TestTexts:
    def test_take_keeps_order_and_names(self):
        some = Texts(["a", "b", "c"], LABELS, ("x", "y")).take([2, 0])
        assert (some.texts, some.labels.tolist(), some.names) == (["c", "a"], [1, 0], ("x", "y"))
        assert len(some) == 2

    def test_take_wants_row_numbers(self):
        texts = Texts(["a", "b", "c"], LABELS, ("x", "y"))
        with pytest.raises(TypeError, match="row numbers must be integers, got bool"):
            texts.take(texts.labels == 1)
        with pytest.raises(IndexError):
            texts.take([3])

    @pytest.mark.parametrize(
        ("texts", "labels", "names", "error", "message"),
        [
            (["a"], np.array([0.0]), ("x",), TypeError, "labels must be int64, got float64"),
            (["a", "b"], np.array([0]), ("x",), ValueError, r"2 texts need labels \(2,\), got \(1,\)"),
            (["a"], np.array([[0]]), ("x",), ValueError, r"need labels \(1,\), got \(1, 1\)"),
            ([], np.zeros(0, np.int64), ("x",), ValueError, "the data set is empty"),
            (["a", None], np.array([0, 0]), ("x",), TypeError, "a text must be a str, got NoneType"),
            (["a"], np.array([1]), ("x",), ValueError, r"labels must be in \[0, 1\), one for each name, got \[1, 1\]"),
            (["a"], np.array([-1]), ("x",), ValueError, r"labels must be in \[0, 1\)"),
        ],
    )
    def test_what_does_not_belong_together(self, texts, labels, names, error, message):
        with pytest.raises(error, match=message):
            Texts(texts, labels, names)


class TestLabelledTexts:
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("head", ["", "label\ttext\n", "\ufefflabel\ttext\n", "\ufeff", "\n\n"])
    def test_lines_of_a_label_a_tab_and_a_text(self, tmp_path, head, end):
        body = "体育\t 今天 赢了 \n\n财经\t股票\u2028涨了\n体育\t又赢了"
        found = labelled_texts(write(tmp_path / "a.tsv", (head + body).replace("\n", end)))
        assert found.texts == ["今天 赢了", "股票\u2028涨了", "又赢了"]
        assert found.names == ("体育", "财经") and found.labels.tolist() == [0, 1, 0]
        assert found.labels.dtype == np.int64 and not found.labels.flags.writeable

    def test_gb18030(self, tmp_path):
        found = labelled_texts(write(tmp_path / "a.tsv", "体育\t赢了€".encode("gb18030")))
        assert (found.names, found.texts) == (("体育",), ["赢了€"])

    def test_names_of_another_file(self, tmp_path):
        path = write(tmp_path / "a.tsv", "b\t1\n")
        assert labelled_texts(path, ("a", "b")).labels.tolist() == [1]
        with pytest.raises(ValueError, match=r"a\.tsv, line 1: the label 'b' is not one of a, c$"):
            labelled_texts(path, ("a", "c"))

    def test_a_header_is_the_first_line_alone(self, tmp_path):
        found = labelled_texts(write(tmp_path / "a.tsv", "label\ttext\nlabel\ttext\n"))
        assert (found.names, found.texts) == (("label",), ["text"])

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "holds no texts"),
            ("\n \n", "holds no texts"),
            ("label\ttext\n", "holds no texts"),
            ("a\tone\nno tab\n", r"line 2: expected a label, a tab and a text, got \('no tab',\)"),
            ("a\tone\ttwo\n", "line 1: expected a label, a tab and a text"),
            ("a\t \n", "line 1: expected a label, a tab and a text"),
            ("\tone\n", "line 1: expected a label, a tab and a text"),
            (b"a\t\xff\xff\n", "is neither UTF-8 nor GB18030"),
            (b"a\tone\x00\n", r"is not a text file: it holds the control character U\+0000"),
        ],
    )
    def test_another_kind_of_file(self, tmp_path, content, message):
        with pytest.raises(ValueError, match=message) as error:
            labelled_texts(write(tmp_path / "a.tsv", content))
        assert str(error.value).startswith(str(tmp_path / "a.tsv")) and "\n" not in str(error.value)

    def test_no_file(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            labelled_texts(tmp_path / "nowhere.tsv")
