"""The glossary: complete in both languages, consistent, found by any of its words, linked only where it is meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tinygrad_zh as tz
from tinygrad_zh import cli
from tinygrad_zh.i18n import catalogue, in_language
from tinygrad_zh.ops.formula import all_ops
from tinygrad_zh.stepper.glossary import TERMS, links, lookup, near, search, table, terms_of
from tinygrad_zh.stepper.glossary_page import FILES, FOLDER, main, page

ROOT = Path(tz.__file__).parents[1]
CHINESE = re.compile(r"[\u3400-\u9fff]")
LATIN_NAMES = {"adam"}
PHASES = {"forward", "seed", "backward", "sum_to", "cast", "skip", "gradient", "hook", "update", "assign", "error"}


@pytest.mark.parametrize("key", TERMS)
def test_a_term_is_named_and_explained_in_both_languages(key):
    names, means = TERMS[key].names, catalogue()[f"glossary.{key}.means"]
    assert CHINESE.search(names["zh"]) or key in LATIN_NAMES
    assert not CHINESE.search(names["en"] + means["en"])
    assert means["en"].endswith(".") and means["zh"].endswith("。")
    assert 40 < len(means["en"]) < 420
    assert not re.search(r"[,;:!?] ?[\u3400-\u9fff]", means["zh"]), "Chinese punctuation is full-width"


def test_the_catalogue_has_no_terms_besides():
    keys = {key.split(".")[1] for key in catalogue() if re.fullmatch(r"glossary\.\w+\.means", key)}
    assert keys == TERMS.keys()


@pytest.mark.parametrize("key", TERMS)
def test_related_terms_exist(key):
    related = TERMS[key].related
    assert related and set(related) <= TERMS.keys() - {key}
    assert len(set(related)) == len(related)


def test_every_term_is_related_to_by_another():
    assert TERMS.keys() - {key for term in TERMS.values() for key in term.related} == set()


def test_no_word_stands_for_two_terms():
    words = [
        (re.sub(r"[\s_–-]+", "", word).casefold(), key)
        for key, term in TERMS.items()
        for word in {term.key, *term.names.values(), *term.spellings}
    ]
    meanings = {word: {key for other, key in words if other == word} for word, _ in words}
    assert {word: keys for word, keys in meanings.items() if len(keys) > 1} == {}


@pytest.mark.parametrize("key", TERMS)
def test_it_is_found_by_each_of_its_words(key):
    term = TERMS[key]
    for word in (key, *term.names.values(), *term.spellings, key.upper().replace("_", " ")):
        assert lookup(word) is term
        if len(word) > 1:
            assert term in search(word)


def test_what_is_not_a_term_is_not_found():
    assert lookup("") is None and lookup("cat") is None
    assert search("") == [] and search("zzz") == []
    assert near("gradeint")[0].key == "gradient"
    assert [term.key for term in search("归一化")] == ["batch_norm", "layer_norm", "logits", "softmax"]


# ---- links


@pytest.mark.parametrize(
    ("passage", "found"),
    [
        ("上游梯度乘以局部雅可比矩阵", [("upstream_gradient", "上游梯度"), ("local_jacobian", "局部雅可比矩阵")]),
        ("The Gradient of a leaf tensor", [("gradient", "Gradient"), ("leaf", "leaf tensor")]),
        ("shape (2, 3), reshaped; my_shape, shapely, shape_of", [("shape", "shape")]),
        ("轮到第一批样本", []),
        ("softmax之后", [("softmax", "softmax")]),
        ("", []),
    ],
)
def test_links_are_the_longest_whole_words(passage, found):
    assert [(link.term.key, passage[link.start : link.end]) for link in links(passage)] == found


# ---- steps


def test_every_phase_and_only_real_ops_are_explained():
    data = table()
    assert data["phases"].keys() == PHASES
    assert data["ops"].keys() <= {op.__name__ for op in all_ops()}
    for keys in (*data["phases"].values(), *data["ops"].values()):
        assert keys and set(keys) <= TERMS.keys()


def test_the_terms_of_a_step_are_those_of_its_phase_and_its_op():
    assert [term.key for term in terms_of("seed")] == ["seed_gradient"]
    assert [term.key for term in terms_of("sum_to", "Add")] == ["undo_broadcast", "broadcasting", "elementwise"]
    assert [term.key for term in terms_of("sum_to", "BroadcastTo")] == ["undo_broadcast", "broadcasting"]
    assert [term.key for term in terms_of("seed", "NoSuchOp")] == ["seed_gradient"]


# ---- the command


def said(capsys, *words: str) -> str:
    assert cli.main(["glossary", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("language", FILES)
def test_without_a_word_all_are_listed(capsys, language):
    out = said(capsys, "--lang", language)
    with in_language(language):
        for term in TERMS.values():
            assert f"  {term.title}\n" in out
    assert str(len(TERMS)) in out.splitlines()[-1]


def test_one_term_in_both_languages(capsys):
    assert said(capsys, "--lang", "zh", "dead", "unit") == (
        "死亡神经元（dead unit）\n\n"
        "  对所有样本 ReLU 都输出 0 的神经元。它的梯度也就是 0，再也学不动了；常见的原因\n"
        "  是学习率过大。\n\n"
        "相关：线性整流函数（ReLU）；学习率（learning rate）；初始化（initialization）\n"
    )
    assert said(capsys, "--lang", "en", "死单元") == (
        "dead unit (死亡神经元)\n\n"
        "  A unit whose ReLU is 0 for every sample. Its gradient is then 0 as well, and\n"
        "  it will not learn again; too large a learning rate is a common cause.\n\n"
        "related: ReLU (线性整流函数); learning rate (学习率); initialization (初始化)\n"
    )


def test_a_part_of_a_word_lists_the_terms_that_have_it(capsys):
    out = said(capsys, "--lang", "en", "normal")
    assert out.splitlines()[0] == "Terms with normal in them:"
    assert [line.split(" (")[0].strip() for line in out.splitlines() if line.startswith("  ")] == [
        "batch normalization",
        "layer normalization",
    ]


def test_an_unknown_word_names_close_ones(capsys):
    assert cli.main(["glossary", "--lang", "en", "gradeint"]) == 1
    assert "no term gradeint; close ones: gradient (梯度)" in capsys.readouterr().err
    assert cli.main(["glossary", "--lang", "zh", "qqq"]) == 1
    assert capsys.readouterr().err == "错误：术语表中没有 qqq；相近的有：–\n"


# ---- the pages


@pytest.mark.parametrize("language", FILES)
def test_the_page_is_up_to_date(language):
    with in_language(language):
        made = page()
    kept = (ROOT / FOLDER / FILES[language]).read_text(encoding="utf-8")
    assert kept == made, "make it anew: python -m tinygrad_zh.stepper.glossary_page"
    anchors = re.findall(r'<a id="(\w+)"></a>', made)
    assert anchors == list(TERMS)
    assert set(re.findall(r"\]\(#(\w+)\)", made)) <= set(anchors)
    assert f"]({FILES['zh' if language == 'en' else 'en']})" in made


def test_main_writes_both(tmp_path):
    main(tmp_path)
    for name in FILES.values():
        assert (tmp_path / name).read_bytes() == (ROOT / FOLDER / name).read_bytes()
