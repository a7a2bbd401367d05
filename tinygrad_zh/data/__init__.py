"""Real data (数据集) and what is done to it before training: readers, scaling, splitting, minibatches, augmentation.

Only NumPy is imported here; a data set is read when its function is called.
"""

from __future__ import annotations

from tinygrad_zh.data.augmentation import shifted
from tinygrad_zh.data.dialogue_files import dialogues
from tinygrad_zh.data.fashion_files import clothes, fashion_mnist
from tinygrad_zh.data.headline_files import headlines
from tinygrad_zh.data.idx import read_idx
from tinygrad_zh.data.images import Images, digits
from tinygrad_zh.data.minibatches import Minibatches
from tinygrad_zh.data.mnist_files import mnist
from tinygrad_zh.data.plain_text import read_text
from tinygrad_zh.data.review_files import reviews
from tinygrad_zh.data.scaling import standardize, to_unit
from tinygrad_zh.data.splitting import train_test_split
from tinygrad_zh.data.synthetic import plane
from tinygrad_zh.data.tables import Table, ames, sacramento
from tinygrad_zh.data.texts import Texts, labelled_texts

__all__ = [
    "Images",
    "Minibatches",
    "Table",
    "Texts",
    "ames",
    "clothes",
    "dialogues",
    "digits",
    "fashion_mnist",
    "headlines",
    "labelled_texts",
    "mnist",
    "plane",
    "read_idx",
    "read_text",
    "reviews",
    "sacramento",
    "shifted",
    "standardize",
    "to_unit",
    "train_test_split",
]
