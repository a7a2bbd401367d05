"""The GPT: it sees no later character, learns a text by heart, writes the same again, and says what it cannot do."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh.cli import main
from tinygrad_zh.core import manual_seed
from tinygrad_zh.core.random import philox
from tinygrad_zh.documents import gpt
from tinygrad_zh.documents.gpt import corpus as corpora
from tinygrad_zh.documents.gpt.corpus import Corpus, Windows, cut, frequent, read
from tinygrad_zh.documents.gpt.counting import guesses
from tinygrad_zh.documents.gpt.model import GPT, Trained, read_file, write_file
from tinygrad_zh.documents.gpt.writing import Samples, quote, write
from tinygrad_zh.documents.options import Options
from tinygrad_zh.optim import SGD, AdamW, CosineAnnealingLR, WarmUp
from tinygrad_zh.text import Vocabulary
from tinygrad_zh.train import Callback, ClippedNorm, ScheduledSteps, fit

SENTENCE = "大模型是一种语言模型，它从前面的字猜下一个字。\n"
TINY = {"window": 16, "depth": 1, "width": 32, "heads": 2, "dropout": 0.0}


def tiny(text: str, window: int = 16) -> tuple[Trained, Corpus]:
    corpus = cut(text, window)
    return Trained(GPT(len(corpus.vocabulary), **{**TINY, "window": window}), corpus.vocabulary), corpus


@pytest.fixture(scope="module")
def learnt() -> Trained:
    """A GPT that has read one sentence over and over."""
    manual_seed(0)
    trained, corpus = tiny(SENTENCE * 30)
    windows = Windows(corpus.ids, 16)
    optimizer = AdamW(trained.network.parameters(), 5e-3)
    history = fit(trained.network, (windows.x, windows.y), loss=F.cross_entropy, optimizer=optimizer, epochs=8,
                  batch_size=16, callbacks=[windows], progress="none")
    assert history["loss"][-1] < 0.2
    return trained


# ---- the network


def test_no_row_sees_a_later_character():
    manual_seed(0)
    model = GPT(20, **TINY).eval()
    t = philox(1).integers(2, 20, (1, 16))
    other = t.copy()
    other[0, 9:] = (t[0, 9:] - 1) % 18 + 2
    y, z = model(t).numpy(), model(other).numpy()
    np.testing.assert_allclose(y[0, :9], z[0, :9], rtol=1e-6, atol=1e-6)
    assert (abs(y[0, 9:] - z[0, 9:]).max(axis=1) > 1e-4).all()


def test_every_row_sees_the_first_character():
    manual_seed(0)
    model = GPT(20, **TINY).eval()
    t = philox(1).integers(3, 20, (1, 16))
    other = t.copy()
    other[0, 0] = 2
    assert (abs(model(t).numpy() - model(other).numpy())[0].max(axis=1) > 1e-5).all()


def test_one_table_is_the_input_and_the_output():
    model = GPT(20, **TINY)
    names = [name for name, p in model.named_parameters() if 20 in p.shape]
    assert names == ["embedding.W"]


def test_untrained_it_is_as_unsure_as_who_knows_nothing():
    manual_seed(0)
    model = gpt.network(500)
    t = philox(0).integers(0, 500, (2, 129))
    assert F.cross_entropy(model(t[:, :-1]), t[:, 1:]).item() == pytest.approx(math.log(500), abs=0.1)


# ---- the text


def test_the_last_tenth_is_held_out_and_its_characters_are_not_in_the_vocabulary():
    text = "甲乙丙丁" * 100 + "戊甲乙丙" * 11
    corpus = cut(text, 8)
    assert len(corpus.ids) == 400
    assert "戊" not in corpus.vocabulary
    flat = [corpus.vocabulary.tokens[i] for i in corpus.x.ravel()]
    assert "".join("戊" if token == "〈unknown〉" else token for token in flat) == text[400:440]
    np.testing.assert_array_equal(corpus.y.ravel()[:-1], corpus.x.ravel()[1:])


def test_the_prompt_is_none_of_the_held_out_text():
    text = "".join(chr(0x4E00 + i) for i in range(400)) + "日月星" * 14
    assert frequent(text) == "日月星"
    assert cut(text, 8).prompt == text[:3]


def test_of_a_long_held_out_text_windows_from_all_over_it():
    text = "".join(chr(0x4E00 + i % 3000) for i in range(40_000))
    corpus = cut(text, 8)
    assert corpus.x.shape == (corpora.HELD_OUT_WINDOWS, 8)
    first, last = (corpus.vocabulary.decode(row[None])[0] for row in corpus.x[[0, -1]])
    assert "".join(first) == text[36_000:36_008]
    assert "".join(last) in text[-16:]
    np.testing.assert_array_equal(corpus.x[:, 1:], corpus.y[:, :-1])


def test_guesses_by_counting():
    corpus = cut("天地人天地天人日人月" * 20 + "天地月" * 30, 6)
    ids, V = corpus.ids.tolist(), len(corpus.vocabulary)

    def p(y: int, c: list[int]) -> float:
        """Of y after the characters c, by the docstring of `guesses`."""
        if not c:
            return (ids.count(y) + 1) / (len(ids) + V)
        following = [ids[i + len(c)] for i in range(len(ids) - len(c)) if ids[i: i + len(c)] == c]
        different = len(set(following))
        shorter = p(y, c[1:])
        return (following.count(y) + different * shorter) / (len(following) + different) if following else shorter

    def loss(k: int) -> float:
        """With up to k characters before, as far as the window has them."""
        asked = [(y, x[max(0, i + 1 - k): i + 1]) for x, row in zip(corpus.x.tolist(), corpus.y.tolist(), strict=True)
                 for i, y in enumerate(row)]
        return -float(np.mean([math.log(p(y, c)) for y, c in asked]))

    assert sum(p(y, [2, 3]) for y in range(V)) == pytest.approx(1)
    assert guesses(corpus) == pytest.approx({"uniform": math.log(V), "unigram": loss(0), "bigram": loss(1),
                                             "trigram": loss(2), "fourgram": loss(3)})


def test_guesses_of_a_character_that_was_never_seen_are_finite():
    assert all(map(math.isfinite, guesses(cut("甲乙丙丁" * 100 + "戊己" * 22, 8)).values()))


@pytest.mark.parametrize(
    ("text", "letters"), [("大模型，大模型；模型", "大模型"), ("the cat, the", "the"), ("1+2+3", "1+2")]
)
def test_the_letters_that_come_most_often(text: str, letters: str):
    assert frequent(text) == letters


def test_every_epoch_has_other_windows_and_fit_reads_them():
    text = "".join(chr(0x4E00 + i) for i in range(400))
    trained, corpus = tiny(text)
    windows = Windows(corpus.ids, 16)
    read_by_fit: list[np.ndarray] = []

    def loss(z, y):
        read_by_fit.append(np.array(y))
        return F.cross_entropy(z, y)

    fit(trained.network, (windows.x, windows.y), loss=loss, optimizer=SGD(trained.network.parameters(), 0.01), epochs=2,
        batch_size=len(windows.x), callbacks=[windows], progress="none")
    first, second = (np.sort(y[:, 0]) for y in read_by_fit)
    assert (first != second).any()
    place = {i: at for at, i in enumerate(corpus.ids.tolist())}
    for row in np.concatenate(read_by_fit):  # every row is a piece of the text, and none of the held-out part
        assert [place[i] for i in row.tolist()] == list(range(place[row[0]], place[row[0]] + 16))


def test_a_text_in_another_encoding_or_a_folder_of_texts(tmp_path: Path):
    (tmp_path / "a.txt").write_bytes("大模型\r\n写字".encode("gb18030"))
    (tmp_path / "b.txt").write_text("第二篇", encoding="utf-8")
    assert read(tmp_path / "a.txt") == "大模型\n写字"
    assert read(tmp_path) == "大模型\n写字\n第二篇"


def test_the_documents_are_the_default_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "a.txt").write_text("文档", encoding="utf-8")
    monkeypatch.setenv("TINYGRAD_ZH_DOCUMENTS", str(tmp_path))
    assert read(None) == "文档"


def test_of_a_huge_text_a_part_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(corpora, "LONGEST", 5)
    (tmp_path / "a.txt").write_text("一二三四五六七", encoding="utf-8")
    assert read(tmp_path / "a.txt") == "一二三四五"


def test_an_epoch_of_a_long_text_is_no_longer():
    assert Windows(np.zeros(10**6, np.int64), 128).x.shape == (corpora.WINDOWS, 128)
    assert Windows(np.zeros(1280, np.int64), 128).x.shape == (80, 128)


# ---- training


def test_a_step_has_a_bounded_gradient_and_the_rate_warms_up_and_falls():
    manual_seed(0)
    trained, corpus = tiny(SENTENCE * 30)
    seen: list[tuple[float, float]] = []

    class Look(Callback):
        def on_step(self, run):
            norm = math.sqrt(sum(float((p.grad.numpy() ** 2).sum()) for p in run.optimizer.parameters))
            seen.append((norm, run.optimizer.lr))

    optimizer = AdamW(trained.network.parameters(), 1e-2)
    schedule = WarmUp(optimizer, 3, CosineAnnealingLR(optimizer, 9, 1e-3))
    x, y = np.repeat(corpus.x, 12, axis=0), np.repeat(corpus.y, 12, axis=0)
    fit(trained.network, (x, y), loss=lambda z, y: 50 * F.cross_entropy(z, y), optimizer=optimizer, epochs=1,
        batch_size=len(x) // 12, callbacks=[ScheduledSteps(schedule), ClippedNorm(1.0), Look()], progress="none")
    norms, rates = zip(*seen, strict=True)
    assert max(norms) <= 1 + 1e-5
    assert int(np.argmax(rates)) in (1, 2, 3)
    assert rates[0] < rates[1]
    assert rates[-1] < 0.2 * max(rates)


def test_looking_on_changes_nothing_that_is_learnt(capsys: pytest.CaptureFixture[str]):
    def weights(*callbacks: type[Samples]) -> list[np.ndarray]:
        manual_seed(3)
        trained, corpus = tiny(SENTENCE * 80)
        looking = [look(trained, "大模型", seed=0, length=5) for look in callbacks]
        fit(trained.network, (corpus.x, corpus.y), loss=F.cross_entropy,
            optimizer=AdamW(trained.network.parameters()), epochs=3, batch_size=4, callbacks=looking,
            progress="none")
        return [p.numpy() for p in trained.network.parameters()]

    for a, b in zip(weights(), weights(Samples), strict=True):
        np.testing.assert_array_equal(a, b)
    assert capsys.readouterr().out.count("│ 大模型") >= 3  # before, after epochs 1 and 2, not after 3


# ---- writing


def test_it_goes_on_with_what_it_knows_by_heart(learnt: Trained):
    twice = SENTENCE * 4
    assert write(*learnt, twice[:16], 48, temperature=0.0) == twice[16:64]
    assert write(*learnt, twice[5:10], 48, temperature=0.0) == twice[10:58]


def test_the_same_seed_writes_the_same(learnt: Trained):
    manual_seed(0)
    daring = {seed: write(GPT(len(learnt.vocabulary), **TINY), learnt.vocabulary, "大", 30, 1.0, generator=philox(seed))
              for seed in (1, 2)}
    manual_seed(0)
    again = write(GPT(len(learnt.vocabulary), **TINY), learnt.vocabulary, "大", 30, 1.0, generator=philox(1))
    assert again == daring[1] != daring[2]


def test_one_candidate_is_the_likeliest_whatever_the_temperature(learnt: Trained):
    assert write(*learnt, "大模", 20, 5.0, top_k=1) == write(*learnt, "大模", 20, 0.0)


def test_a_hot_one_still_keeps_to_its_candidates(learnt: Trained):
    z = learnt.network.eval()(learnt.vocabulary.encode([["大"]], 1)).numpy()[0, -1, 2:]
    best = {learnt.vocabulary.tokens[i + 2] for i in np.argsort(-z)[:3]}
    generator = philox(0)
    assert {write(*learnt, "大", 1, 1e6, top_k=3, generator=generator) for _ in range(50)} == best


def test_the_special_tokens_are_never_written():
    vocabulary = Vocabulary.build([["天", "地"]])
    model = GPT(4, **TINY)
    model.embedding.W.assign(np.zeros((4, 32), np.float32))  # equal logits for all four
    assert set(write(model, vocabulary, "天", 60, 1.0, generator=philox(0))) == {"天", "地"}


def test_it_writes_without_dropout_and_leaves_the_network_as_it_was():
    vocabulary = Vocabulary.build([[chr(0x4E00 + i) for i in range(200)]])
    manual_seed(0)
    model = GPT(len(vocabulary), **{**TINY, "dropout": 0.5}).train()
    assert len({write(model, vocabulary, "一", 20, temperature=0.0) for _ in range(3)}) == 1
    assert model.training
    assert model.blocks.training


def test_it_writes_from_as_much_as_its_window_holds():
    class Recording(GPT):
        def forward(self, t):
            seen.append(t.shape)
            return super().forward(t)

    seen: list[tuple[int, int]] = []
    vocabulary = Vocabulary.build([["天", "地"]])
    write(Recording(4, **TINY), vocabulary, "天" * 14, 5)
    write(Recording(4, **TINY), vocabulary, "天" * 30, 1)
    assert seen == [(1, 14), (1, 15), (1, 16), (1, 16), (1, 16), (1, 16)]


def test_a_saved_network_goes_on_in_the_same_way(learnt: Trained, tmp_path: Path):
    write_file(learnt, tmp_path)
    again = read_file(tmp_path)
    assert again.vocabulary == learnt.vocabulary
    assert write(*again, "大模", 30, 1.5, generator=philox(4)) == write(*learnt, "大模", 30, 1.5, generator=philox(4))


@pytest.mark.parametrize(
    ("language", "words"), [("en", ["unknown character: 龘", "likeliest"]), ("zh", ["未知字符来读：龘", "最可能的字"])]
)
def test_an_answer_in_both_languages(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, learnt: Trained, language: str, words: list[str]
):
    write_file(learnt, tmp_path)
    with tz.i18n.in_language(language):
        gpt.answer("龘大模型", tmp_path)
    printed = capsys.readouterr().out
    assert all(word in printed for word in words), printed
    assert "〈unknown〉" not in printed
    assert printed.count("│ 龘大模型") == 3


def test_the_command_ask(capsys: pytest.CaptureFixture[str], tmp_path: Path, learnt: Trained):
    write_file(learnt, tmp_path)
    assert main(["--lang", "en", "ask", "gpt", SENTENCE[:12], "--model", str(tmp_path)]) == 0
    assert SENTENCE.strip() in capsys.readouterr().out


def test_control_characters_do_not_reach_the_terminal(capsys: pytest.CaptureFixture[str]):
    quote("一\x1b[2J二\t三\n四\n\n\n\n五")
    assert capsys.readouterr().out == "  │ 一�[2J二  三\n  │ 四\n  │\n  │ 五\n\n"


# ---- bad input


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"prompt": ""}, "empty prompt"),
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"length": 0}, "length is at least 1"),
        ({"top_k": 0}, "top_k is at least 1"),
    ],
)
def test_what_cannot_be_written(wrong: dict, words: str):
    vocabulary = Vocabulary.build([["天", "地"]])
    with pytest.raises(ValueError, match=words):
        write(GPT(4, **TINY), vocabulary, **{"prompt": "天", "length": 3, **wrong})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("太短了", "3 characters; it takes at least 170"),
        ("甲乙" * 84, "168 characters"),
        ("字" * 1000, "'字' over and over"),
    ],
)
def test_a_text_that_nothing_can_be_learnt_from(text: str, words: str):
    with pytest.raises(ValueError, match=words):
        cut(text, 16)


def test_the_shortest_text_that_will_do():
    assert cut("甲乙" * 85, 16).x.shape == (1, 16)


def test_no_text_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TINYGRAD_ZH_DOCUMENTS", raising=False)
    assert main(["--lang", "en", "train", "gpt"]) == 1
    assert "--text FILE" in capsys.readouterr().err


@pytest.mark.parametrize(("content", "words"), [(b"", "white space"), (b"\x00\x01" * 2000, "not a text file")])
def test_a_file_that_is_no_text(capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes, words: str):
    (tmp_path / "a.txt").write_bytes(content)
    assert main(["--lang", "en", "train", "gpt", "--text", str(tmp_path / "a.txt")]) == 1
    assert words in capsys.readouterr().err


def test_options_of_other_systems_are_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["--lang", "en", "train", "gpt", "--data", "mnist"]) == 1
    assert "no use for data" in capsys.readouterr().err


def test_no_trained_network(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="train gpt"):
        gpt.answer("大模型", tmp_path)
    tz.save({"W": np.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="not a GPT's"):
        gpt.answer("大模型", tmp_path)


# ---- the command


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["How hard is the next held-out", "Untrained it writes", "After epoch 1 it", "pairs: +", "Try next"]),
        ("zh", ["留出文本的下一个字有多难猜", "训练之前，它写出", "第 1 轮之后，它写出", "困惑度",
                "数两字组合的：+", "接下来可以试试"]),
    ],
)
def test_the_command_says_what_it_does_and_keeps_the_network(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, language: str,
    words: list[str]
):
    monkeypatch.setattr(corpora, "WINDOWS", 8)
    (tmp_path / "text.txt").write_text(SENTENCE * 60, encoding="utf-8")
    folder = tmp_path / "out"
    command = ["--lang", language, "train", "gpt", "--text", str(tmp_path / "text.txt"), "--epochs", "1", "--out"]
    assert main([*command, str(folder)]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in words), printed
    assert read_file(folder).network.sizes["depth"] == 3
    assert os.listdir(folder) == ["model.safetensors"]


@pytest.mark.slow
@pytest.mark.skipif("TINYGRAD_ZH_DOCUMENTS" not in os.environ, reason="TINYGRAD_ZH_DOCUMENTS names no folder of texts")
def test_half_the_training_beats_what_pairs_of_characters_tell(tmp_path: Path):
    figures = gpt.run(Options(epochs=6, out=tmp_path))
    assert figures["loss"] < figures["bigram"] < figures["unigram"] < figures["uniform"]
