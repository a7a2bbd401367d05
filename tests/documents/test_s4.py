"""S4: the document's Transformer on reviews, the ten intents, and what one can ask them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import data, nn
from tinygrad_zh.cli import main
from tinygrad_zh.core import manual_seed
from tinygrad_zh.documents import s4
from tinygrad_zh.documents.options import Options
from tinygrad_zh.documents.s4 import answering, intents, ngrams, reviews
from tinygrad_zh.documents.s4.classifier import TokenDropout, Trained, restore, start_from_vectors, store
from tinygrad_zh.text import Vocabulary, characters

PLACES = ["故宫", "天坛", "颐和园", "长城", "北海", "景山", "香山", "天安门"]
SENTENCES = {
    "问地址": ["{}的地址在哪里？", "请问{}在什么路上？", "{}具体位置是哪儿"],
    "问电话": ["{}的电话是多少？", "给我{}的电话号码吧", "怎么打电话给{}？"],
    "致谢": ["谢谢你，{}很好", "好的，感谢，再去{}", "多谢，{}我记住了"],
}
QUESTION = "你好，我有一个问题需要咨询。"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Small tables of made-up turns, in the form of the real ones."""
    return write_tables(tmp_path)


def write_tables(folder: Path) -> Path:
    rows = [f"{label}\t{form.format(place)}"
            for label, forms in SENTENCES.items() for form in forms for place in PLACES]
    for name, chosen in (("train", rows[::2]), ("test", rows[1::2])):
        path = folder / f"crosswoz_intent10_{name}.tsv"
        path.write_text("label\ttext\n" + "\n".join(chosen) + "\n", encoding="utf-8")
    return folder


