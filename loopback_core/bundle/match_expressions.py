"""Full-text expressions of SQLite, made of words; a word is always quoted, so that nothing in it is syntax."""

from collections.abc import Callable, Iterable

from loopback_core.bundle.catalog_words import Forms


def term(word: str) -> str:
    """Rows with this word."""
    return '"' + word.replace('"', '""') + '"'


def begun(word: str) -> str:
    """Rows with a word that begins so."""
    return term(word) + " *"


def any_of(expressions: Iterable[str]) -> str:
    """Rows that match one of them."""
    return "(" + " OR ".join(expressions) + ")"


def all_of(expressions: Iterable[str]) -> str:
    """Rows that match every one."""
    return "(" + " AND ".join(expressions) + ")"


def chunk_expression(forms: Forms, last: Callable[[str], str] = term) -> str:
    """Rows with all words of one of the forms. last: the expression of the last word of each."""
    return any_of(all_of([*map(term, form[:-1]), last(form[-1])]) for form in forms)
