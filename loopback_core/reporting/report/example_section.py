"""Example users with their recommendations."""

from collections.abc import Iterator, Sequence

from loopback_core.reporting.example_users import RECENT_LISTENS, Example, Recommended
from loopback_core.reporting.report.report_tables import markdown_table
from loopback_core.reporting.safe_text import markdown


def listeners_section(examples: Sequence[Example]) -> Iterator[str]:
    """Paragraphs of the section; nothing without examples."""
    if not examples:
        return
    yield "## Example users"
    yield (
        "One light, one medium and one heavy listener, drawn by seed, not by how well they are served. Each reason is a fact "
        "of the listening data that connects the track with the user; it is not an explanation of the model."
    )
    for example in examples:
        yield f"### {example.kind.capitalize()} listener: {markdown(example.user)}"
        artists = ", ".join(f"{markdown(artist)} ({plays:,})" for artist, plays in example.artists)
        yield f"{example.listens:,} listens. Artists of the last {min(RECENT_LISTENS, example.listens)}: {artists or 'none'}."
        names = list(example.lists)
        columns = ["", *(column for name in names for column in (f"**{markdown(name)}**", "reason"))]
        longest = max((len(tracks) for tracks in example.lists.values()), default=0)
        rows = [
            [str(place + 1), *(cell for name in names for cell in _cells(example.lists[name], place))]
            for place in range(longest)
        ]
        yield markdown_table(columns, rows, words=len(columns))


def _cells(tracks: Sequence[Recommended], place: int) -> tuple[str, str]:
    if place >= len(tracks):
        return "", ""
    track = tracks[place]
    return f"{markdown(track.title)} by {markdown(track.artist)}", markdown(track.reason)
