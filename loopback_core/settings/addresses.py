"""Addresses of remote logs as they may be shown: in a sentence, a manifest, a log, the UI. Without their secrets."""

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

SHOWN_PARAMETERS = (
    "application_name",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "port",
    "sslmode",
    "user",
)
"""Parameters of an address that are no secret. What is not known to be none may be one: a signature, a token."""

LONG_SECRET = 6
"""Characters. A shorter secret is only replaced where it stands alone: "post" is not a part of "postgresql"."""

HIDDEN = "***"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ADDRESS = re.compile(_SCHEME.pattern + r"[^\s'\"`<>]+")
_KEY_VALUE = re.compile(
    r"(?i)\b(\w*(?:password|passwd|pwd|secret|token|signature|credential)\w*)(\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s&;,)]+)"
)


def shown_address(address: str) -> str:
    """An address without its password, and with only those values of its parameters that are no secret.

    All up to the last @ is taken for the user and the password: a password that is not percent-encoded may hold any
    character. What is no address comes back as it is.
    """
    scheme = _SCHEME.match(address)
    if not scheme:
        return address
    rest = address[scheme.end() :]
    if _SCHEME.match(rest):  # delta://s3://...
        return scheme[0] + shown_address(rest)
    before, at, after = rest.rpartition("@")
    user, colon, _ = before.partition(":")
    if at and not colon and scheme[0].startswith("http"):
        user = HIDDEN  # a token that stands for both
    place, mark, parameters = f"{user}{at}{after}".partition("?")
    return scheme[0] + place + mark + "&".join(map(_shown_parameter, parameters.split("&") if mark else []))


def without_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """A text, such as that of a driver's error, without these secrets and without those of the addresses in it."""
    for secret in sorted({*secrets} - {""}, key=len, reverse=True):
        for form in dict.fromkeys((secret, quote(secret, safe=""), quote(secret), unquote(secret))):
            alone = ("", "") if len(form) >= LONG_SECRET else (r"(?<!\w)", r"(?!\w)")
            text = re.sub(alone[0] + re.escape(form) + alone[1], HIDDEN, text)
    text = _ADDRESS.sub(lambda found: shown_address(found[0]), text)
    return _KEY_VALUE.sub(rf"\1\2{HIDDEN}", text)


def secrets_of(address: str) -> tuple[str, ...]:
    """What :func:`shown_address` takes out of an address, each also as it is without percent-encoding."""
    rest = address
    while scheme := _SCHEME.match(rest):
        rest = rest[scheme.end() :]
    before, at, after = rest.rpartition("@")
    user, colon, password = before.partition(":")
    if at and not colon and address.startswith("http"):
        password = user
    pairs = (pair.partition("=") for pair in after.partition("?")[2].split("&"))
    found = [password, *(value for name, _, value in pairs if name.lower() not in SHOWN_PARAMETERS)]
    return tuple(dict.fromkeys(form for secret in found if secret for form in (secret, unquote(secret))))


def _shown_parameter(parameter: str) -> str:
    name, equals, _ = parameter.partition("=")
    if name.lower() in SHOWN_PARAMETERS:
        return parameter
    return f"{name}{equals}{HIDDEN}" if equals else HIDDEN
