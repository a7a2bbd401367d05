"""The documents' systems, each a short module that runs on real data where real data exists.

A system has `network()`, the untrained model, and `run(options)`, which trains it, prints what it measures in the
language chosen, and returns the figures.
"""

SYSTEMS = {
    "s1": "tinygrad_zh.documents.s1",
    "s3": "tinygrad_zh.documents.s3",
    "s5": "tinygrad_zh.documents.s5",
    "s6": "tinygrad_zh.documents.s6",
    "s7": "tinygrad_zh.documents.s7",
    "s8": "tinygrad_zh.documents.s8",
}
"""{name: module}; what each is stands in the catalogue under system.<name>."""

__all__ = ["SYSTEMS"]
