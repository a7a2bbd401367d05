"""The course: every notebook runs, in both languages, with the same code and the same numbers in its words."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from tests.notebooks.answers import ANSWERS, MISTAKES

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
AS_JUPYTER = Path(__file__).with_name("as_jupyter.py")
READMES = {"en": FOLDER / "README.md", "zh": FOLDER / "README.zh.md"}
ENGLISH = sorted(path for path in FOLDER.glob("*.py") if not path.name.endswith(".zh.py"))
BOTH = sorted(FOLDER.glob("*.py"))
READS_DIALOGUES = [path for path in ENGLISH if path.name.startswith("07")]
STEPS = [path for path in ENGLISH if path.name.startswith("03")]
TRAINS = [path for path in ENGLISH if path.name[:2] in ("05", "07")]

each_pair = pytest.mark.parametrize("english", ENGLISH, ids=lambda path: path.stem)
each_run = pytest.mark.parametrize(
    "english", [pytest.param(path, marks=pytest.mark.slow if path in TRAINS else ()) for path in ENGLISH],
    ids=lambda path: path.stem,
)


def in_chinese(english: Path) -> Path:
    return english.with_name(f"{english.stem}.zh.py")


def cells(notebook: Path) -> list[tuple[str, str]]:
    """(what it is, its text) for every cell: "[markdown]" or "" for code."""
    text = notebook.read_text(encoding="utf-8")
    assert text.startswith("# %%"), "a notebook begins with a cell"
    return re.findall(r"^# %% ?(.*)\n((?:(?!# %%).*\n?)*)", text, re.M)


def exercises(notebook: Path) -> int:
    return len(ANSWERS[notebook.name[:2]])


def words(notebook: Path) -> list[str]:
    return [text for kind, text in cells(notebook) if kind == "[markdown]"]


def code(notebook: Path) -> list[list[str]]:
    """Every code cell's tokens without comments and blank lines; the line that chooses the language says nothing."""
    return [
        [token.string for token in tokenize.generate_tokens(io.StringIO(text).readline)
         if token.type not in (tokenize.COMMENT, tokenize.NL) and not token.line.startswith("LANGUAGE = ")]
        for kind, text in cells(notebook) if kind == ""
    ]


