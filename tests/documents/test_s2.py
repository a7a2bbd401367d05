"""S2: no test headline is ever learnt from, what a headline becomes, and what is printed."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh import data
from tinygrad_zh import functional as F
from tinygrad_zh.cli import main
from tinygrad_zh.core import grad, manual_seed
from tinygrad_zh.documents import s2
from tinygrad_zh.documents.options import Options
from tinygrad_zh.i18n import in_language
from tinygrad_zh.text import Vocabulary

TOPICS = {"game": "游戏玩家登录网游新版", "sports": "球队主场赢球进球冠军"}


def fabricated(n: int = 120) -> data.Texts:
    """Headlines of seven characters of their topic and three numbers that are in no other headline."""
    draw = np.random.default_rng(0)
    labels = np.arange(n) % 2
    topics = list(TOPICS.values())
    texts = ["".join(draw.choice(list(topics[label]), 7)) + f" {i:03}" for i, label in enumerate(labels)]
    return data.Texts(texts, labels.astype(np.int64), tuple(TOPICS))


def vectors(**known: list[float]) -> s2.Vectors:
    vocabulary = Vocabulary((*Vocabulary.build([]).tokens, *known))
    return s2.Vectors(vocabulary, np.array([[0, 0], [0, 0], *known.values()], np.float32))


def test_the_shapes_are_the_corrected_ones_of_f06():
    assert [p.shape for p in s2.network().parameters()] == [(1000, 1000), (1000,), (1000, 10), (10,)]


def test_no_test_headline_is_learnt_from_and_the_training_ones_are_among_the_unlabelled():
    headlines = fabricated()
    parts = s2.split(headlines, seed=5, size=30)
    train, held_out, unlabelled = set(parts.train.texts), set(parts.held_out.texts), set(parts.unlabelled)
    assert (len(train), len(held_out), len(unlabelled)) == (30, 30, 90)
    assert unlabelled == set(headlines.texts) - held_out
    assert train < unlabelled
    for part in (parts.train, parts.held_out):
        assert np.bincount(part.labels).tolist() == [15, 15]
        assert all(headlines.labels[headlines.texts.index(one)] == y
                   for one, y in zip(part.texts, part.labels, strict=True))
    assert s2.split(headlines, seed=6, size=30).held_out.texts != parts.held_out.texts


def test_a_text_is_the_mean_of_its_known_tokens():
    mean = vectors(股=[1, 2], 市=[3, 6]).mean([["股", "市", "新"], ["市", "市", "股", "股"], ["新"], []])
    assert mean.tolist() == [[2, 4], [2, 4], [0, 0], [0, 0]]
    assert mean.dtype == np.float32


def test_the_inputs_are_the_mean_over_the_words_beside_that_over_the_characters():
    pytest.importorskip("jieba", reason="words of Chinese need jieba, the extra `text`")
    inputs = vectors(股票=[8, 4], 股=[1, 2], 票=[3, 0]).inputs(["股票", "股 票"])
    assert inputs.tolist() == [[8, 4, 2, 1], [2, 1, 2, 1]]


def test_the_pieces_of_a_headline_are_its_words_and_their_characters():
    pytest.importorskip("jieba", reason="words of Chinese need jieba, the extra `text`")
    assert s2.pieces("北京大学 买 12") == ["北京大学", "北", "京", "大", "学", "买", "12", "1", "2"]


def test_vectors_are_learnt_of_tokens_that_are_there_often_enough():
    pytest.importorskip("jieba", reason="words of Chinese need jieba, the extra `text`")
    manual_seed(0)
    learnt = s2.learn_vectors(fabricated().texts, width=4, progress="none")
    assert learnt.vectors.shape == (len(learnt.vocabulary), 4)
    assert {"游", "戏", "球"} < set(learnt.vocabulary.tokens)
    assert not {"007", "119"} & set(learnt.vocabulary.tokens)


def test_an_epoch_of_the_document_is_one_step_of_gradient_descent_on_the_inputs_as_they_are():
    draw = np.random.default_rng(0)
    x, x_out = draw.normal(3, 2, (2, 1000, 1000)).astype(np.float32)
    y, y_out = draw.integers(10, size=(2, 1000))
    manual_seed(0)
    model = s2.network()
    parameters = model.parameters()
    for p, gradient in zip(parameters, grad(F.cross_entropy(model(x), y), parameters), strict=True):
        p.assign(p.numpy() - 0.01 * gradient.numpy())
    expected = [float((model(part).numpy().argmax(axis=1) == t).mean()) for part, t in ((x, y), (x_out, y_out))]
    manual_seed(0)
    found = s2.train_once(s2.RECIPES["document"]._replace(epochs=1), (x, y), (x_out, y_out))
    assert found == pytest.approx(expected, abs=0.002)
    assert s2.RECIPES["document"] == (slice(None), False, s2.SGD, 0.01, 1000, 1000)


def test_a_recipe_sees_its_columns_alone_and_standardizes_by_the_training_texts():
    draw = np.random.default_rng(0)
    y, y_out = draw.integers(10, size=(2, 100))
    x, x_out = (draw.normal(size=(100, 2 * s2.WIDTH)).astype(np.float32) for _ in range(2))
    manual_seed(0)
    alone = s2.train_once(s2.RECIPES["words"], (x, y), (x_out, y_out))
    x, x_out = 1 + 50 * x, 1 + 50 * x_out
    x[:, s2.WIDTH:] = x_out[:, s2.WIDTH:] = 0
    manual_seed(0)
    assert s2.train_once(s2.RECIPES["words"], (x, y), (x_out, y_out)) == pytest.approx(alone, abs=0.02)


def test_a_baseline_is_scored_on_the_training_texts_and_on_the_others():
    pytest.importorskip("sklearn", reason="the baselines need scikit-learn, the extra `text`")
    train = fabricated(40)
    swapped = data.Texts(train.texts, 1 - train.labels, train.names)
    half_swapped = data.Texts(train.texts[:2] * 2, np.array([0, 1, 1, 0]), train.names)
    assert s2.counted("bayes_pairs", train, swapped) == (1, 0)
    assert s2.counted("logistic_pairs", train, half_swapped) == (1, 0.5)


@pytest.fixture
def small(monkeypatch):
    """The system on fabricated headlines, with few and short vectors."""
    pytest.importorskip("jieba", reason="words of Chinese need jieba, the extra `text`")
    monkeypatch.setattr(s2.data, "headlines", lambda source=None: fabricated())
    monkeypatch.setattr(s2.split, "__defaults__", (30,))
    monkeypatch.setattr(s2.learn_vectors, "__defaults__", (8, 3, "none"))
    monkeypatch.setattr(s2, "WIDTH", 8)
    monkeypatch.setattr(s2, "RECIPES", {name: recipe._replace(columns=slice(0, 8)) if name == "words" else recipe
                                        for name, recipe in s2.RECIPES.items() if name != "characters"})
    monkeypatch.setattr(s2, "SHOWN", {"team": "球"})


@pytest.mark.parametrize(
    ("language", "said"),
    [("zh", ["条新闻标题", "跳字模型", "F03", "余弦最大的词", "朴素贝叶斯：词与字", "测试准确率", "接下来可以试试"]),
     ("en", ["headlines of news", "skip-gram", "F03", "球 (sports team)", "naive Bayes: words and characters",
             "test accuracy", "Try next"])],
)
def test_the_run_prints_neighbours_and_a_table_with_naive_bayes(language, said, small, capsys):
    pytest.importorskip("sklearn", reason="the baselines need scikit-learn, the extra `text`")
    with in_language(language):
        figures = s2.run(Options(epochs=20))
    printed = capsys.readouterr().out
    assert all(words in printed for words in said), printed
    assert figures.keys() == {*s2.RECIPES, *s2.BASELINES}
    assert all(f"{accuracy:.3f}" in printed for accuracy in figures.values())
    assert figures["adam"] > 0.9


def test_without_scikit_learn_the_network_s_figures_are_printed_all_the_same(small, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.naive_bayes", None)
    figures = s2.run(Options(epochs=20))
    assert figures.keys() == set(s2.RECIPES)
    assert 'pip install "tinygrad-zh[text]"' in capsys.readouterr().out


@pytest.mark.parametrize("useless", [{"batch_size": 32}, {"data": "mnist"}, {"out": "here"}])
def test_options_without_a_meaning_are_refused(useless):
    with pytest.raises(ValueError, match="S2 has no use for " + next(iter(useless))):
        s2.run(Options(**useless))


def test_a_source_that_is_not_there(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGRAD_ZH_CACHE", str(tmp_path / "cache"))
    assert main(["--lang", "en", "train", "s2", "--source", str(tmp_path / "none.tar.gz")]) == 1
    assert "none.tar.gz" in capsys.readouterr().err


@pytest.mark.texts
@pytest.mark.slow
def test_on_real_headlines_the_network_is_above_naive_bayes(headline_archive, tmp_path, monkeypatch, capsys):
    pytest.importorskip("jieba", reason="words of Chinese need jieba, the extra `text`")
    pytest.importorskip("sklearn", reason="the baselines need scikit-learn, the extra `text`")
    monkeypatch.setenv("TINYGRAD_ZH_CACHE", str(tmp_path))
    monkeypatch.setattr(s2, "RECIPES", {"adam": s2.ADAM})
    found = s2.run(Options(source=headline_archive))
    assert found["adam"] > max(found[name] for name in s2.BASELINES) + 0.02
    assert found["adam"] >= 0.77
