"""Which column of a log is which: by our names or by the mapping; what to say when it is neither."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from loopback_core.errors import BadLogError, SettingsError
from loopback_core.listens.log_rules import RAW_COLUMNS
from loopback_core.listens.time_forms import looks_like_time
from loopback_core.settings import SourceSettings

OPTIONAL_COLUMNS = ("artist_mbid", "track_mbid")

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "user_id": (
        "user",
        "userid",
        "username",
        "user_name",
        "listener",
        "listener_id",
        "account",
        "member",
        "uid",
        "who",
        *("email", "e_mail", "mail", "person", "profile", "login", "nick", "nickname", "listener_name", "subscriber"),
        *("benutzer", "benutzername", "nutzer", "hörer", "utilisateur", "usuario", "usuário", "utente", "gebruiker"),
    ),
    "timestamp": (
        *(
            "uts",
            "time",
            "played_at",
            "listened_at",
            "date",
            "datetime",
            "date_time",
            "ts",
            "unixtime",
            "unix_timestamp",
        ),
        *("utc_time", "scrobbled_at", "endtime", "end_time", "created_at", "when", "play_date"),
        *("zeitpunkt", "zeit", "datum", "fecha", "data", "heure", "tijd"),
    ),
    "artist_name": (
        *("artist", "artistname", "band", "performer", "creator", "master_metadata_album_artist_name"),
        *("künstler", "interpret", "artiste", "artista", "artiest"),
    ),
    "track_name": (
        *("trackname", "track_title", "song_title", "song_name", "title", "song"),
        *("titel", "titre", "título", "titolo", "lied", "canción", "morceau"),
        *("track", "name", "master_metadata_track_name"),  # beside a title a track may be its number
    ),
}
"""Names that other programs give to our columns, the likelier first. They are suggested, never taken."""


def find_columns(path: Path | str, in_file: Sequence[str], source: SourceSettings) -> dict[str, str]:
    """Our column name -> the file's, for each of ours that the file has. path: of the file, or the address of a table.

    Names are compared without regard to case, to white space and quotes around them, and to spaces for underscores. `user_id`
    may be missing where `source.user` is set, and where a file is mapped and no column of it looks like one of users: then it is
    named after the file.

    Raises:
        SettingsError: the mapping names a column that is not one of ours.
        BadLogError: a column that is needed, or that the mapping names, is not in the file, or is there twice.
    """
    columns, missing = match_columns(in_file, source)
    if "user_id" not in columns and source.user is None and not isinstance(path, Path):
        missing = missing or [("user_id", "user_id")]  # a table is no file that could name its user
    counts = Counter(map(_key, in_file))
    exactly = Counter(in_file)
    for ours, theirs in columns.items():
        if exactly[theirs] > 1 or (counts[_key(theirs)] > 1 and theirs not in (ours, source.columns.get(ours))):
            raise BadLogError(
                f"{path} has {max(exactly[theirs], counts[_key(theirs)])} columns named {theirs!r} (for {ours}): rename or "
                "remove all but the right one."
            )
    if missing:
        raise BadLogError(_missing(path, in_file, missing, source))
    return columns


def match_columns(in_file: Sequence[str], source: SourceSettings) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Our column name -> the file's; and ours with the name that was looked for in vain.

    Raises:
        SettingsError: the mapping names a column that is not one of ours.
    """
    mapping = source.columns
    if unknown := set(mapping) - set(RAW_COLUMNS):
        raise SettingsError(
            f"source.columns: {', '.join(sorted(unknown))} is not one of our columns; they are {', '.join(RAW_COLUMNS)}."
        )
    by_key = {_key(name): name for name in reversed(in_file)}
    names_nobody = bool(mapping) and not suggested(in_file, ["user_id"], list(mapping.values()))
    columns: dict[str, str] = {}
    missing: list[tuple[str, str]] = []
    for ours in RAW_COLUMNS:
        wanted = mapping.get(ours, ours)
        if wanted in in_file:
            columns[ours] = wanted
        elif _key(wanted) in by_key:
            columns[ours] = by_key[_key(wanted)]
        elif ours in mapping or not (ours in OPTIONAL_COLUMNS or (ours == "user_id" and (source.user or names_nobody))):
            missing.append((ours, wanted))
    return columns, missing


def suggested(in_file: Sequence[str], missing: Sequence[str], taken: Sequence[str] = ()) -> dict[str, str]:
    """Our column name -> a column of the file that is likely to be it, for those of `missing` that have one."""
    by_key = {_key(name): name for name in reversed(in_file) if name not in taken}
    found = {}
    for ours in missing:
        if key := next((key for key in OTHER_NAMES.get(ours, ()) if key in by_key), None):
            found[ours] = by_key[key]
    return found


def shown_mapping(columns: Mapping[str, str]) -> str:
    """A mapping as it stands in a settings file."""
    pairs = ", ".join(f"{ours} = {_quoted(theirs)}" for ours, theirs in columns.items())
    return f"columns = {{ {pairs} }}"


def _missing(path: Path | str, in_file: Sequence[str], missing: list[tuple[str, str]], source: SourceSettings) -> str:
    shown = ", ".join(map(repr, in_file[:SHOWN_COLUMNS])) + ", ..." * (len(in_file) > SHOWN_COLUMNS)
    if not looks_like_header(in_file):
        return (
            f"{path} seems to have no header, since its first line is {shown[:SHOWN_CHARACTERS_OF_LINE]}: put a line with the "
            f"names of the columns before it, such as {', '.join(RAW_COLUMNS)}."
        )
    if any(UNREADABLE in name for name in in_file):
        shown += " (the first line is not UTF-8: save the file as UTF-8 first)"
    names = ", ".join(ours if ours == theirs else f"{theirs!r} (for {ours})" for ours, theirs in missing)
    needed = [ours for ours, _ in missing]
    columns, _ = match_columns(in_file, source.model_copy(update={"columns": {}}))
    likely = suggested(in_file, needed, [source.columns.get(ours, theirs) for ours, theirs in columns.items()])
    all_of_them = source.columns | dict.fromkeys(needed, "...") | likely
    sentence = (
        f"{path} has no column {names}; its columns are {shown}. Map the columns in the settings file: [source] "
        f"{shown_mapping(all_of_them)}."
    )
    if "user_id" in needed and "user_id" not in likely:
        sentence += ' If all listens are of one person, say who it is: [source] user = "name", or "file" for the name of the file.'
    return sentence


def known_names(fields: Sequence[str]) -> int:
    """How many of our columns have a name among them, ours or one that other programs give."""
    keys = {*map(_key, fields)}
    return sum(not keys.isdisjoint({ours, *OTHER_NAMES.get(ours, ())}) for ours in RAW_COLUMNS)


def looks_like_header(fields: Sequence[str]) -> bool:
    """Whether a first line may be names of columns: none of them is a time, one or more are not blank."""
    return not any(map(looks_like_time, fields)) and any(name.strip() for name in fields)


UNREADABLE = "\ufffd"  # stands for bytes that are not UTF-8
SHOWN_COLUMNS = 40
SHOWN_CHARACTERS_OF_LINE = 200


def _key(name: str) -> str:
    return "_".join(name.strip().strip("\"'").split()).casefold()


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
