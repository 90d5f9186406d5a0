"""Text from outside as a terminal may show it."""

LONGEST_SHOWN = 200


def shown_text(text: str, longest: int = LONGEST_SHOWN) -> str:
    """Control characters are shown, not sent, and a long text is cut."""
    return "".join(character if character.isprintable() else "�" for character in text)[:longest]
