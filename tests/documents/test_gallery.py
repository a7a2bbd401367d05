"""The gallery: the page in the repository is what the code makes now, and its exhibits show what their words say."""

from __future__ import annotations

import base64
import json
import math
import re
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh.documents.gallery import page
from tinygrad_zh.documents.gallery.exhibits import EXHIBITS
from tinygrad_zh.i18n import LANGUAGES

ROOT = Path(tz.__file__).parents[1]
EMBEDDED = re.compile(r'<script id="(\w+)"([^>]*)>(.*?)</script>', re.DOTALL)
DIFFERS = ("numeric", "error", "step")  # of a check: rounding alone, which no two machines share


@cache
def document(name: str) -> dict[str, Any]:
    return page.document(name)


@cache
def made(folder: Path) -> str:
    page.write(folder / "gallery.html")
    return (folder / "gallery.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made(tmp_path_factory.mktemp("gallery"))


# ---- the page in the repository


def parts(html: str) -> dict[str, Any]:
    """What is embedded in the page, unpacked, and the rest of it."""
    found = {name: unpacked(attributes, words) for name, attributes, words in EMBEDDED.findall(html)}
    return {**found, "data": json.loads(found["data"]), "page": EMBEDDED.sub(r"\1", html)}


def unpacked(attributes: str, words: str) -> str:
    """Compared as they are, two texts that zlib packed on two machines need not be the same."""
    return zlib.decompress(base64.b64decode(words)).decode() if "data-packed" in attributes else words


def assert_alike(kept: Any, now: Any, place: str) -> None:
    """Equal, but for the last digits of numbers, which are not the same on every machine."""
    assert type(kept) is type(now) or {type(kept), type(now)} <= {int, float}, place
    if isinstance(kept, dict):
        assert kept.keys() == now.keys(), place
        for key in kept:
            if not (place.endswith(".check") and key in DIFFERS):
                assert_alike(kept[key], now[key], f"{place}.{key}")
    elif isinstance(kept, list):
        assert len(kept) == len(now), place
        for k, (a, b) in enumerate(zip(kept, now, strict=True)):
            assert_alike(a, b, f"{place}[{k}]")
    elif isinstance(kept, float):
        assert math.isclose(kept, now, rel_tol=1e-4, abs_tol=1e-6), place
    else:
        assert kept == now, place


def test_the_page_is_up_to_date(written: str) -> None:
    kept, now = parts((ROOT / page.FILE).read_text(encoding="utf-8")), parts(written)
    assert_alike(kept, now, "make it anew with python -m tinygrad_zh.documents.gallery; page")


def test_it_is_the_same_each_time(written: str, tmp_path: Path) -> None:
    assert made(tmp_path) == written


def test_it_is_small_and_dated_by_nothing() -> None:
    kept = ROOT / page.FILE
    assert kept.stat().st_size <= 150 * 1024
    for name in EXHIBITS:
        data = document(name)
        assert data["meta"]["created"] == "" and data["meta"]["versions"] == {}
        assert all(op["seconds"] is None for op in data["ops"])
        assert all(path.startswith("tinygrad_zh/") for path in data["sources"])


def test_its_words_are_there_in_both_languages(written: str) -> None:
    data = parts(written)["data"]
    cards = data["extra"]["cards"]
    assert len(cards) == len(data["documents"]) == len(EXHIBITS) == 5
    for card, shown in zip(cards, data["documents"], strict=True):
        assert card["title"].keys() == card["look"].keys() == set(LANGUAGES)
        assert all(title in shown["meta"]["title"] for title in card["title"].values())
        assert len(re.findall(r"\.(?: |$)", card["look"]["en"])) == card["look"]["zh"].count("。") == 2


# ---- what the exhibits show


def array(data: dict[str, Any], k: int) -> Any:
    return np.reshape(data["arrays"][k]["values"], data["arrays"][k]["shape"])


def tensor(data: dict[str, Any], name: str) -> int:
    (found,) = [k for k, t in enumerate(data["tensors"]) if t["name"] == name]
    return found


def value(data: dict[str, Any], name: str) -> Any:
    return array(data, data["tensors"][tensor(data, name)]["value"])


def arriving(data: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The steps that add to the gradient of a tensor."""
    t = tensor(data, name)
    return [step for step in data["steps"] if step.get("tensor") == t and "contribution" in step
            and step["phase"] != "gradient"]


def gradient(data: dict[str, Any], name: str) -> Any:
    return array(data, arriving(data, name)[-1]["after"])


def test_three_contributions_reach_the_value_that_is_used_three_times() -> None:
    data = document("reused")
    assert len(arriving(data, "x")) == 3
    assert [step["before"] is None for step in arriving(data, "x")] == [True, False, False]
    np.testing.assert_allclose(gradient(data, "x"), 2 * value(data, "x") + 1)
    assert not np.allclose(array(data, arriving(data, "x")[-1]["contribution"]), gradient(data, "x"))


def test_s6_updates_every_weight_and_its_relu_lets_nothing_through_where_it_gave_0() -> None:
    data = document("s6")
    (relu,) = [step for step in data["steps"]
               if step["phase"] == "backward" and data["ops"][step["op"]]["name"] == "ReLU"]
    output = data["tensors"][data["ops"][relu["op"]]["outputs"][0]]
    blocked = array(data, output["value"]) == 0
    assert 0 < blocked.sum() < blocked.size
    assert (array(data, relu["contribution"])[blocked] == 0).all()
    assert sum(step["phase"] in ("update", "assign") for step in data["steps"]) >= 6


def test_a_weight_s_gradient_is_a_product_and_a_bias_s_is_summed_over_the_samples() -> None:
    data = document("two_layers")
    (to_bias,) = arriving(data, "b1")
    assert to_bias["phase"] == "sum_to"
    back = array(data, to_bias["raw"])
    np.testing.assert_allclose(gradient(data, "b1"), back.sum(axis=0), rtol=1e-3)
    np.testing.assert_allclose(gradient(data, "W1"), value(data, "X").T @ back, rtol=1e-3, atol=1e-6)
    assert gradient(data, "W1").shape == value(data, "W1").shape


def test_softmax_and_cross_entropy_come_to_p_minus_y_at_once_or_in_small_steps() -> None:
    data = document("softmax")
    expected = (value(data, "p") - np.eye(3)[[0, 1]]) / 2
    for name in ("z", "logits"):
        np.testing.assert_allclose(gradient(data, name), expected, atol=1e-5)
    np.testing.assert_allclose(gradient(data, "z").sum(axis=1), 0, atol=1e-5)
    seeds = [k for k, step in enumerate(data["steps"]) if step["phase"] == "seed"]
    backward = [sum(step["phase"] == "backward" for step in part)
                for part in (data["steps"][seeds[0]:seeds[1]], data["steps"][seeds[1]:])]
    assert backward[0] > backward[1]


def test_attention_adds_up_in_the_tokens_and_to_nothing_in_a_row_of_scores() -> None:
    data = document("attention")
    assert len(arriving(data, "x")) == 3
    np.testing.assert_allclose(value(data, "P").sum(axis=1), 1, atol=1e-4)
    assert abs(gradient(data, "S")).max() > 0.01
    np.testing.assert_allclose(gradient(data, "S").sum(axis=1), 0, atol=1e-4)
