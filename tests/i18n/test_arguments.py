"""argparse speaks Chinese through two names that it does not document, so both are pinned here."""

from __future__ import annotations

import argparse

import pytest

from tinygrad_zh.i18n import BilingualHelp, display_width, in_language, translated_argparse


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="demo", allow_abbrev=True, formatter_class=BilingualHelp)
    made.add_argument("--epochs", type=int, help="轮数" * 60)
    made.add_argument("--pair", nargs=2)
    made.add_argument("--many", nargs="+")
    made.add_argument("--flag", action="store_true")
    made.add_argument("--data", choices=["digits", "mnist"])
    made.add_argument("--date")
    either = made.add_mutually_exclusive_group()
    either.add_argument("--quiet", action="store_true")
    either.add_argument("--loud", action="store_true")
    made.add_argument("system")
    return made


WRONG = {
    "required": ([], "缺少必需的参数：system"),
    "choice": (["--data", "x", "s"], "参数 --data：无效的选择：'x'（可选："),
    "value": (["--epochs", "ten", "s"], "参数 --epochs：无效的 int 值：'ten'"),
    "unrecognized": (["s", "--new"], "无法识别的参数：--new"),
    "one": (["s", "--epochs"], "需要一个值"),
    "two": (["s", "--pair", "1"], "需要 2 个值"),
    "at least one": (["s", "--many"], "至少需要一个值"),
    "explicit": (["--flag=1", "s"], "这个选项不带值，却给出了 '1'"),
    "ambiguous": (["--dat", "x", "s"], "选项 --dat 有歧义"),
    "both": (["--quiet", "--loud", "s"], "不能与参数 --quiet 同时使用"),
}


@pytest.mark.parametrize("case", WRONG)
def test_errors_are_chinese(case, capsys):
    words, message = WRONG[case]
    with in_language("zh"), translated_argparse(), pytest.raises(SystemExit) as stopped:
        parser().parse_args(words)
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("用法：demo ")
    assert "demo：错误：" in said
    assert message in said


def test_help_is_chinese_and_fits_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    with in_language("zh"), translated_argparse():
        said = parser().format_help()
    assert "位置参数" in said
    assert "显示这份帮助后退出" in said
    assert max(map(display_width, said.splitlines())) <= 60
    assert said.count("轮") == 60


def test_english_stays_argparse_s_own():
    plain = parser().format_help()
    with in_language("en"), translated_argparse():
        assert parser().format_help() == plain


def test_argparse_is_as_it_was_afterwards(capsys):
    before = argparse._, argparse.ngettext
    with in_language("zh"), translated_argparse():
        assert before != (argparse._, argparse.ngettext)
    with pytest.raises(SystemExit), in_language("zh"), translated_argparse():
        parser().parse_args([])
    assert before == (argparse._, argparse.ngettext)
    capsys.readouterr()
