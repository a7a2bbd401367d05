"""The stepper's pictures in the READMEs: the gallery, at one step, as Chromium shows it in both languages.

    python benchmarks/screenshots.py

Writes benchmarks/results/pictures/stepper.en.png and stepper.zh.png. Needs playwright (the extra `browser`), Chromium
and a Chinese font.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.stepper.browser.screen import ARGUMENTS, program  # noqa: E402
from tinygrad_zh.i18n import LANGUAGES  # noqa: E402

GALLERY = ROOT / "notebooks" / "pages" / "gallery.html"
PICTURES = ROOT / "benchmarks" / "results" / "pictures"
PLACE = "trace=4&step=14"  # attention: ∂L/∂P of Y = P V, the second of MatMul's contributions
SIZE = {"width": 1440, "height": 1000}


def main() -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        for language in LANGUAGES:
            page = chromium.new_page(viewport=SIZE, color_scheme="light")
            page.goto(f"{GALLERY.as_uri()}#{PLACE}&lang={language}")
            page.wait_for_selector("body[data-ready]")
            page.screenshot(path=PICTURES / f"stepper.{language}.png")
            print(PICTURES / f"stepper.{language}.png")
        chromium.close()


if __name__ == "__main__":
    main()
