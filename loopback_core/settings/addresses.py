"""Addresses in settings: filled from the environment, and as they may be shown, in a sentence, a manifest, the UI: without secrets."""

import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, unquote

from loopback_core.errors import SettingsError

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

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ADDRESS = re.compile(_SCHEME.pattern + r"[^\s'\"`<>]+")
_KEY_VALUE = re.compile(
    r"(?i)\b(\w*(?:password|passwd|pwd|secret|token|signature|credential)\w*)(\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s&;,)]+)"
)


def filled_address(address: str, key: str, environ: Mapping[str, str] = os.environ) -> str:
    """An address with the value of each ${NAME} in it, percent-encoded where it is a user, a password or a parameter.

    key: the setting that holds it.

    Raises:
        SettingsError: a name is not in the environment.
    """
    start, end = address.find("://"), address.rfind("@")
    parameters = address.find("?", max(end, 0))

    def value(found: re.Match[str]) -> str:
        if not (given := environ.get(found[1])):
            raise SettingsError(
                f"{key} uses ${{{found[1]}}}, which is not set in the environment: export {found[1]}=..."
            )
        encoded = 0 <= start < found.start() < end or 0 <= parameters < found.start()
        return quote(given, safe="") if encoded else given

    return _VARIABLE.sub(value, address)


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
