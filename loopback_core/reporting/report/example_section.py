"""A few users and what they were recommended."""

from collections.abc import Iterator, Sequence

from loopback_core.reporting.example_users import LATELY, Example, Recommended
from loopback_core.reporting.report.report_tables import table
from loopback_core.reporting.safe_text import markdown


def listeners_section(examples: Sequence[Example]) -> Iterator[str]:
    """Paragraphs of the section; none without examples."""
    if not examples:
        return
    yield "## A few listeners"
    yield (
        "Chosen by seed among light, medium and heavy listeners, not by how well they are served. The reasons are facts of "
        "the listening data that tie a track to the listener; they are not the motives of a model, which has none to tell."
    )
    for example in examples:
        yield f"### A {example.kind} listener: {markdown(example.user)}"
        heard = ", ".join(f"{markdown(artist)} ({plays:,})" for artist, plays in example.heard)
        yield f"{example.listens:,} listens so far. Of the last {min(LATELY, example.listens)}: {heard or 'nothing'}."
        names = list(example.lists)
        columns = ["", *(column for name in names for column in (f"**{markdown(name)}**", "because"))]
        longest = max((len(tracks) for tracks in example.lists.values()), default=0)
        rows = [
            [str(place + 1), *(cell for name in names for cell in _cells(example.lists[name], place))]
            for place in range(longest)
        ]
        yield table(columns, rows, words=len(columns))


def _cells(tracks: Sequence[Recommended], place: int) -> tuple[str, str]:
    if place >= len(tracks):
        return "", ""
    track = tracks[place]
    return f"{markdown(track.title)} by {markdown(track.artist)}", markdown(track.reason)