def run(source: str, folder: Path, *runner: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What becomes of a notebook that is run as a program, or by a runner, in a folder of its own."""
    script = folder / "notebook.py"
    script.write_text(source, encoding="utf-8")
    path = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    return subprocess.run(
        [sys.executable, *runner, script], cwd=folder, capture_output=True, encoding="utf-8", check=False,
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "Agg", **variables},
    )


def printed(notebook: Path, source: str, folder: Path, request: pytest.FixtureRequest, *runner: Path) -> str:
    """What a notebook prints, given what it needs."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    needs = {"TINYGRAD_ZH_DIALOGUES": request.getfixturevalue("dialogue_folder")} if notebook in READS_DIALOGUES else {}
    done = run(source, folder, *runner, **needs)
    assert done.returncode == 0, done.stderr
    return done.stdout


def answered(notebook: Path) -> str:
    """A notebook whose exercises are solved, and then done wrong: each wrong answer that is noticed prints ×."""
    right, wrong = ANSWERS[notebook.name[:2]], MISTAKES[notebook.name[:2]]
    source = notebook.read_text(encoding="utf-8")
    heads = {name: head for head, name in re.findall(r"^(def (\w+)\(.*\):\n)    \.\.\.\n", source, re.M)}
    assert heads.keys() == right.keys() == wrong.keys()
    for name, head in heads.items():
        source = source.replace(f"{head}    ...\n", head + right[name])
    source += "".join(f"\n\n{head}{wrong[name]}" for name, head in heads.items())
    for call, number in re.findall(r"^(check\((\d), .*\))$", source, re.M):
        source += f"try:\n    {call}\nexcept AssertionError:\n    print('{number} ×')\n"
    return source


def test_the_folder_holds_nothing_but_pages_and_notebooks_in_both_languages() -> None:
    pairs = {path for english in ENGLISH for path in (english, in_chinese(english))}
    held = {path for path in FOLDER.iterdir() if path.name not in ("__pycache__", "pages")}
    assert held == pairs | set(READMES.values())


def test_the_two_lists_name_them_all_in_order() -> None:
    names = {language: re.findall(r"^\| \[(\d\d) .*?\]\((.*?)\)", readme.read_text(encoding="utf-8"), re.M)
             for language, readme in READMES.items()}
    assert names["en"] == [(path.name[:2], path.name) for path in ENGLISH]
    assert names["zh"] == [(path.name[:2], in_chinese(path).name) for path in ENGLISH]


@each_pair
def test_the_code_is_the_same_in_both_languages(english: Path) -> None:
    assert [kind for kind, _ in cells(english)] == [kind for kind, _ in cells(in_chinese(english))]
    assert code(english) == code(in_chinese(english))


@each_pair
def test_the_words_have_the_same_headings_and_numbers_in_both_languages(english: Path) -> None:
    for en, zh in zip(words(english), words(in_chinese(english)), strict=True):
        assert re.findall(r"^# (#+) ", en, re.M) == re.findall(r"^# (#+) ", zh, re.M)
        assert sorted(re.findall(r"\d[\d.,]*\d|\d", en)) == sorted(re.findall(r"\d[\d.,]*\d|\d", zh)), en


@pytest.mark.parametrize("notebook", BOTH, ids=lambda path: path.name.removesuffix(".py"))
def test_what_is_stressed_in_the_words_ends_where_markdown_sees_it(notebook: Path) -> None:
    """CommonMark ends no emphasis between a punctuation mark and a letter: **又错了。**又 shows its asterisks."""
    for cell in words(notebook):
        ends = re.findall(r"(\*\*?)(?=[^\s*]).+?([^\s*])\1(?!\*)(.?)", cell, re.S)
        assert [end for end in ends if re.fullmatch(r"[^\w\s]\w", "".join(end[1:]))] == []


@pytest.mark.parametrize("notebook", BOTH, ids=lambda path: path.name.removesuffix(".py"))
def test_each_speaks_its_own_language(notebook: Path) -> None:
    headings = re.findall(r"^# (#+ .*)", "".join(words(notebook)), re.M)
    chinese = any(re.search(r"[\u4e00-\u9fff]", heading) for heading in headings)
    language = re.search(r'^LANGUAGE = "(..)"$', notebook.read_text(encoding="utf-8"), re.M)[1]
    assert (language == "zh") == chinese == notebook.name.endswith(".zh.py")


@each_run
def test_it_runs_as_in_jupyter_and_draws(english: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    output = printed(english, english.read_text(encoding="utf-8"), tmp_path, request, AS_JUPYTER)
    assert re.findall(r"^(\d) ([○●×])$", output, re.M) == [(str(i + 1), "○") for i in range(exercises(english))]
    drawn = {path.name for path in (tmp_path / "tinygrad-zh-notebooks").glob("*.png")}
    assert ("<iframe" in output) == (english in STEPS), "a trace that ends a cell is the stepper's page"
    assert drawn == set(re.findall(r'"([\w-]+\.png)"', english.read_text(encoding="utf-8"))) != set()


@each_run
def test_in_chinese_too_and_its_exercises_know_right_from_wrong(
    english: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chinese = in_chinese(english)
    output = printed(english, answered(chinese), tmp_path, request)
    expected = [(str(i + 1), mark) for mark in "●×" for i in range(exercises(english))]
    assert re.findall(r"^(\d) ([○●×])$", output, re.M) == expected


@pytest.mark.parametrize("english", READS_DIALOGUES, ids=lambda path: path.stem)
def test_without_its_data_it_says_what_is_missing(english: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    done = run(english.read_text(encoding="utf-8"), tmp_path, TINYGRAD_ZH_DIALOGUES=str(tmp_path),
               TINYGRAD_ZH_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"TINYGRAD_ZH_DIALOGUES: {tmp_path} holds neither crosswoz_intent10_train.tsv")
    assert done.stderr.count("\n") == 1
