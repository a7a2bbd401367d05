"""The documents' systems, each a short module that runs on real data where real data exists.

A system has `network()`, the untrained model, and `run(options)`, which trains it, prints what it measures in the
language chosen, and returns the figures. INPUT is the shape of a batch; a system that takes tokens says so with
INPUT_DTYPE. One that can be spoken to has `answer(words, folder)`, which reads what `run` wrote.

`first_step()` is what the stepper opens: it makes an untrained model and picks two to eight samples, real ones where
the package ships them, and returns the first step of training as a function of no arguments: forward, backward and
update, with the model, the loss and the optimizer of `run`. It is the same step every time.
"""

SYSTEMS = {
    "s1": "tinygrad_zh.documents.s1",
    "s2": "tinygrad_zh.documents.s2",
    "s3": "tinygrad_zh.documents.s3",
    "s4": "tinygrad_zh.documents.s4",
    "s5": "tinygrad_zh.documents.s5",
    "s6": "tinygrad_zh.documents.s6",
    "s7": "tinygrad_zh.documents.s7",
    "s8": "tinygrad_zh.documents.s8",
    "s11": "tinygrad_zh.documents.s11",
    "gpt": "tinygrad_zh.documents.gpt",
}
"""{name: module}; what each is stands in the catalogue under system.<name>."""

ASKABLE = ("s4", "gpt")
"""The systems that `tinygrad-zh ask` can speak to."""

__all__ = ["ASKABLE", "SYSTEMS"]
