"""compile: a training step is recorded, and from then on replayed. 编译：录制一步，反复重放"""

from tinygrad_zh.program.compiling.compiled import Compiled, compile

__all__ = ["Compiled", "compile"]
