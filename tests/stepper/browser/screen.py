"""A page of the stepper in a browser, as a person has it: keys, a mouse, and what can be read on it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync")
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
REGIONS = ("phase", "step", "headline", "sentence", "formula", "derivative", "shapes", "element", "check", "upstream",
           "contribution", "before", "after", "banner", "code-user", "code-rule", "error", "hint")


def program() -> str | None:
    """The browser: what TINYGRAD_ZH_BROWSER names, else the system's Chromium."""
    named = os.environ.get("TINYGRAD_ZH_BROWSER")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, PROGRAMS)), None)


class Element(NamedTuple):
    """One element written out: the factors of its terms, the sum of those left out, and the value."""

    index: tuple[int, ...]
    terms: list[list[float]]
    rest: float
    value: str


class Screen:
    """One tab. `mistakes` is what nobody should ever see: errors, and requests for anything but the file."""

    def __init__(self, tab: Any) -> None:
        self.tab = tab
        self.mistakes: list[str] = []
        tab.set_default_timeout(20_000)
        tab.on("pageerror", lambda error: self.mistakes.append(f"error: {error}"))
        tab.on("console", lambda line: line.type in ("error", "warning") and self.mistakes.append(line.text))
        tab.on("request", lambda request: self._requested(request.url))

    @classmethod
    def open(cls, browser: Any, path: Path, *, anchor: str = "", **context: Any) -> Screen:
        options: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}, "locale": "en-US"}
        tab = browser.new_context(**options | context).new_page()
        screen = cls(tab)
        screen.file = path.as_uri()
        tab.goto(path.as_uri() + anchor)
        screen.wait()
        return screen

    file = ""

    def _requested(self, url: str) -> None:
        if url.split("#")[0] != self.file and not url.startswith(("data:", "blob:", "about:")):
            self.mistakes.append(f"asked for {url}")

    def wait(self) -> None:
        self.tab.wait_for_selector("body[data-ready]")

    def close(self) -> None:
        self.tab.context.close()

    # ---- doing

    def press(self, *keys: str) -> None:
        for key in keys:
            self.tab.keyboard.press(key)

    def to(self, step: int) -> None:
        """By the scrubber, which every step can be reached with."""
        self.tab.get_by_test_id("scrubber").fill(str(step))
        assert self.step == step

    def walk(self, keys: Sequence[str]) -> list[str]:
        """Press one key after the other, without waiting for a frame: what could be read after each."""
        return self.tab.evaluate(f"keys => {{ {TYPE} return keys.map(key => {{ type(key); {READ} }}); }}", keys)

    def jumps(self, moves: Sequence[tuple[int, str]]) -> list[int]:
        """Where each key leads from its step, without waiting for a frame."""
        return self.tab.evaluate(f"""moves => {{ {TYPE}
            const scrubber = document.querySelector("[data-testid=scrubber]"), {{dataset}} = document.body;
            return moves.map(([step, key]) => {{
                scrubber.value = step;
                scrubber.dispatchEvent(new Event("input", {{bubbles: true}}));
                if (dataset.step !== String(step)) throw new Error(`the scrubber did not go to ${{step}}`);
                type(key);
                return Number(dataset.step); }}); }}""", moves)

    # ---- reading

    @property
    def step(self) -> int:
        return int(self.tab.locator("body").get_attribute("data-step"))

    @property
    def language(self) -> str:
        return self.tab.locator("html").get_attribute("lang")

    def shown(self, name: str) -> bool:
        region = self.tab.get_by_test_id(name)
        return region.count() == 1 and region.is_visible()

    def text(self, name: str) -> str:
        return self.tab.get_by_test_id(name).inner_text() if self.shown(name) else ""

    def texts(self) -> dict[str, str]:
        """All that can be read on the screen, by region."""
        return self.tab.evaluate("""names => Object.fromEntries(names.map(name => {
            const region = document.querySelector(`[data-testid=${name}]`);
            return [name, region?.checkVisibility() ? region.innerText : ""]; }))""", REGIONS)

    def state(self) -> str:
        """Whatever a key could change, as one number: the page's elements, the focus, the address."""
        return self.tab.evaluate(STATE)

    def becomes_other_than(self, before: str) -> bool:
        """Whether the state changes: at once, or soon, as when the clipboard has answered."""
        return self.tab.evaluate(f"""async before => {{
            for (const end = performance.now() + 2000; performance.now() < end;) {{
                if (await ({STATE})() !== before) return true;
                await new Promise(requestAnimationFrame);
            }}
            return false; }}""", before)

    def drawn(self) -> list[str]:
        """The nodes of the graph."""
        return [node.text_content() for node in self.tab.locator(".node").all()]

    def announced(self) -> str:
        """What a screen reader says of its own accord."""
        return " ".join(self.tab.locator("[role=status], [aria-live=polite]").all_text_contents())

    def background(self) -> list[int]:
        color = self.tab.evaluate("getComputedStyle(document.body).backgroundColor")
        return list(map(int, re.findall(r"\d+", color)[:3]))

    @property
    def picked(self) -> int | None:
        """The picked element of what the step makes, counted through the whole array."""
        cells = self.tab.locator("table[data-of=target] td.picked")
        return int(cells.get_attribute("data-flat")) if cells.count() else None

    def grids(self) -> dict[str, dict[int, str]]:
        """The arrays on the screen by what they are of the step, their cells counted through the whole array."""
        found = self.tab.evaluate(GRIDS)
        return {of: {int(flat): shown for flat, shown in cells} for of, cells in found}

    def element(self) -> Element | None:
        """The picked element as it is written out: [2, 1] = 0.5 · 0.25 + … = 0.125"""
        found = self.tab.evaluate(WRITTEN)
        if found is None:
            return None
        index, terms, rest, value = found
        factors = [[number(factor.strip("()")) for factor in term] for term in terms]
        return Element(tuple(map(int, re.findall(r"\d+", index))), factors, number(rest) if rest else 0.0, value)

    def lit(self) -> set[tuple[str, int]]:
        """The cells that are lit because the picked element is made of them."""
        return set(map(tuple, self.tab.evaluate("""() => [...document.querySelectorAll("td.lit")].map(
            cell => [cell.closest("table").dataset.of, Number(cell.dataset.flat)])""")))


