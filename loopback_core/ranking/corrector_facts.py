"""What the fitting of a corrector says of it."""

from typing_extensions import TypedDict


class GroupLoss(TypedDict):
    """What is lost without a group of features."""

    loss: float  # of nDCG@10
    error: float  # its standard error, by users


class CorrectorFacts(TypedDict):
    """What cross-fitting measured: every third part of the users is ranked by a corrector that was fitted on the others."""

    kind: str  # of the corrector: lightgbm or cross_encoder
    requests: int
    users: int
    steps: int  # trees, or passes over the requests
    linear: float  # nDCG@10 of the linear score over the requests
    difference: float  # of the corrected score to it
    error: float  # standard error of the difference, by users
    used: bool
    gains: dict[str, float]  # feature -> share of the gain of all splits, where trees are used
    losses: dict[
        str, float
    ]  # group of features -> nDCG@10 that is lost where its values are shuffled within each request
    without: dict[str, GroupLoss]  # group of features -> what the linear score loses when it is fitted without it


class RefiningFacts(TypedDict):
    """What cross-fitting measured: every third part of the users is ranked by weights that were moved for the others."""

    requests: int
    users: int
    places: int  # the best candidates of each
    strength: float  # the best; 0: too few users to compare any
    before: float  # nDCG@10 over the requests
    difference: float  # after the weights were moved
    error: float  # standard error of the difference, by users
    used: bool
