"""S3, the main job: what it prints and writes, and what it reaches."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import data
from tinygrad_zh.cli import main
from tinygrad_zh.documents import s3
from tinygrad_zh.documents.options import Options
from tinygrad_zh.train import metrics, predict


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["4,000 real handwritten digits", "Gradients checked", "epoch 2/2", "Held-out accuracy", "Try next"]),
        ("zh", ["4,000 张真实手写数字", "梯度检验通过", "第 2/2 轮", "留出集准确率", "接下来可以试试"]),
    ],
)
def test_the_main_job_says_what_it_does_and_writes_its_files(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, language: str, words: list[str]
) -> None:
    pytest.importorskip("matplotlib", reason="the pictures need matplotlib, the extra `plot`")
    assert main(["--lang", language, "train", "--epochs", "2", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert all(word in printed for word in words), printed
    assert {"model.safetensors", "loss.png", "misread.png", "loss.csv", "misread.csv"} <= set(os.listdir(tmp_path))
    assert (tmp_path / "misread.png").read_bytes().startswith(b"\x89PNG")


def test_the_printed_accuracy_is_that_of_the_saved_weights(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    figures = s3.run(Options(epochs=1, out=tmp_path))
    model = s3.network()
    model.load_state_dict(tz.load(tmp_path / "model.safetensors"))
    _, held_out = s3.images(Options())
    accuracy = metrics.accuracy(predict(model, data.to_unit(held_out.pixels)), held_out.labels)
    assert accuracy == figures["accuracy"]
    assert f"{accuracy:.4f}" in capsys.readouterr().out


def test_no_held_out_digit_is_trained_on_and_both_parts_are_stratified() -> None:
    train, held_out = s3.images(Options())
    seen = {image.tobytes() for image in train.pixels}
    assert not any(image.tobytes() in seen for image in held_out.pixels)
    assert np.bincount(train.labels).tolist() == [400] * 10
    assert np.bincount(held_out.labels).tolist() == [100] * 10


def test_a_wrong_gradient_stops_the_main_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tinygrad_zh.ops.activation import ReLU

    monkeypatch.setattr(ReLU, "backward", staticmethod(lambda dy, y: dy))
    monkeypatch.setattr(ReLU, "plans", {})
    with pytest.raises(ValueError, match=r"gradient|梯度"):
        s3.run(Options(epochs=1, out=tmp_path))


def test_a_data_set_that_it_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "en", "train", "--data", "cifar"]) == 1
    assert "mnist" in capsys.readouterr().err


def test_without_matplotlib_it_says_how_to_get_the_pictures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    s3.run(Options(epochs=1, out=tmp_path))
    assert 'pip install "tinygrad-zh[plot]"' in capsys.readouterr().out
    assert os.listdir(tmp_path) == ["model.safetensors"]


@pytest.mark.slow
def test_the_shipped_digits_are_learnt_to_0_93() -> None:
    accuracies = []
    for seed in range(3):
        tz.manual_seed(seed)
        _, history = s3.train(Options(), *s3.images(Options()), progress="none")
        accuracies.append(history["validation_accuracy"][-1])
    assert len(history["loss"]) == 20
    assert statistics.median(accuracies) >= 0.93


@pytest.mark.mnist
@pytest.mark.slow
@pytest.mark.skipif("TINYGRAD_ZH_MNIST" not in os.environ, reason="TINYGRAD_ZH_MNIST names no MNIST files")
def test_two_epochs_of_mnist() -> None:
    options = Options(data="mnist", source=os.environ.get("TINYGRAD_ZH_MNIST"), epochs=2)
    tz.manual_seed(0)
    _, history = s3.train(options, *s3.images(options), progress="none")
    assert history["validation_accuracy"][-1] >= 0.96
