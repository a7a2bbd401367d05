"""For everybody: a screen reader, a keyboard alone, the dark, high contrast, and the screen of a phone."""

from __future__ import annotations

import re

import pytest

from tinygrad_zh.i18n import in_language, text
from tinygrad_zh.stepper import navigation

CHINESE = re.compile("[㐀-鿿]")
LANDMARKS = {"main", "banner", "contentinfo", "navigation", "region", "complementary", "form", "search"}


def tree(screen):
    """The accessibility tree as a screen reader gets it: (role, name, properties) of each node that it is told of."""
    session = screen.tab.context.new_cdp_session(screen.tab)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    return [(node["role"]["value"], node.get("name", {}).get("value", ""),
             {p["name"]: p["value"].get("value") for p in node.get("properties", [])})
            for node in nodes if not node["ignored"]]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("sample", ["mlp", "error", "blocks250"])
def test_every_control_has_a_name_in_the_readers_language(show, saved, language, sample):
    screen = show(saved(sample), anchor=f"#lang={language}&step=12")
    controls = [(role, name) for role, name, properties in tree(screen)
                if properties.get("focusable") and role != "RootWebArea"]
    assert len(controls) >= 7
    for role, name in controls:
        assert name.strip(), role
        if role in ("button", "slider", "searchbox", "textbox", "checkbox"):
            assert bool(CHINESE.search(name)) is (language == "zh") or name in ("中文", "English"), (role, name)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_landmarks_are_there_and_told_apart(show, saved, language):
    nodes = tree(show(saved("mlp"), anchor=f"#lang={language}&step=12"))
    landmarks = [(role, name) for role, name, _ in nodes if role in LANDMARKS]
    assert [role for role, _ in landmarks].count("main") == 1
    assert len(landmarks) >= 3
    assert len(set(landmarks)) == len(landmarks), "two landmarks of one kind with one name"
    headings = [name for role, name, _ in nodes if role == "heading"]
    assert len(headings) >= 3 and all(headings)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_step_is_announced_with_its_op_input_and_phase(show, saved, traces, language):
    data = traces("mlp").document().data
    screen = show(saved("mlp"), anchor=f"#lang={language}&step=0")
    said = screen.announced()
    for i in range(1, len(data["steps"])):
        screen.press("ArrowRight")
        now = screen.announced()
        assert now != said, i
        said = now
        step = data["steps"][i]
        with in_language(language):
            assert text(f"stepper.phase.{navigation.group(step)}").lower() in said.lower()
        if step.get("op") is not None:
            assert data["ops"][step["op"]]["name"] in said
        if step.get("slot") is not None:
            assert data["tensors"][step["tensor"]]["name"] in said


def test_tab_reaches_every_control_and_shows_where_it_is(show, saved):
    screen = show(saved("mlp"), anchor="#step=12")
    wanted = screen.tab.evaluate("""() => {
        const all = [...document.querySelectorAll("button, input, select, textarea, a[href], summary, [tabindex]")];
        const mine = all.filter(x => x.tabIndex >= 0 && !x.disabled && x.checkVisibility());
        mine.forEach((x, i) => x.dataset.mine = i);
        return mine.length; }""")
    assert wanted >= 7
    reached = set()
    for _ in range(wanted + 3):
        screen.press("Tab")
        here = screen.tab.evaluate("""() => {
            const x = document.activeElement, style = getComputedStyle(x);
            return [x.dataset.mine, x.outerHTML.slice(0, 80),
                    style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1
                    || style.boxShadow !== "none"]; }""")
        if here[0] is not None:
            assert here[2], f"the focus cannot be seen on {here[1]}"
            reached.add(here[0])
    assert len(reached) == wanted


def test_space_on_a_button_presses_it_and_does_no_more(show, saved):
    screen = show(saved("mlp"), anchor="#step=12")
    screen.tab.get_by_test_id("previous").focus()
    screen.press("Space")
    assert screen.step == 11
    screen.press("Enter")
    assert screen.step == 10


