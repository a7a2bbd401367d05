"""The stepper: one recorded tape, read one contribution at a time, as text, in a terminal, in a browser. 单步浏览"""

from tinygrad_zh.stepper.document import Document, load
from tinygrad_zh.stepper.live import Watch
from tinygrad_zh.stepper.recording import Trace, record

__all__ = ["Document", "Trace", "Watch", "load", "record"]
