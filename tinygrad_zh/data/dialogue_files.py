"""Turns of real dialogues with ten intents, from tables at hand or from the corpus itself."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from tinygrad_zh.data.crosswoz import INTENTS, turns
from tinygrad_zh.data.download import fetch
from tinygrad_zh.data.sources import cache_or
from tinygrad_zh.data.texts import Texts, from_rows, labelled_texts

TABLES = ("crosswoz_intent10_train.tsv", "crosswoz_intent10_test.tsv")
CORPUS = ("val.json.zip", "test.json.zip")
ADDRESSES = (
    # The commit that brought them, then wherever the project keeps them now.
    "https://raw.githubusercontent.com/thu-coai/CrossWOZ/a92c9936819b87d710787f0d7254e39467537d5a/data/crosswoz/",
    "https://raw.githubusercontent.com/thu-coai/CrossWOZ/master/data/crosswoz/",
)


def dialogues(
    folder: str | os.PathLike[str] | None = None, *, source: str | os.PathLike[str] | None = None
) -> tuple[Texts, Texts]:
    """What customers say to a travel service (客服对话), a training and a test set, each with its intent.

    Looks in the cache ``folder`` (default: "dialogues" in ``TINYGRAD_ZH_CACHE`` or the platform's cache
    folder), then in the folder ``source``, for either pair:

    - crosswoz_intent10_train.tsv and crosswoz_intent10_test.tsv, a label, a tab and a text a line; this
      project was measured on 2,335 and 1,320 turns. Tables of your own may stand under these names, with
      classes of their own.
    - val.json.zip and test.json.zip of CrossWOZ, from which the turns with one clear intent of ten are
      taken: 求推荐 asks for the name of a place; 问地址, 问电话, 问评分, 问营业时间, 问周边景点, 问周边餐馆 and
      问周边酒店 ask for just that; 补充条件 asks for nothing and names or chooses something; 致谢 only thanks.
      A test text that is in the training set too is left out. The tables above were made likewise, with at
      most 400 and 150 turns of an intent: figures measured on one pair are not figures for the other.

    Downloads the corpus' files to the cache only without a ``source``. Raises ValueError, naming the file,
    for one that is damaged; FileNotFoundError when ``source`` holds neither pair; ConnectionError, naming the
    file and where to put it, when it can be downloaded from nowhere.

    Q. Zhu et al., "CrossWOZ", TACL 8, 2020; Apache-2.0.
    """
    cache = cache_or(folder, "dialogues")
    for place in (cache,) if source is None else (cache, Path(source)):
        for names, read in ((TABLES, _from_tables), (CORPUS, _from_corpus)):
            if all((place / name).is_file() for name in names):
                return read(place)
    if source is not None:
        raise FileNotFoundError(f"{source} holds neither {' and '.join(TABLES)} nor {' and '.join(CORPUS)}")
    _download(cache)
    return _from_corpus(cache)


def _from_tables(folder: Path) -> tuple[Texts, Texts]:
    train = labelled_texts(folder / TABLES[0])
    return train, labelled_texts(folder / TABLES[1], train.names)


def _from_corpus(folder: Path) -> tuple[Texts, Texts]:
    train, test = (turns(folder / name, _member(name)) for name in CORPUS)
    known = {text for _, text in train}
    return from_rows(train, INTENTS), from_rows([row for row in test if row[1] not in known], INTENTS)


def _download(folder: Path) -> None:
    for name in CORPUS:
        if not (folder / name).is_file():
            urls = [f"{address}{name}" for address in ADDRESSES]
            fetch(urls, folder / name, partial(turns, member=_member(name)))


def _member(name: str) -> str:
    return name.removesuffix(".zip")
