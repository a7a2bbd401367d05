"""Gradient checking: is a backward right, and if not, how is it wrong? 梯度检验"""

from __future__ import annotations

from tinygrad_zh.check.autopsy import Autopsy, autopsy
from tinygrad_zh.check.checking import gradcheck
from tinygrad_zh.check.model import check_model
from tinygrad_zh.check.parameters import check_parameters
from tinygrad_zh.check.report import Comparison, Failure, Report

__all__ = ["Autopsy", "Comparison", "Failure", "Report", "autopsy", "check_model", "check_parameters", "gradcheck"]
