"""Skip-gram: its loss and gradient, its pairs, and that neighbours of a word are of its topic."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.check import gradcheck
from tinygrad_zh.text import Vocabulary, neighbours, skip_gram, skip_gram_loss
from tinygrad_zh.text.pairs import Pairs
from tinygrad_zh.train import progress

ANIMALS, SHIPS = ("猫", "狗", "鸟", "鱼", "马"), ("船", "帆", "桨", "锚", "港")
QUIET = {"progress": "none", "threshold": 1.0}


@pytest.fixture(scope="module")
def corpus() -> tuple[Vocabulary, list[np.ndarray]]:
    """200 texts of five tokens, each of one of two topics, but with 的, which is in all."""
    draw = np.random.default_rng(0)
    texts = [[*draw.choice(topic, 4), "的"] for topic in (ANIMALS, SHIPS) for _ in range(100)]
    vocabulary = Vocabulary.build(texts)
    return vocabulary, list(vocabulary.encode(texts, length=8))


# ---- the loss


def test_the_loss_is_the_paper_s_with_the_draws_shared():
    draw = np.random.default_rng(0)
    v, u, noise = draw.normal(size=(3, 4)), draw.normal(size=(3, 4)), draw.normal(size=(5, 4))

    def sigma(z: float) -> float:
        return 1 / (1 + math.exp(-z))

    by_hand = np.mean([
        -math.log(sigma(u[i] @ v[i])) - 2 / 5 * sum(math.log(sigma(-noise[j] @ v[i])) for j in range(5))
        for i in range(3)
    ])
    assert skip_gram_loss(v, u, noise, negatives=2) == pytest.approx(by_hand, rel=1e-12)


def test_the_gradient_of_the_loss():
    draw = np.random.default_rng(1)
    leaves = [tz.tensor(draw.normal(size=shape), requires_grad=True) for shape in ((3, 4), (3, 4), (5, 4))]
    assert gradcheck(lambda v, u, noise: skip_gram_loss(v, u, noise, negatives=3), *leaves)


def test_the_gradient_reaches_the_tables_where_a_token_is_there_twice():
    draw = np.random.default_rng(2)
    V, U = (tz.tensor(draw.normal(size=(4, 3)), requires_grad=True) for _ in range(2))

    def loss(V, U):
        F = tz.functional
        centres, near, noise = ([1, 1, 3], [2, 0, 2], [0, 2, 2, 1])
        return skip_gram_loss(F.embedding(centres, V), F.embedding(near, U), F.embedding(noise, U))

    assert gradcheck(loss, V, U)


# ---- the pairs


def drawn(texts, window, size=20, threshold=1.0, passes=1, seed=0):
    generator = np.random.default_rng(seed)
    pairs = Pairs(texts, size, window, threshold)
    return [pair for _ in range(passes) for pair in zip(*map(np.ndarray.tolist, pairs.draw(generator)), strict=True)]


def test_a_window_of_one_gives_every_neighbour_on_both_sides_once():
    assert sorted(drawn([[2, 3, 4], [5, 6]], window=1)) == [(2, 3), (3, 2), (3, 4), (4, 3), (5, 6), (6, 5)]


def test_no_pair_crosses_from_one_text_to_the_next():
    assert {pair for pair in drawn([[2, 3], [4, 5]], window=5, passes=50)} == {(2, 3), (3, 2), (4, 5), (5, 4)}


def test_padding_and_unknown_tokens_are_left_out_and_their_neighbours_are_neighbours_of_each_other():
    assert sorted(drawn([[2, 1, 3, 0, 0]], window=1)) == [(2, 3), (3, 2)]


def test_a_token_at_distance_k_is_a_neighbour_in_window_minus_k_of_the_draws():
    pairs = drawn([[2, 3, 4, 5]], window=3, passes=3000)
    for context, share in ((3, 1), (4, 2 / 3), (5, 1 / 3)):
        assert pairs.count((2, context)) / 3000 == pytest.approx(share, abs=0.03)


def test_frequent_tokens_are_thinned_out_to_the_root_of_their_frequency():
    pairs = Pairs([[2] * 96 + [3] * 4], size=4, window=1, threshold=0.24)
    assert pairs.kept[[2, 3]] == pytest.approx([0.5, 1])
    centres, _ = pairs.draw(np.random.default_rng(0))
    assert (centres == 3).sum() in (7, 8)
    assert 70 < (centres == 2).sum() < 130


def test_noise_follows_the_counts_to_the_power_of_three_quarters():
    pairs = Pairs([[2] * 16, [3, 0, 1]], size=5, window=1, threshold=1)
    assert pairs.noise == pytest.approx([0, 0, 8 / 9, 1 / 9, 0])
    tokens = pairs.noise_tokens(9000, np.random.default_rng(0))
    assert np.bincount(tokens).tolist()[:2] == [0, 0]
    assert (tokens == 3).mean() == pytest.approx(1 / 9, abs=0.01)


# ---- the vectors


def test_the_neighbours_of_a_word_are_of_its_topic(corpus):
    vocabulary, texts = corpus
    tz.manual_seed(0)
    vectors = skip_gram(texts, len(vocabulary), width=8, window=4, epochs=30, batch_size=256, **QUIET)
    for topic in (ANIMALS, SHIPS):
        for word in topic:
            found = [token for token, _ in neighbours(vectors, vocabulary, word, n=4)]
            assert set(found) <= set(topic), (word, found)


def test_the_loss_falls_below_that_of_vectors_that_know_nothing(corpus, capsys):
    vocabulary, texts = corpus
    tz.manual_seed(0)
    skip_gram(texts, len(vocabulary), width=8, window=4, epochs=10, batch_size=256, threshold=1, progress="lines")
    lines = capsys.readouterr().out.splitlines()
    losses = [float(line.split()[-3]) for line in lines]
    assert len(losses) == 10
    assert losses[-1] < losses[0] <= 2 * math.log(2) + 0.01  # u = 0 at first: every product is 0


def test_the_training_is_adam_on_the_gradient_worked_out_by_hand():
    texts, size, width, negatives, lr = [[2, 3, 2, 4], [4, 5]], 6, 3, 2, 0.1
    vectors = skip_gram(texts, size, width, window=2, negatives=negatives, epochs=3, lr=lr, threshold=1.0,
                        generator=np.random.default_rng(0), progress="none")

    draw = np.random.default_rng(0)  # the same draws: initial v, then pairs and drawn tokens for each epoch
    V, U = draw.uniform(-0.5 / math.sqrt(width), 0.5 / math.sqrt(width), (size, width)), np.zeros((size, width))
    pairs = Pairs(texts, size, window=2, threshold=1.0)
    moments = [np.zeros((2, *V.shape)) for _ in range(2)]

    def sigma(z):
        return 1 / (1 + np.exp(-z))

    for t in (1, 2, 3):
        centres, near = pairs.draw(draw)
        drawn = pairs.noise_tokens(64, draw)
        dV, dU = np.zeros_like(V), np.zeros_like(U)
        for c, o in zip(centres, near, strict=True):
            for token, target, weight in [(o, 1, 1), *((k, 0, negatives / 64) for k in drawn)]:
                error = weight * (sigma(U[token] @ V[c]) - target) / len(centres)
                dV[c] += error * U[token]
                dU[token] += error * V[c]
        for W, dW, m in ((V, dV, moments[0]), (U, dU, moments[1])):
            m[:] = 0.9 * m[0] + 0.1 * dW, 0.999 * m[1] + 0.001 * dW**2
            W -= lr * (1 - (t - 1) / 3) * (m[0] / (1 - 0.9**t)) / (np.sqrt(m[1] / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(vectors[2:], V[2:], rtol=1e-4, atol=1e-6)


def test_vectors_of_tokens_that_are_in_no_text_are_zero_and_the_others_are_not(corpus):
    vocabulary, texts = corpus
    vectors = skip_gram(texts, len(vocabulary) + 3, width=6, epochs=1, **QUIET)
    assert vectors.shape == (len(vocabulary) + 3, 6)
    assert vectors.dtype == np.float32
    zero = ~vectors.any(axis=1)
    assert np.flatnonzero(zero).tolist() == [0, 1, *range(len(vocabulary), len(vocabulary) + 3)]


def test_the_same_seed_gives_the_same_vectors_and_a_generator_of_one_s_own_too(corpus):
    vocabulary, texts = corpus

    def trained(**settings):
        return skip_gram(texts, len(vocabulary), width=4, epochs=2, batch_size=300, **QUIET, **settings)

    tz.manual_seed(3)
    first, second = trained(), trained()
    tz.manual_seed(3)
    np.testing.assert_array_equal(trained(), first)
    assert (first != second).any()
    np.testing.assert_array_equal(trained(generator=tz.manual_seed(3)), first)


def test_ctrl_c_raises_and_closes_the_bar(corpus, monkeypatch):
    vocabulary, texts = corpus
    closed = []

    def interrupted(self, values):
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.Progress, "advance", interrupted)
    monkeypatch.setattr(progress.Progress, "close", lambda self: closed.append(True))
    with pytest.raises(KeyboardInterrupt):
        skip_gram(texts, len(vocabulary), width=4)
    assert closed == [True]


# ---- what it refuses


@pytest.mark.parametrize(
    ("error", "words", "texts", "settings"),
    [
        (ValueError, "none of the 0 texts", [], {}),
        (ValueError, "none of the 2 texts has two known tokens", [[], [3]], {}),
        (ValueError, "two known tokens", [[0, 1, 1, 3, 0]], {}),
        (IndexError, r"text 1: ids must be in \[0, 6\), got \[2, 6\]", [[2, 3], [2, 6]], {}),
        (IndexError, "text 0", [[-1, 3]], {}),
        (TypeError, "text 0 must be a row of integer ids", [[2.0, 3.0]], {}),
        (TypeError, "text 0 must be a row of integer ids", ["你好"], {}),
        (TypeError, "text 0 must be a row of integer ids", [[[2, 3]]], {}),
        (ValueError, "width is at least 1, not 0", [[2, 3]], {"width": 0}),
        (ValueError, "window is at least 1, not -1", [[2, 3]], {"window": -1}),
        (TypeError, "window is a whole number", [[2, 3]], {"window": 2.5}),
        (TypeError, "epochs is a whole number", [[2, 3]], {"epochs": True}),
        (ValueError, "batch_size is at least 1", [[2, 3]], {"batch_size": 0}),
        (ValueError, "negatives is a number above 0", [[2, 3]], {"negatives": 0}),
        (ValueError, "lr is a number above 0", [[2, 3]], {"lr": float("nan")}),
        (ValueError, "threshold is a number above 0", [[2, 3]], {"threshold": 0}),
        (ValueError, "subsampling left no pairs", [[2, 3]], {"threshold": 1e-12}),
    ],
)
def test_bad_input_is_refused(error, words, texts, settings):
    tz.manual_seed(0)
    with pytest.raises(error, match=words):
        skip_gram(texts, **{"size": 6, "width": 4, **QUIET, **settings})


def test_a_loss_that_is_not_finite_is_not_learnt_from(corpus):
    vocabulary, texts = corpus
    with pytest.raises(FloatingPointError, match=r"in epoch \d.*smaller lr"), np.errstate(all="ignore"):
        skip_gram(texts, len(vocabulary), width=4, epochs=20, batch_size=100, lr=1e30, **QUIET)


# ---- neighbours


def test_neighbours_are_sorted_by_cosine_and_leave_out_the_word_and_the_zero_vectors():
    vocabulary = Vocabulary(("〈pad〉", "〈unknown〉", "甲", "乙", "丙", "丁"))
    vectors = np.array([[0, 0], [0, 0], [1, 0], [-2, 0], [5, 5], [0, 0]], np.float32)
    found = neighbours(vectors, vocabulary, "甲")
    assert [token for token, _ in found] == ["丙", "乙"]
    assert [cosine for _, cosine in found] == pytest.approx([math.sqrt(0.5), -1])
    assert neighbours(vectors, vocabulary, "甲", n=1) == found[:1]


@pytest.mark.parametrize(
    ("error", "words", "changes"),
    [
        (KeyError, "'戊' has no vector", {"word": "戊"}),
        (KeyError, "has no vector", {"word": "〈pad〉"}),
        (KeyError, "has no vector", {"word": "乙"}),
        (ValueError, "4 tokens need vectors", {"vectors": np.ones((3, 2))}),
        (ValueError, "need vectors", {"vectors": np.ones(4)}),
        (ValueError, "n must be at least 1", {"n": 0}),
    ],
)
def test_neighbours_refuse(error, words, changes):
    vocabulary = Vocabulary(("〈pad〉", "〈unknown〉", "甲", "乙"))
    call = {"vectors": np.array([[0, 0], [0, 0], [1, 0], [0, 0]]), "vocabulary": vocabulary, "word": "甲"}
    with pytest.raises(error, match=words):
        neighbours(**{**call, **changes})
