"""What `evaluation.json` says of the candidates."""

from typing_extensions import TypedDict


class GeneratorJson(TypedDict):
    """One generator, or all of them together. Shares are means over users of the share of their positives."""

    tracks: float  # found for a user, on average: DEPTH at most of each generator
    recall: dict[str, float]  # "500" and "1000": among so many of its best
    adds: float  # found by no other generator


class CandidatesJson(TypedDict):
    """The candidates of one task."""

    users: int
    union: GeneratorJson  # in the order of the linear score; `adds` is the recall of all of them, without a cut
    generators: dict[str, GeneratorJson]