TYPE = """const type = key => document.activeElement.dispatchEvent(new KeyboardEvent("keydown",
    {key: key.replace("Shift+", ""), shiftKey: key.startsWith("Shift+"), bubbles: true}));"""
STATE = """async () => {
    const shown = [...document.body.children].filter(x => x.localName !== "script").map(x => x.outerHTML);
    const all = [...shown, ...Object.values(document.body.dataset), document.activeElement.outerHTML,
        document.body.className, document.documentElement.lang, location.hash].join();
    const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(all));
    return [...new Uint8Array(digest)].map(byte => byte.toString(16)).join(""); }"""
READ = "return document.body.innerText;"
GRIDS = """() => [...document.querySelectorAll("table[data-of]")].filter(table => table.checkVisibility()).map(
    table => [table.dataset.of, [...table.querySelectorAll("td[data-flat]")].map(
        cell => [cell.dataset.flat, cell.innerText])])"""
WRITTEN = """() => {
    const line = document.querySelector("[data-testid=element] .written"), total = line?.querySelector(".total");
    if (!total?.innerText.startsWith("[")) return null;
    const terms = [...line.querySelectorAll(".term:has(.upstream)")].map(
        term => [...term.querySelectorAll(".coefficient, .upstream")].map(factor => factor.innerText));
    return [total.firstChild.innerText, terms, line.querySelector(".rest-sum")?.innerText ?? "",
            line.querySelector(".value").innerText]; }"""


def number(text: str) -> float:
    """What a number on the screen is; its minus is a true one."""
    return float(text.replace("−", "-"))
