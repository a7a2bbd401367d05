"""The stepper as one offline HTML file. 网页"""

from __future__ import annotations

from tinygrad_zh.stepper.page.page import Extra, iframe, page, save

__all__ = ["Extra", "iframe", "page", "save"]
