"""The driver's side of a worker: a process of its own, with its own number of threads, asked line by line."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from benchmarks.machine import THREAD_VARIABLES
from benchmarks.peers import Peer

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 120.0
"""Seconds for an answer, compilation included."""


class Failed(Exception):
    """Why a framework cannot be measured, in one sentence."""


class Process:
    """One framework, in a process whose libraries have `threads` threads and which runs on as many cores.

    It belongs to a session of its own, so that Ctrl-C reaches the driver alone, which closes it.
    """

    def __init__(self, peer: Peer, threads: int) -> None:
        self.peer = peer
        self.said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.peers.worker", str(threads)], cwd=ROOT, env=environment(peer, threads),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, text=True, encoding="utf-8",
            start_new_session=True)
        self.answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def ask(self, patience: float = PATIENCE, **question: Any) -> dict[str, Any]:
        """The answer. Raises Failed where the framework says why it cannot, dies, or takes longer than patience."""
        try:
            self.process.stdin.write(json.dumps(question) + "\n")  # type: ignore[union-attr]
            self.process.stdin.flush()  # type: ignore[union-attr]
            line = self.answers.get(timeout=patience)
        except queue.Empty:
            raise Failed(f"no answer within {patience:.0f} s") from None
        except BrokenPipeError:
            line = ""
        if not line:
            raise Failed(f"its process ended: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer

    def close(self) -> None:
        """The worker ends when there is no more to read; one that is still busy is ended."""
        try:
            self.process.stdin.close()  # type: ignore[union-attr]
            self.process.wait(timeout=2)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.reader.join()
        self.process.stdout.close()  # type: ignore[union-attr]
        self.said.close()

    def _read(self) -> None:
        for line in self.process.stdout:  # type: ignore[union-attr]
            self.answers.put(line)
        self.answers.put("")

    def _last_words(self) -> str:
        self.said.seek(0)
        lines = self.said.read().strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def environment(peer: Peer, threads: int) -> dict[str, str]:
    """The variables by which the libraries learn of their threads, and OpenBLAS of its core."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    own |= {name: str(threads) for name in THREAD_VARIABLES}
    own |= {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "kernels"), *filter(None, [own.get("PYTHONPATH")])]),
            "PYTHONIOENCODING": "utf-8", "TORCHINDUCTOR_COMPILE_THREADS": "1"}
    if threads == 1:
        own["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    if peer.core:
        own["OPENBLAS_CORETYPE"] = peer.core
    return own
