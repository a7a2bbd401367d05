"""compile: a training step is recorded, and from then on replayed. 编译：录制一步，反复重放"""
