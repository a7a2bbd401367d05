"""Small things to train, what to compare afterwards, and the loop of `fit` in its plainest form."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import tinygrad_zh as tz
from tinygrad_zh import functional as F
from tinygrad_zh import nn
from tinygrad_zh.data import Minibatches
from tinygrad_zh.train import fit

ROOT = Path(__file__).parents[2]


def classes(n=60, seed=0, width=4, count=3):
    """(x, y): n points around `count` centres, x float32 (n, width), y int64 (n,)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(count, size=n)
    centres = np.random.default_rng(99).normal(size=(count, width)) * 2
    return (centres[y] + rng.normal(size=(n, width))).astype(np.float32), y


def line(n=32, seed=0, dtype=np.float64):
    """(x, y): y = 3 x₀ − 2 x₁ + 1 exactly, both of shape (n, …)."""
    x = np.random.default_rng(seed).normal(size=(n, 2)).astype(dtype)
    return x, x @ np.array([[3.0], [-2.0]], dtype) + dtype(1.0)


def mlp(seed=0, width=4, hidden=8, count=3):
    """Dense – ReLU – Dense; the context's generator is seeded, and goes on from there."""
    tz.manual_seed(seed)
    return nn.Sequential(nn.Dense(width, hidden), nn.ReLU(), nn.Dense(hidden, count))


def everything(seed=0):
    """A network with all that a run has to keep: statistics, masks from the context's generator and from its own."""
    tz.manual_seed(seed)
    return nn.Sequential(nn.Dense(4, 8), nn.BatchNorm(8), nn.ReLU(), nn.Dropout(0.3),
                         nn.Dropout(0.2, generator=np.random.Generator(np.random.Philox(11))), nn.Dense(8, 3))


def quietly(model, data, **keywords):
    """`fit` with this file's usual arguments."""
    keywords.setdefault("loss", F.cross_entropy)
    keywords.setdefault("optimizer", tz.optim.SGD(model.parameters(), lr=0.1))
    return fit(model, data, **{"batch_size": 16, "progress": "none"} | keywords)


def plainly(model, data, optimizer, steps, loss=F.cross_entropy, batch_size=16):
    """So many steps of training, written out."""
    x, y = data
    batches = Minibatches(np.arange(len(x)), batch_size=batch_size, generator=tz.default_generator())

    def forever():
        while True:
            yield from batches

    for (rows,) in islice(forever(), steps):
        value = loss(model(tz.tensor(x[rows])), y[rows])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()


def contents(*holders):
    """The states of models and optimizers, to the byte."""
    return [{name: (array.dtype.str, array.shape, array.tobytes()) for name, array in holder.state_dict().items()}
            for holder in holders]


def python(script, *arguments, **keywords):
    """A fresh Python that runs a script of this folder's."""
    head = f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / 'kernels')!r}]\n"
    command = [sys.executable, "-u", "-c", head + script, *map(str, arguments)]
    return subprocess.Popen(command, text=True, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | keywords)


def output(child):
    """What a child printed, once it has ended well."""
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    return out


def on_a_terminal(script, *arguments, columns=80):
    """(standard output, what the error stream's terminal was sent)"""
    pty = pytest.importorskip("pty", reason="pseudo-terminals need POSIX")
    termios = pytest.importorskip("termios", reason="pseudo-terminals need POSIX")
    ours, theirs = pty.openpty()
    if columns:
        termios.tcsetwinsize(theirs, (24, columns))
    child = python(script, *arguments, stderr=theirs)
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux's way of saying that the other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    return output(child), shown.decode()