def some_reviews(n: int = 3_200) -> data.Texts:
    """Made-up reviews, half of them kind."""
    kind, unkind = ("喜欢", "很好", "满意"), ("失望", "太差", "退货")
    rng = np.random.default_rng(0)
    labels = np.arange(n) % 2
    texts = [f"{rng.choice(kind if label else unkind)}第{i}个人说" + "字" * int(rng.integers(1, 5))
             for i, label in enumerate(labels)]
    return data.Texts(texts, labels.astype(np.int64), ("negative", "positive"))


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network that was trained on the tables."""
    folder = write_tables(tmp_path_factory.mktemp("tables"))
    manual_seed(0)
    trained, _ = intents.learn(*data.dialogues(source=folder), epochs=12, batch_size=8, progress="none")
    return store(trained, folder / "dialogues.safetensors")


@pytest.fixture
def asked(model_file: Path, tmp_path: Path) -> Path:
    """A folder that can be asked."""
    shutil.copy(model_file, tmp_path)
    return tmp_path


# ---- the networks


def test_the_network_has_the_documents_sizes() -> None:
    shapes = {name: p.shape for name, p in s4.network().named_parameters()}
    assert shapes["embedding.W"] == (10_000, 128)
    assert shapes["output.W"] == (128, 1)
    assert shapes["encoder.blocks.1.feed_forward.first.W"] == (128, 128)
    assert not any("blocks.2" in name for name in shapes)
    assert s4.INPUT == (1, 100)
    assert s4.network()(np.zeros((3, 100), np.int64)).shape == (3, 1)


def test_padding_has_no_say_and_a_text_of_padding_alone_gives_the_bias() -> None:
    manual_seed(0)
    model = s4.network()
    model.output.b.assign(np.float32([0.5]))
    short = np.array([[5, 6, 7]])
    padded = np.pad(short, ((0, 0), (0, 97)))
    np.testing.assert_allclose(model(padded).numpy(), model(short).numpy(), rtol=1e-5, atol=1e-6)
    assert model(np.zeros((1, 100), np.int64)).item() == 0.5


def test_the_order_of_the_characters_matters() -> None:
    manual_seed(0)
    model = s4.network()
    assert abs(model(np.array([[5, 6, 7]])).item() - model(np.array([[7, 6, 5]])).item()) > 1e-4


def test_the_gradients_of_the_whole_network_agree_with_finite_differences() -> None:
    tz.set_default_dtype(np.float64)
    try:
        manual_seed(0)
        model = intents.network(12, 3).eval()
        tokens, labels = np.array([[2, 3, 4, 0], [5, 2, 0, 0]]), np.array([0, 2])
        report = tz.check.check_parameters(lambda: tz.functional.cross_entropy(model(tokens), labels),
                                           dict(model.named_parameters()), samples=2)
        assert report, report
    finally:
        tz.set_default_dtype(np.float32)


def test_token_dropout_hides_characters_in_training_only_and_never_makes_padding_a_character() -> None:
    manual_seed(0)
    layer, tokens = TokenDropout(0.3), np.tile([5, 6, 7, 0], (500, 1))
    hidden = layer(tokens)
    assert (hidden[:, 3] == Vocabulary.PAD).all()
    assert np.isin(hidden[:, :3], [1, 5, 6, 7]).all()
    assert 0.25 < (hidden[:, :3] == Vocabulary.UNKNOWN).mean() < 0.35
    assert (layer.eval()(tokens) == tokens).all()


def test_ngrams_end_at_each_character_and_their_tables_are_added() -> None:
    assert ngrams.ngrams("你好吗", 3) == ["^^你", "^你好", "你好吗"]
    known = ngrams.vocabularies(["你好吗", "你好啊"], 2)
    assert "吗" in known[0]
    assert "你好" in known[1]
    assert "好吗" not in known[1]
    ids = ngrams.encode(known, ["你好"], 4)
    assert ids.shape == (1, 4, 2)
    assert (ids[0, 2:] == 0).all()
    embedding = ngrams.NGramEmbedding(known, 8)
    tables = [table.W.numpy() for table in embedding.tables]
    np.testing.assert_allclose(embedding(ids).numpy()[0, 1], tables[0][ids[0, 1, 0]] + tables[1][ids[0, 1, 1]])


# ---- reviews


def test_the_parts_of_the_reviews_have_no_text_in_common_not_even_but_for_punctuation() -> None:
    every = some_reviews()
    copies = [text[:2] + "！" + text[2:] + "。" for text in every.texts[:200]]
    doubled = data.Texts(every.texts + copies, np.concatenate([every.labels, every.labels[:200]]), every.names)
    parts = reviews.split(doubled, seed=1)
    assert (len(parts.train), len(parts.held_out), len(parts.rest)) == (2_000, 1_000, 200)
    bare = [{"".join(filter(str.isalnum, text)) for text in part}
            for part in (parts.train.texts, parts.held_out.texts, parts.rest)]
    assert sum(map(len, bare)) == len(set.union(*bare)) == len(every)
    assert np.bincount(parts.train.labels).tolist() == [1_000, 1_000]
    assert parts.train.texts != reviews.split(doubled, seed=2).train.texts


def test_the_documents_recipe_adds_nothing_and_the_vocabulary_is_of_the_training_texts_alone() -> None:
    parts = reviews.split(some_reviews(), 0)
    small = reviews.Split(parts.train.take(range(64)), parts.held_out.take(range(32)), ["饕餮"])
    manual_seed(0)
    trained, history = reviews.learn(small, epochs=1, progress="none")
    assert reviews.DOCUMENT == (0.0, 0.0, False, False)
    assert set(trained.vocabulary.tokens[2:]) == set("".join(characters("".join(small.train.texts))))
    assert len(history["validation_accuracy"]) == 1
    assert trained.network.embedding.W.shape == (10_000, 128)


@pytest.mark.slow
def test_pairs_of_characters_have_a_table_that_begins_with_vectors_too(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = reviews.split(some_reviews(), 0)
    small = reviews.Split(parts.train.take(range(320)), parts.held_out.take(range(100)), parts.rest)
    begun = []

    def note(table: nn.Embedding, vocabulary: Vocabulary, *rest: object) -> None:
        begun.append(len(vocabulary))
        start_from_vectors(table, vocabulary, *rest)

    monkeypatch.setattr(reviews, "start_from_vectors", note)
    manual_seed(0)
    history = reviews.learn_ngrams(small, reviews.CLOSER, epochs=3, batch_size=8, progress="none")
    assert len(begun) == 2
    assert begun[0] != begun[1]
    assert history["validation_accuracy"][-1] > 0.9


def test_accuracy_is_of_the_side_of_zero() -> None:
    assert reviews.accuracy([[0.2], [-0.1], [0.4], [3.0]], np.float32([[1], [1], [1], [1]])) == 0.75
    assert reviews.accuracy([[-0.2], [-3.0]], np.float32([[0], [0]])) == 1.0


def test_word_vectors_are_scaled_and_put_into_the_rows_of_their_characters() -> None:
    manual_seed(0)
    texts = ["猫喜欢鱼", "狗喜欢骨头", "猫和狗"] * 200
    vocabulary = Vocabulary.build(map(characters, texts))
    embedding = nn.Embedding(50, 16)
    before = embedding.W.numpy().copy()
    start_from_vectors(embedding, vocabulary, list(map(characters, texts)), 0.5, "none")
    after = embedding.W.numpy()
    known = len(vocabulary)
    assert (after[:2] == before[:2]).all()
    assert (after[known:] == before[known:]).all()
    assert (after[2:known] != before[2:known]).any(axis=1).all()
    assert after[2:known].std() == pytest.approx(0.5, rel=1e-3)


# ---- the commands


@pytest.mark.parametrize(("language", "words"), [("en", ["Held-out accuracy", "Naive Bayes", "tinygrad-zh ask s4"]),
                                                 ("zh", ["留出集准确率", "朴素贝叶斯", "tinygrad-zh ask s4"])])
def test_training_on_dialogues_says_what_it_reaches_and_writes_what_can_be_asked(
        capsys: pytest.CaptureFixture[str], tables: Path, language: str, words: list[str]) -> None:
    pytest.importorskip("sklearn", reason="the baseline needs scikit-learn, the extra `text`")
    folder = tables / "model"
    assert main(["--lang", language, "train", "s4", "--data", "dialogues", "--source", str(tables), "--epochs", "1",
                 "--out", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in words), printed
    trained = restore(folder / "dialogues.safetensors", intents.network)
    assert trained.classes == ("致谢", "问地址", "问电话")


def test_words_as_tokens_are_kept_with_the_network(tables: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("jieba", reason="words need jieba, the extra `text`")
    folder = tables / "model"
    s4.run(Options(data="dialogues", source=str(tables), tokens="words", epochs=1, out=folder))
    trained = restore(folder / "dialogues.safetensors", intents.network)
    assert "电话号码" in trained.vocabulary
    capsys.readouterr()
    s4.answer("给我故宫的电话号码", folder)
    assert "\n电话号码 " in capsys.readouterr().out


def test_training_on_reviews_prints_the_documents_claim_beside_its_own_figures(
        capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = some_reviews()
    few = reviews.split(every, 0)
    few = reviews.Split(few.train.take(range(64)), few.held_out.take(range(40)), few.rest[:50])
    monkeypatch.setattr(reviews, "split", lambda texts, seed: few)
    monkeypatch.setattr(data, "reviews", lambda source=None: every)
    figures = s4.run(Options(data="reviews", epochs=1, out=tmp_path))
    printed = capsys.readouterr().out
    assert "0.778" in printed
    assert f"{figures['reviews_document']:.3f}" in printed
    assert f"{figures['reviews_closer']:.3f}" in printed
    assert restore(tmp_path / "reviews.safetensors", reviews.network).classes == ("negative", "positive")


def test_asking_prints_probabilities_and_attention_and_draws_it(capsys: pytest.CaptureFixture[str], asked: Path,
                                                               ) -> None:
    pytest.importorskip("matplotlib", reason="the pictures need matplotlib, the extra `plot`")
    assert main(["--lang", "zh", "ask", "s4", "故宫的电话是多少？", "--model", str(asked)]) == 0
    printed = capsys.readouterr().out
    first = next(line for line in printed.splitlines() if "%" in line)
    assert "问电话" in first
    assert all(f"\n{character} " in printed for character in "故宫的电话是多少")
    for name in ("attention.png", "attention_map.png"):
        assert (asked / "dialogues" / name).read_bytes().startswith(b"\x89PNG")


def test_the_answer_is_a_distribution_over_classes_and_over_characters(asked: Path) -> None:
    trained = restore(asked / "dialogues.safetensors", intents.network)
    reply = answering.ask(trained, QUESTION, intents.LENGTH)
    assert sum(reply.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert reply.tokens == characters(QUESTION)
    assert reply.heads.shape == (intents.HEADS, len(reply.tokens), len(reply.tokens))
    np.testing.assert_allclose(reply.heads.sum(axis=-1), 1, rtol=1e-5)
    assert reply.received.sum() == pytest.approx(1, abs=1e-5)
    average = sum(row for head in reply.heads for row in head) / (intents.HEADS * len(reply.tokens))
    np.testing.assert_allclose(reply.received, average, rtol=1e-5)
    assert reply.received.std() > 1e-4  # not the same for all, as the mean along a row would be


def test_one_output_is_the_probability_of_the_second_class(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    manual_seed(0)
    model = reviews.network()
    model.output.b.assign(np.float32([100.0]))
    trained = Trained(model, Vocabulary.build([list("好坏")]), "characters", ("negative", "positive"))
    assert answering.ask(trained, "好", 100).probabilities == {"negative": 0.0, "positive": 1.0}
    store(trained, tmp_path / "reviews.safetensors")
    assert main(["--lang", "en", "ask", "s4", "好", "--model", str(tmp_path)]) == 0
    assert "positive                       100.0%" in capsys.readouterr().out


def test_what_cannot_be_read_is_said(capsys: pytest.CaptureFixture[str], asked: Path) -> None:
    s4.answer("饕餮" + "故宫的地址" * 20, asked)
    printed = capsys.readouterr().out
    assert "饕 餮" in printed
    assert "64" in printed
    assert "102" in printed


# ---- bad input


@pytest.mark.parametrize(("words", "sentence"), [("", "nothing to read"), (" \n\t", "nothing to read"),
                                                 ("\u200b", "nothing to read")])
def test_an_empty_question(capsys: pytest.CaptureFixture[str], asked: Path, words: str, sentence: str) -> None:
    assert main(["--lang", "en", "ask", "s4", words, "--model", str(asked)]) == 1
    assert sentence in capsys.readouterr().err


def test_asking_before_training_says_what_to_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--lang", "en", "ask", "s4", QUESTION, "--model", str(tmp_path)]) == 1
    assert "tinygrad-zh train s4" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["truncated", "another network", "another vocabulary"])
def test_a_file_that_is_not_what_training_wrote(capsys: pytest.CaptureFixture[str], asked: Path, damage: str) -> None:
    path = asked / "dialogues.safetensors"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "another network":
        tz.save({"W": np.zeros((2, 2), np.float32)}, path)
    else:
        weights = tz.load(path)
        tz.save(weights, path, metadata={"vocabulary": "{", "tokens": "characters", "classes": json.dumps(["a"])})
    assert main(["--lang", "en", "ask", "s4", QUESTION, "--model", str(asked)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(("options", "sentence"), [
    ({"data": "digits"}, "dialogues"),
    ({"source": "x"}, "say with --data"),
    ({"data": "dialogues", "source": "nowhere"}, "nowhere"),
    ({"data": "dialogues", "tokens": "letters"}, "characters or words, not 'letters'"),
])
def test_options_that_do_not_fit(options: dict[str, str], sentence: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        s4.run(Options(**options))


def test_tokens_out_of_the_vocabulary() -> None:
    with pytest.raises(IndexError, match="vocabulary"):
        s4.network()(np.array([[10_000]]))


# ---- real texts


def test_encoding_keeps_the_first_characters() -> None:
    vocabulary = Vocabulary.build([list("一二三四")])
    trained = Trained(intents.network(6), vocabulary, "characters", ("a",) * 10)
    assert vocabulary.decode(trained.read(["一二三四一二"], 4)) == [list("一二三四")]


@pytest.mark.texts
@pytest.mark.slow
def test_the_transformer_reads_real_dialogues(dialogue_folder: str) -> None:
    manual_seed(0)
    train, test = data.dialogues(source=dialogue_folder)
    trained, _ = intents.learn(train, test, epochs=6, progress="none")
    assert (intents.logits(trained, test).argmax(axis=1) == test.labels).mean() > 0.89


@pytest.mark.texts
@pytest.mark.slow
def test_the_documents_network_learns_from_real_reviews(review_archive: str) -> None:
    manual_seed(0)
    _, history = reviews.learn(reviews.split(data.reviews(source=review_archive), 0), epochs=3, progress="none")
    assert history["validation_accuracy"][-1] > 0.65
