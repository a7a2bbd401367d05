"""The bugs that the checker was built with, before the zoo was divided: none of these is held out."""

from __future__ import annotations

SEEN = frozenset("""
    HalfTheSlope OneInAMillion MeanForSum WrongSign WrongSignOfMany SignLost SoftmaxOfZero Detached SigmoidForgotten
    TanhForgotten ExpTwice LeakForgotten RegularisedOnTheWay SoftmaxDiagonal BiasOfOneRow BatchNormWithoutMean
    SquareOnly SquareOnlyElsewhere FlipForgotten RollTheSameWay RepeatedIndex ProdByDivision NormAtZero
    SigmoidOverflows LogSigmoidAtZero WholeToEveryTie BothOfATie OutsideTheKink DuplicatesIgnored LastRowForgotten
    WritesItsUpstream WritesItsInput UnlocksItsInput StateOnTheOp EveryCallMore InMemoryOrder InputInMemoryOrder
    SomethingOfNothing PromotedByAScalar PromotedGradient Float32Inside CancelsInFloat32 Raises SecondOrderHalf
    SecondOrderCut
""".split())
