"""Watching a network while it learns: `Watch`, and the page that it draws on. 观看训练"""

from __future__ import annotations

from tinygrad_zh.stepper.live.watch import Watch

__all__ = ["Watch"]
