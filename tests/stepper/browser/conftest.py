"""One Chromium for all tests, a fresh context for each, and the samples' pages as files.

Without playwright or Chromium the tests are skipped and say what is missing. Where TINYGRAD_ZH_BROWSER names the
browser, as .ci/run does, what is missing is an error.
"""

from __future__ import annotations

import os
from functools import cache

import pytest

from tests.stepper import samples
from tests.stepper.browser.screen import ARGUMENTS, Screen, program

NAMED = os.environ.get("TINYGRAD_ZH_BROWSER")


def pytest_collection_modifyitems(items):
    for item in items:
        if "stepper/browser" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


def _missing(what):
    if NAMED:
        pytest.fail(f"TINYGRAD_ZH_BROWSER is {NAMED}, but {what}", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="package")  # playwright's event loop runs in this thread until the browser is closed
def browser():
    if program() is None:
        _missing("there is no Chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _missing("playwright is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def traces():
    """Each sample's trace, recorded when it is first asked for."""
    return cache(samples.trace)


@pytest.fixture(scope="session")
def saved(traces, tmp_path_factory):
    """The file of a sample's page, as save_html wrote it."""
    folder = tmp_path_factory.mktemp("pages")

    def path(name):
        file = folder / f"{name}.html"
        if not file.exists():
            traces(name).save_html(file)
        return file

    return path


@pytest.fixture
def show(browser):
    """Open a page in a context of its own; after the test, nothing may have gone wrong in any of them."""
    screens = []

    def opened(path, *, anchor="", **context):
        screen = Screen.open(browser, path, anchor=anchor, **context)
        screens.append(screen)
        return screen

    yield opened
    for screen in screens:
        screen.close()
    for screen in screens:
        assert screen.mistakes == []
