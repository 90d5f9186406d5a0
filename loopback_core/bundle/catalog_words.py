"""Names and queries as words: without case and accents, in every way that people write punctuation, CJK by pairs."""

import re
import unicodedata
from collections.abc import Iterator

LONGEST_QUERY = 200
"""Characters of a query that are read; what follows is cut off."""

LONGEST_WORD, LONGEST_KEY = 40, 80
MOST_CHUNKS, MOST_WORDS = 8, 16  # of a query, and of a chunk of it

Forms = tuple[tuple[str, ...], ...]
"""The ways to write one chunk of a text, each as words: AC/DC is (("ac", "dc"), ("acdc",))."""

N: Forms = (("n",),)
AND: Forms = (("n",), ("and",))
"""What an n between two words means: Rock 'n' Roll."""

_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "æ": "ae", "œ": "oe", "þ": "th", "ħ": "h", "ı": "i", "ŧ": "t"}
)  # letters with no decomposition, as they are typed on a keyboard that lacks them
_ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05c7\u0640\u064b-\u0655\u0670]")  # Latin to Cyrillic, Hebrew, Arabic
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff]+"
)  # scripts whose words are not separated, from Thai to Han; Hangul, where words carry endings
_SOUNDS = re.compile(r"[$@]|!(?=[0-9a-z])")
_SOUND = {"!": "i", "$": "s", "@": "a"}
_INVISIBLE = {"Cc", "Cf", "Cs", "Cn", "Co"}  # categories of Unicode
_NO_WORD = re.compile("[^0-9a-z]+")  # of ASCII text


def folded_name(text: str) -> str:
    """Lower case, without accents and invisible characters, with single spaces: what two spellings of a name share."""
    text = text.casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text).casefold()
        text = unicodedata.normalize("NFC", _ACCENTS.sub("", text)).translate(_LETTERS)
        text = "".join(character for character in text if unicodedata.category(character) not in _INVISIBLE)
    elif not text.isprintable():
        text = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(text.split())


def as_typed(query: str) -> str:
    """A query of any length, with any characters, folded; NUL, surrogates and marks of direction are left out."""
    text = query[:LONGEST_QUERY].replace("\0", " ").encode("utf-8", "ignore").decode("utf-8")
    return folded_name(text)[:LONGEST_QUERY]


def chunk_forms(text: str) -> list[Forms]:
    """The forms of every chunk of a folded text. Symbols count only where a text holds nothing else."""
    if not any(map(_in_word, text)):
        symbols = text.replace(" ", "")[:LONGEST_WORD]
        return [((symbols,),)] if symbols else []
    forms = [form for chunk in text.split() if (form := _forms(chunk))]
    return [*forms[:1], *(AND if form == N else form for form in forms[1:-1]), *forms[1:][-1:]]


def words_of(text: str) -> dict[str, None]:
    """Every word under which a folded text is found, in order, each once."""
    if _is_plain(text):
        words = dict.fromkeys(word[:LONGEST_WORD] for word in text.split())
    else:
        words = dict.fromkeys(word for forms in chunk_forms(text) for form in forms for word in form)
    if not text.isascii():
        words |= dict.fromkeys(letter for run in _UNSPACED.findall(text) for letter in run)
    if "n" in words:  # Rock 'n' Roll
        words["and"] = None
    return words


def keys_of(text: str) -> list[str]:
    """A folded text without spaces and punctuation, also as it sounds where that differs (P!nk: pnk and pink)."""
    if _is_plain(text):
        return [text.replace(" ", "")[:LONGEST_KEY]]
    if not any(map(_in_word, text)):
        return [text.replace(" ", "")[:LONGEST_KEY]] if text else []
    keys = (_key(text), _key(_as_it_sounds(text)))
    return [key[:LONGEST_KEY] for key in dict.fromkeys(keys) if key]


def without_article(text: str) -> str:
    """The Beatles: beatles."""
    return text.removeprefix("the ")


def _is_plain(text: str) -> bool:
    """Nothing but ASCII letters, digits and spaces, as most names."""
    return text.isascii() and text.replace(" ", "").isalnum()


def _forms(chunk: str) -> Forms:
    if chunk.isascii() and chunk.isalnum():
        return ((chunk[:LONGEST_WORD],),)
    if chunk in ("&", "+"):
        return (("and",),)
    split = tuple(word for run in _runs(chunk) for word in _pairs(run))[:MOST_WORDS]
    if not split:
        return ()
    if not chunk.isascii() and _UNSPACED.search(chunk):
        return (split,)
    whole = "".join(_runs(chunk))[:LONGEST_WORD]
    sounds = "".join(_runs(_as_it_sounds(chunk)))[:LONGEST_WORD]
    return tuple(dict.fromkeys((split, (whole,), (sounds,))))


def _key(text: str) -> str:
    text = " ".join("and" if word == "&" else word for word in text.split()) if "&" in text else text
    return _NO_WORD.sub("", text) if text.isascii() else "".join(filter(_in_word, text))


def _as_it_sounds(text: str) -> str:
    return _SOUNDS.sub(lambda symbol: _SOUND[symbol[0]], text)


def _runs(chunk: str) -> list[str]:
    """The longest stretches of letters and digits."""
    if chunk.isascii():
        return _NO_WORD.sub(" ", chunk).split()
    return "".join(character if _in_word(character) else " " for character in chunk).split()


def _in_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LNM"


def _pairs(run: str) -> Iterator[str]:
    """A run of letters as words: one, or every two neighbouring letters where a script has no spaces."""
    if run.isascii():
        yield run[:LONGEST_WORD]
        return
    end = 0
    for unspaced in _UNSPACED.finditer(run):
        if between := run[end : unspaced.start()]:
            yield between[:LONGEST_WORD]
        letters, end = unspaced[0], unspaced.end()
        yield from (letters[i : i + 2] for i in range(max(1, len(letters) - 1)))
    if end < len(run):
        yield run[end : end + LONGEST_WORD]
