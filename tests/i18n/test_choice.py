from __future__ import annotations

import locale
from contextvars import copy_context

import pytest

from tinygrad_zh.i18n import in_language, language, use_language

VARIABLES = ("TINYGRAD_ZH_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture(autouse=True)
def silent_environment(monkeypatch):
    """No variable speaks, and the operating system has no locale."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(locale, "getlocale", lambda: (None, None))


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_MESSAGES": "en_US", "LANG": "zh_CN"}, "en"),
        ({"LC_ALL": "zh_CN", "LC_MESSAGES": "en_US", "LANG": "en_US"}, "zh"),
        ({"LANGUAGE": "zh_CN:en", "LC_ALL": "en_US"}, "zh"),
        ({"LANGUAGE": "en:zh", "LC_ALL": "zh_CN"}, "en"),
        ({"LANGUAGE": "", "LANG": "zh_CN"}, "zh"),
        ({"TINYGRAD_ZH_LANG": "en", "LANG": "zh_CN"}, "en"),
        ({"TINYGRAD_ZH_LANG": "zh_CN", "LANG": "en_US"}, "zh"),
        ({"TINYGRAD_ZH_LANG": "fr", "LANG": "zh_CN"}, "zh"),
    ],
)
def test_the_first_variable_that_speaks_decides(monkeypatch, environment, expected):
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert language() == expected


def test_windows_keeps_its_locale_outside_the_environment(monkeypatch):
    monkeypatch.setattr(locale, "getlocale", lambda: ("Chinese (Simplified)_China", "936"))
    assert language() == "zh"


def test_an_explicit_choice_wins_and_a_block_ends(monkeypatch):
    monkeypatch.setenv("TINYGRAD_ZH_LANG", "en")
    with in_language("zh"):
        assert language() == "zh"
        with in_language("en"):
            assert language() == "en"
        assert language() == "zh"
    assert language() == "en"


def test_a_block_ends_after_an_exception():
    with pytest.raises(ZeroDivisionError), in_language("zh"):
        raise ZeroDivisionError
    assert language() == "en"


def test_use_language_holds_in_its_context_only():
    def speak_chinese():
        use_language("zh")
        return language()

    assert copy_context().run(speak_chinese) == "zh"
    assert language() == "en"


@pytest.mark.parametrize("code", ["fr", "zh_CN", "", "ZH"])
def test_other_languages_are_refused(code):
    with pytest.raises(ValueError, match="only 'zh' and 'en'"):
        use_language(code)
    with pytest.raises(ValueError, match="only 'zh' and 'en'"), in_language(code):
        pass
    assert language() == "en"
