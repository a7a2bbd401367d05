"""Fashion-MNIST, pictures of clothes: 5,000 that ship with the package, and the whole from elsewhere."""

from __future__ import annotations

import os
from importlib.resources import files

from tinygrad_zh.data.idx import gunzip
from tinygrad_zh.data.images import Images, images_from_idx
from tinygrad_zh.data.sources import Collection, cache_or

FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)


def clothes() -> tuple[Images, Images]:
    """4,000 training and 1,000 test pictures of clothes (衣物图像), 28×28, of 10 classes, shipped with the package.

    The first 400 of each class of Fashion-MNIST's training set, and the first 100 of its test set, **sorted by class**.
    The classes, 0 to 9: T-shirt/top, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.

    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
    algorithms", 2017. MIT, Zalando SE (see files/CLOTHES.md).

    >>> train, test = clothes()
    >>> train.pixels.shape, test.pixels.shape
    ((4000, 28, 28), (1000, 28, 28))
    """
    return _shipped("train"), _shipped("test")


def _shipped(part: str) -> Images:
    folder = files("tinygrad_zh.data") / "files"
    pixels, labels = (
        gunzip((folder / name).read_bytes(), name)
        for name in (f"clothes-{part}-images-idx3-ubyte.gz", f"clothes-{part}-labels-idx1-ubyte.gz")
    )
    return images_from_idx(pixels, labels, f"clothes {part}")


def fashion_mnist(
    folder: str | os.PathLike[str] | None = None, *, source: str | os.PathLike[str] | None = None
) -> tuple[Images, Images]:
    """The 60,000 training and 10,000 test pictures of Fashion-MNIST (衣物图像全集), 28×28; classes as in `clothes`.

    ``folder`` (default: "fashion-mnist" in the cache), ``source`` and errors as for `mnist`; the Debian package
    dataset-fashion-mnist installs a folder that can be the source.

    H. Xiao, K. Rasul, R. Vollgraf, 2017. MIT, Zalando SE.
    """
    collection = Collection("Fashion-MNIST", FILES, lambda name: [f"{mirror}{name}.gz" for mirror in MIRRORS])
    contents = collection.obtain(cache_or(folder, "fashion-mnist"), source)
    return (
        images_from_idx(contents["train-images-idx3-ubyte"], contents["train-labels-idx1-ubyte"], "train"),
        images_from_idx(contents["t10k-images-idx3-ubyte"], contents["t10k-labels-idx1-ubyte"], "test"),
    )
