"""The network of the GPT, and its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.core import Tensor
from tinygrad_zh.serialization import load, load_metadata, save
from tinygrad_zh.text import Vocabulary

WINDOW, DEPTH, WIDTH, HEADS, DROPOUT = 128, 3, 128, 4, 0.1
INPUT, INPUT_DTYPE = (1, WINDOW), np.int64
FOLDER = Path("tinygrad-zh-gpt")


class GPT(nn.Module):
    """z = LN(B_depth(… B₁(E[t] + P))) Eᵀ, causal. Characters t (n, length) → logits (n, length, vocabulary).

    length ≤ window. Dropout on E[t] + P, on the attention weights and on what each part of a block gives. 中文：GPT。
    """

    def __init__(self, vocabulary: int, window: int = WINDOW, depth: int = DEPTH, width: int = WIDTH,
                 heads: int = HEADS, dropout: float = DROPOUT) -> None:
        self.embedding = nn.Embedding(vocabulary, width, init=nn.init.small_normal)
        self.position = nn.LearnedPosition(window, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Encoder(depth, width, heads, 4 * width, dropout, F.gelu, nn.PreNormTransformerBlock)
        self.sizes = {"window": window, "depth": depth, "width": width, "heads": heads, "dropout": dropout}

    def forward(self, t: Any) -> Tensor:
        h = self.dropout(self.position(self.embedding(t)))
        return self.blocks(h, is_causal=True) @ self.embedding.W.T


def network(vocabulary: int = 1000) -> GPT:
    """Three blocks of width 128 with 4 heads, over windows of 128 characters."""
    return GPT(vocabulary)


class Trained(NamedTuple):
    """What is needed to write: the network, and which character is which id."""

    network: GPT
    vocabulary: Vocabulary


def write_file(trained: Trained, folder: Path) -> Path:
    """Weights, sizes and vocabulary in one file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.safetensors"
    notes = {"vocabulary": trained.vocabulary.to_json(), "sizes": json.dumps(trained.network.sizes)}
    save(trained.network.state_dict(), path, metadata=notes)
    return path


def read_file(folder: Path) -> Trained:
    """What `write_file` wrote. Raises FileNotFoundError where nothing is, ValueError for the file of another system."""
    path = folder / "model.safetensors"
    if not path.exists():
        raise FileNotFoundError(f"there is no trained GPT in {folder}; run: tinygrad-zh train gpt --text FILE")
    state, notes = load(path), load_metadata(path)
    if not {"vocabulary", "sizes"} <= notes.keys():
        raise ValueError(f"{path} is not a GPT's; run: tinygrad-zh train gpt --text FILE")
    vocabulary = Vocabulary.from_json(notes["vocabulary"])
    model = GPT(len(vocabulary), **json.loads(notes["sizes"]))
    model.load_state_dict(state)
    return Trained(model, vocabulary)
