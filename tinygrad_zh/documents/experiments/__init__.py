"""What training shows of the documents' errata: one experiment a file. 勘误实验

An experiment has `measure(seed)`, which trains and returns plain figures, `show(measured)`, which prints them as a
table, and `draw(measured, path)`, which draws them. `tinygrad-zh formulas F24 --experiment` runs one.
"""

EXPERIMENTS = {
    "F03": "tinygrad_zh.documents.experiments.dead_outputs",
    "F04": "tinygrad_zh.documents.experiments.error_signal",
    "F05": "tinygrad_zh.documents.experiments.error_signal",
    "F10": "tinygrad_zh.documents.experiments.literal_loss",
    "F12": "tinygrad_zh.documents.experiments.dead_outputs",
    "F16": "tinygrad_zh.documents.experiments.depth",
    "F17": "tinygrad_zh.documents.experiments.depth",
    "F18": "tinygrad_zh.documents.experiments.error_signal",
    "F20": "tinygrad_zh.documents.experiments.capped",
    "F21": "tinygrad_zh.documents.experiments.collapse",
    "F22": "tinygrad_zh.documents.experiments.threshold",
    "F24": "tinygrad_zh.documents.experiments.climbing",
}
"""{formula: module}."""

__all__ = ["EXPERIMENTS"]
