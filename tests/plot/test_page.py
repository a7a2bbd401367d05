"""How a picture is written: which formats, which font, whole or not at all."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import matplotlib.image
import pytest
from matplotlib import font_manager

from tinygrad_zh.i18n import in_language
from tinygrad_zh.plot import chinese_font, loss_curve
from tinygrad_zh.plot import page as page_module

HISTORY = {"loss": [2.0, 1.0]}


@pytest.fixture
def fonts(monkeypatch):
    """An operating system with the fonts of the test's choice."""
    chinese_font.cache_clear()
    monkeypatch.setattr(font_manager.fontManager, "ttflist", [])
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])

    def known(*names):
        font_manager.fontManager.ttflist.extend(SimpleNamespace(name=name) for name in names)

    def files(*paths):
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(path) for path in paths])

    yield SimpleNamespace(known=known, files=files)
    chinese_font.cache_clear()


def test_a_png_is_a_picture_with_ink(tmp_path):
    picture = matplotlib.image.imread(loss_curve(HISTORY, tmp_path / "new" / "folder" / "loss.PNG"))
    assert picture.shape == (608, 864, 4)
    assert 0.5 < picture[..., :3].mean() < 0.999


@pytest.mark.parametrize("name", ["loss.png", "loss.svg"])
def test_the_same_figures_are_the_same_bytes(tmp_path, name):
    first = loss_curve(HISTORY, tmp_path / "1" / name)
    second = loss_curve(HISTORY, str(tmp_path / "2" / name))
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".csv").read_bytes() == second.with_suffix(".csv").read_bytes()


@pytest.mark.parametrize("name", ["loss.pdf", "loss", "loss.csv"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"\.png or \.svg"):
        loss_curve(HISTORY, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_old_picture(tmp_path, monkeypatch):
    path = loss_curve(HISTORY, tmp_path / "loss.svg")
    before = path.read_bytes()

    def disk_full(self, content):
        with open(self, "wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", disk_full)
    with pytest.raises(OSError, match="No space left"):
        loss_curve({"loss": [5.0, 6.0]}, path)
    assert path.read_bytes() == before
    assert {each.name for each in tmp_path.iterdir()} == {"loss.svg", "loss.csv"}


def test_without_matplotlib_one_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "tinygrad-zh\[plot\]"'):
        loss_curve(HISTORY, tmp_path / "loss.png")


def test_no_display_and_no_pyplot_are_needed(tmp_path):
    program = (
        "import sys; from tinygrad_zh import plot;"
        "assert 'matplotlib' not in sys.modules;"
        f"plot.loss_curve({{'loss': [2.0, 1.0]}}, {str(tmp_path / 'loss.png')!r});"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    root = Path(page_module.__file__).parents[2]
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, env={"MPLBACKEND": "", "PATH": ""})
    assert (tmp_path / "loss.png").stat().st_size > 1000


def test_without_a_chinese_font_text_is_english_and_advised_once(tmp_path, monkeypatch, words, capsys):
    monkeypatch.setattr(page_module, "chinese_font", lambda: None)
    page_module._advise_font.cache_clear()
    with in_language("zh"):
        paths = [loss_curve(HISTORY, tmp_path / f"{i}.svg") for i in range(2)]
    assert all("Loss" in words(path) for path in paths)
    assert capsys.readouterr().err.count("fonts-wqy-microhei") == 1
    page_module._advise_font.cache_clear()
    with in_language("en"):
        loss_curve(HISTORY, tmp_path / "en.svg")
    assert capsys.readouterr().err == ""


def test_the_best_known_font_is_taken(fonts):
    fonts.known("SimHei", "Noto Sans CJK SC", "DejaVu Sans")
    assert chinese_font() == "Noto Sans CJK SC"


def test_a_font_installed_after_matplotlib_s_first_run_is_found_by_its_file(fonts, tmp_path):
    some_font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSansMono.ttf"
    fonts.files(tmp_path / "Arial.ttf", shutil.copy(some_font, tmp_path / "wqy-microhei.ttf"))
    assert chinese_font() == "DejaVu Sans Mono"
    assert [font.name for font in font_manager.fontManager.ttflist] == ["DejaVu Sans Mono"]


def test_no_font(fonts, tmp_path):
    fonts.known("DejaVu Sans")
    fonts.files(tmp_path / "Arial.ttf")
    assert chinese_font() is None


def test_chinese_is_drawn_without_a_warning(tmp_path, caplog, recwarn):
    if chinese_font() is None:
        pytest.skip("no Chinese font is installed")
    with in_language("zh"), caplog.at_level(logging.WARNING):
        loss_curve({**HISTORY, "validation_loss": [2.0, 3.0]}, tmp_path / "loss.png")
    assert caplog.records == []
    assert list(recwarn) == []
