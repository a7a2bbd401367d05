"""Training and evaluating models."""

from tinygrad_zh.data import Minibatches
from tinygrad_zh.train import metrics
from tinygrad_zh.train.callbacks import (
    Callback,
    Checkpoint,
    ClippedNorm,
    DeadUnits,
    EarlyStopping,
    GradientNorms,
    Scheduled,
    ScheduledSteps,
)
from tinygrad_zh.train.choosing import Compile, compiling
from tinygrad_zh.train.evaluate import evaluate, predict
from tinygrad_zh.train.fit import History, Run, fit
from tinygrad_zh.train.observing import observed

__all__ = ["Callback", "Checkpoint", "ClippedNorm", "Compile", "DeadUnits", "EarlyStopping", "GradientNorms",
           "History", "Minibatches", "Run", "Scheduled", "ScheduledSteps", "compiling", "evaluate", "fit",
           "metrics", "observed", "predict"]
