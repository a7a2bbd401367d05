"""The vocabulary: counted, encoded and decoded, kept as JSON, and hard to damage unseen."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_zh import load, save
from tinygrad_zh.serialization import load_metadata
from tinygrad_zh.text import Vocabulary, characters

SPECIAL = ("〈pad〉", "〈unknown〉")
TEXTS = [list("好好好书"), list("书差"), list("差远"), []]
token_lists = st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=8))


def test_the_most_frequent_come_first_and_ties_by_code_point():
    assert Vocabulary.build(TEXTS).tokens == (*SPECIAL, "好", *sorted("书差"), "远")
    assert sorted("书差") == ["书", "差"]


def test_the_order_of_the_texts_does_not_matter():
    assert Vocabulary.build(TEXTS) == Vocabulary.build(reversed(TEXTS)) == Vocabulary.build(iter(TEXTS))


def test_size_counts_the_special_tokens():
    assert Vocabulary.build(TEXTS, size=4).tokens == (*SPECIAL, "好", "书")
    assert Vocabulary.build(TEXTS, size=2).tokens == SPECIAL
    assert len(Vocabulary.build(TEXTS, size=100)) == 6


def test_min_count():
    assert Vocabulary.build(TEXTS, min_count=2).tokens == (*SPECIAL, "好", "书", "差")
    assert Vocabulary.build(TEXTS, min_count=4).tokens == SPECIAL
    assert Vocabulary.build([]).tokens == SPECIAL


def test_encode_pads_behind_and_keeps_the_first_tokens():
    vocabulary = Vocabulary.build(TEXTS)
    ids = vocabulary.encode([list("好书"), list("好好书书差差"), list("没好"), []], length=4)
    assert ids.dtype == np.int64
    assert ids.tolist() == [[2, 3, 0, 0], [2, 2, 3, 3], [1, 2, 0, 0], [0, 0, 0, 0]]
    assert vocabulary.encode([], length=4).shape == (0, 4)
    assert vocabulary.PAD == 0 and vocabulary.UNKNOWN == 1


def test_a_text_cannot_spell_a_special_token():
    vocabulary = Vocabulary.build([["〈pad〉", "〈pad〉", "好", "〈unknown〉"]])
    assert vocabulary.tokens == (*SPECIAL, "好")
    assert vocabulary.encode([["〈pad〉", "〈unknown〉", "好"]], length=3).tolist() == [[1, 1, 2]]
    assert "〈pad〉" not in vocabulary and "好" in vocabulary and 3 not in vocabulary


@given(token_lists, st.integers(1, 10))
def test_decode_gives_back_what_was_encoded(texts, length):
    vocabulary = Vocabulary.build(texts, size=10_000)
    hidden = {special: "〈unknown〉" for special in SPECIAL}
    expected = [[hidden.get(token, token) for token in text[:length]] for text in texts]
    ids = vocabulary.encode(texts, length)
    assert ids.shape == (len(texts), length)
    assert vocabulary.decode(ids) == expected


def test_decode_bad_ids():
    vocabulary = Vocabulary.build(TEXTS)
    with pytest.raises(ValueError, match=r"must have shape \(n, length\), got \(2,\)"):
        vocabulary.decode([1, 2])
    with pytest.raises(TypeError, match="must be integers, got float64"):
        vocabulary.decode([[1.0]])
    for wrong in (-1, 6):
        with pytest.raises(IndexError, match=r"ids must be in \[0, 6\)"):
            vocabulary.decode([[2, wrong]])


def test_coverage_is_the_share_of_known_tokens():
    vocabulary = Vocabulary.build(TEXTS)
    assert vocabulary.coverage([list("好书没有"), []]) == 0.5
    with pytest.raises(ValueError, match="the texts hold no tokens"):
        vocabulary.coverage([[], []])


@given(token_lists)
def test_json_gives_the_same_vocabulary(texts):
    vocabulary = Vocabulary.build(texts)
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary and hash(again) == hash(vocabulary)


def test_kept_with_the_weights_of_a_model(tmp_path):
    vocabulary = Vocabulary.build([characters("你好，\"世界\" \\ \u2028 ＜＞ 😀 é")])
    path = tmp_path / "model.safetensors"
    save({"weight": np.zeros(2)}, path, metadata={"vocabulary": vocabulary.to_json()})
    assert load(path)["weight"].shape == (2,)
    assert Vocabulary.from_json(load_metadata(path)["vocabulary"]) == vocabulary


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        ("", "is not JSON"),
        ('["〈pad〉", "〈unknown〉", "好"', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[" + "9" * 5000 + "]", "is not JSON|list of strings"),
        ("{}", "must be a JSON list of strings"),
        ("null", "must be a JSON list of strings"),
        ('"〈pad〉"', "must be a JSON list of strings"),
        ('["〈pad〉", "〈unknown〉", 3]', "must be a JSON list of strings"),
        ('["〈pad〉", "〈unknown〉", ["好"]]', "must be a JSON list of strings"),
        ("[]", "the first two tokens must be"),
        ('["好", "书"]', "the first two tokens must be"),
        ('["〈unknown〉", "〈pad〉"]', "the first two tokens must be"),
        ('["〈pad〉", "〈unknown〉", "好", "好"]', "the token '好' is there 2 times"),
        ('["〈pad〉", "〈unknown〉", "〈pad〉"]', "the token '〈pad〉' is there 2 times"),
        ('["〈pad〉", "〈unknown〉", "\\ud800"]', "cannot be written as UTF-8"),
    ],
)
def test_damaged_json_is_a_value_error(damaged, message):
    with pytest.raises(ValueError, match=message) as error:
        Vocabulary.from_json(damaged)
    assert "\n" not in str(error.value)


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_text_is_a_vocabulary_or_a_value_error(given):
    try:
        assert isinstance(Vocabulary.from_json(given), Vocabulary)
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"size": 1}, ValueError, "size must be at least 2, got 1"),
        ({"size": 2.5}, TypeError, "size must be an int, got 2.5"),
        ({"size": True}, TypeError, "size must be an int, got True"),
        ({"min_count": 0}, ValueError, "min_count must be at least 1, got 0"),
        ({"min_count": None}, TypeError, "min_count must be an int, got None"),
    ],
)
def test_build_bad_numbers(arguments, error, message):
    with pytest.raises(error, match=message):
        Vocabulary.build(TEXTS, **arguments)


@pytest.mark.parametrize("length", [0, -1])
def test_encode_bad_length(length):
    with pytest.raises(ValueError, match=f"length must be at least 1, got {length}"):
        Vocabulary.build(TEXTS).encode(TEXTS, length)


@pytest.mark.parametrize(
    "use",
    [Vocabulary.build, Vocabulary.build(TEXTS).coverage, lambda texts: Vocabulary.build(TEXTS).encode(texts, 3)],
    ids=["build", "coverage", "encode"],
)
def test_texts_are_lists_of_strings(use):
    with pytest.raises(TypeError, match=r"must be a list of tokens, got the str '你好'; cut it with text\.characters"):
        use(["你好"])
    with pytest.raises(TypeError, match="must be a list of tokens"):
        use("你好")
    with pytest.raises(TypeError, match="a token must be a str, got int: 3"):
        use([["好", 3]])


def test_numpy_integers_are_integers():
    assert len(Vocabulary.build(TEXTS, size=np.int64(3), min_count=np.int32(1))) == 3
    assert Vocabulary.build(TEXTS).encode(TEXTS, np.int64(3)).shape == (4, 3)


def test_equal_by_its_tokens():
    assert Vocabulary([*SPECIAL, "好"]) == Vocabulary((*SPECIAL, "好"))
    assert Vocabulary([*SPECIAL, "好"]) != Vocabulary([*SPECIAL, "书"])
    assert Vocabulary(SPECIAL) != SPECIAL


def test_repr_shows_the_first_tokens():
    assert repr(Vocabulary(SPECIAL)) == "Vocabulary of 2 tokens: 〈pad〉, 〈unknown〉"
    many = Vocabulary.build([[chr(ord("a") + number) for number in range(26)]])
    assert repr(many) == "Vocabulary of 28 tokens: 〈pad〉, 〈unknown〉, a, b, c, d, e, f, g, h, …"
