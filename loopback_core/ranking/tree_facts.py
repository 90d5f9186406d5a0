"""What the fitting of trees says of them."""

from typing_extensions import TypedDict


class TreeFacts(TypedDict):
    """What cross-fitting measured: users of every third part are ranked by trees that were fitted on the others."""

    requests: int
    users: int
    rounds: int
    linear: float  # nDCG@10 of the linear score over the requests
    difference: float  # of the trees to it
    error: float  # standard error of the difference, by users
    used: bool
    gains: dict[str, float]  # feature -> share of the gain of all splits, where trees are used
    losses: dict[
        str, float
    ]  # group of features -> nDCG@10 that is lost where its values are shuffled within each request
