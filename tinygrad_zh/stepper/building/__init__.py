"""From the tape to the document, in one pass over the lines. 由磁带生成文档

    steps      which steps a line amounts to
    tensors    which tensor a line speaks of, and what it is called
    modules    which call of which module an op belongs to
    arrays     the numbers, or a window of them
    sources    the lines of code
    …          what is said of a step beyond its arrays: elements, Jacobians, checks, an error's fix
"""

from tinygrad_zh.stepper.building.steps import build

__all__ = ["build"]