def test_the_scrubber_is_moved_by_its_own_keys(show, saved):
    screen = show(saved("mlp"), anchor="#step=12")
    screen.tab.get_by_test_id("scrubber").focus()
    screen.press("ArrowRight")
    assert screen.step == 13


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("sample", "step"), [("reused", 9), ("mlp", 1), ("mlp", 12), ("error", -1), ("softmax", -1)])
def test_the_contrast_of_all_text(show, saved, traces, scheme, sample, step):
    """WCAG 2.2, 1.4.3: 4.5 to 1, or 3 to 1 for large text."""
    step %= len(traces(sample).document().steps)
    screen = show(saved(sample), color_scheme=scheme, anchor=f"#step={step}")
    measured = screen.tab.evaluate(CONTRAST)
    assert len(measured) > 40
    assert [m for m in measured if m["ratio"] < m["least"]] == []
    assert (sum(screen.background()) < 3 * 128) is (scheme == "dark")


CONTRAST = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const rgba = color => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255]; };
    const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
    const light = c => { const f = v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
    const behind = x => {
        const layers = [];
        for (let e = x; e; e = e.parentElement) {
            if (e.ownerSVGElement) {
                const shape = e.tagName !== "g" ? null : [...e.children].find(s => /rect|ellipse|path/.test(s.tagName));
                if (shape && getComputedStyle(shape).fill !== "none") layers.push(rgba(getComputedStyle(shape).fill));
            } else layers.push(rgba(getComputedStyle(e).backgroundColor));
        }
        return layers.reverse().reduce((below, layer) => over(layer, below), rgba("Canvas"));
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; node = walker.nextNode();) {
        const x = node.parentElement, style = getComputedStyle(x);
        if (!node.data.trim() || !x.checkVisibility({visibilityProperty: true, opacityProperty: true})) continue;
        if (x.closest("[disabled], [aria-disabled=true], script, style, option")) continue;
        const box = x.getBoundingClientRect();
        if (box.width <= 1 || box.height <= 1) continue;
        let opacity = 1;
        for (let e = x; e; e = e.parentElement) opacity *= getComputedStyle(e).opacity;
        const back = behind(x), ink = rgba(x.ownerSVGElement ? style.fill : style.color);
        const front = over([...ink.slice(0, 3), ink[3] * opacity], back);
        const [a, b] = [light(front), light(back)].sort((p, q) => q - p);
        const size = parseFloat(style.fontSize), large = size >= 24 || size >= 18.66 && style.fontWeight >= 700;
        found.push({text: node.data.trim().slice(0, 40), ratio: Math.round((a + 0.05) / (b + 0.05) * 100) / 100,
                    least: large ? 3 : 4.5, where: x.closest("[data-testid]")?.dataset.testid ?? x.className});
    }
    return found;
}"""


def test_in_forced_colours_the_picked_cell_and_the_current_node_stand_out(show, saved):
    """Backgrounds are gone there: what marks a thing must be a line or a word."""
    screen = show(saved("reused"), forced_colors="active", anchor="#step=9")
    for mark, other in ((".picked", "td[data-flat]:not(.picked)"), (".node.current", ".node:not(.current)")):
        styles = [screen.tab.locator(each).first.evaluate(LINES) for each in (mark, other)]
        assert styles[0] != styles[1], mark


LINES = """node => [node, ...node.querySelectorAll("rect")].map(x => { const s = getComputedStyle(x);
    return [s.outlineStyle, s.outlineWidth, s.borderTopWidth, s.borderTopStyle, s.strokeWidth,
            s.strokeDasharray].join(); })"""


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("sample", "step"), [("mlp", 1), ("reused", 9), ("attention", 20), ("error", 2), ("s6", 39)])
def test_a_phone_needs_no_scrolling_to_the_side(show, saved, traces, language, sample, step):
    step = min(step, len(traces(sample).document().steps) - 1)
    screen = show(saved(sample), viewport={"width": 390, "height": 844}, anchor=f"#step={step}&lang={language}")
    assert screen.tab.evaluate("document.scrollingElement.scrollWidth") <= 390
    assert all(0 <= box["x"] and box["x"] + box["width"] <= 390
               for box in (screen.tab.get_by_test_id(n).bounding_box() for n in ("previous", "next", "language")))


@pytest.mark.parametrize(("motion", "moves"), [("no-preference", True), ("reduce", False)])
def test_who_wants_no_motion_gets_none(show, saved, motion, moves):
    """When the modules open, the nodes find new places."""
    screen = show(saved("mlp30"), reduced_motion=motion, anchor="#step=12")
    moving = screen.tab.evaluate("""() => {
        document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "e", bubbles: true}));
        return document.getAnimations().length; }""")
    assert (moving > 0) is moves
