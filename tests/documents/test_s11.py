"""S11, the convolutional network: its shape, what it prints and writes, and what the convolution adds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import tinygrad_zh as tz
from tinygrad_zh.cli import main
from tinygrad_zh.documents import s11
from tinygrad_zh.documents.options import Options
from tinygrad_zh.train import metrics, predict


def parameters(model: tz.nn.Module) -> int:
    return sum(p.size for p in model.parameters())


def test_the_network_has_fewer_parameters_than_the_dense_one_by_ten() -> None:
    assert parameters(s11.network()) == 8 * 9 + 8 + 16 * 72 + 16 + 7840 + 10
    assert parameters(s11.dense()) > 10 * parameters(s11.network())


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["4,000 real pictures of clothes", "epoch 1/1", "9,098", "101,770", "was taken for", "Try next"]),
        ("zh", ["4,000 张真实衣物图像", "第 1/1 轮", "9,098", "101,770", "被认成", "接下来可以试试"]),
    ],
)
def test_it_says_what_it_does_and_writes_its_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, language: str, words: list[str]
) -> None:
    pytest.importorskip("matplotlib", reason="the pictures need matplotlib, the extra `plot`")
    assert main(["--lang", language, "train", "s11", "--epochs", "1", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in words), printed
    assert {"model.safetensors", "loss.png", "confusion.png", "confusion.csv"} <= set(os.listdir(tmp_path))
    model = s11.network()
    model.load_state_dict(tz.load(tmp_path / "model.safetensors"))
    _, test_set = s11.images(Options())
    assert f"{metrics.accuracy(predict(model, s11.inputs(test_set)), test_set.labels):.3f}" in printed


def test_a_training_is_the_same_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    few = tuple(type(part)(part.pixels[::100], part.labels[::100]) for part in s11.images(Options()))
    losses = []
    for _ in range(2):
        tz.manual_seed(0)
        losses.append(s11.train(s11.network(), Options(epochs=2), *few, progress="none")["loss"])
    assert losses[0] == losses[1]


def test_a_data_set_that_it_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "en", "train", "s11", "--data", "mnist"]) == 1
    assert "fashion-mnist" in capsys.readouterr().err


def test_without_matplotlib_it_says_how_to_get_the_pictures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    few = tuple(type(part)(part.pixels[::50], part.labels[::50]) for part in s11.images(Options()))
    monkeypatch.setattr(s11, "images", lambda options: few)
    s11.run(Options(epochs=1, out=tmp_path))
    assert 'pip install "tinygrad-zh[plot]"' in capsys.readouterr().out
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.slow
def test_convolution_reads_more_clothes_rightly_than_the_two_networks_without(tmp_path: Path) -> None:
    figures = s11.run(Options(out=tmp_path))
    assert figures["convolutional_accuracy"] >= 0.86
    assert figures["convolutional_accuracy"] > max(figures["linear_accuracy"], figures["dense_accuracy"]) + 0.01
