"""What `source.name` means when it is an address, filled from the environment, and how it is shown."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from loopback_core.errors import SettingsError
from loopback_core.settings.addresses import LONG_SECRET, filled_address, secrets_of, shown_address, without_secrets

DATABASES = {"postgresql": "postgresql", "postgres": "postgresql", "sqlite": "sqlite", "duckdb": "duckdb"}
STORES = {
    **dict.fromkeys(("s3", "s3a"), "store"),
    **dict.fromkeys(("gs", "gcs"), "store"),
    **dict.fromkeys(("az", "azure", "abfs", "abfss"), "store"),
    **dict.fromkeys(("https", "http"), "store"),
}
KIND_OF_SCHEME = DATABASES | STORES | {"delta": "delta", "iceberg": "iceberg"}
KNOWN = "postgresql://, sqlite:///, duckdb:///, s3://, gs://, az://, https://, delta:// or iceberg://"

SECRET_VARIABLE = re.compile(r"PASSWORD|SECRET|TOKEN|ACCESS_KEY|ACCOUNT_KEY|SAS", re.IGNORECASE)
"""Names of environment variables whose values are never shown, unless they are as short as a switch ("1")."""

PASSWORD_VARIABLES = ("LOOPBACK_SOURCE_PASSWORD", "PGPASSWORD")
"""Those that a database reads: never shown, however short."""

_OTHER_ADDRESS = re.compile(r"://|(?:^|\s)(?:host|hostaddr|dbname|service)\s*=", re.IGNORECASE)
"""jdbc:postgresql://..., or the connection string of libpq: both may hold a password."""

_SCHEME_OF = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)


@dataclass(frozen=True)
class RemoteAddress:
    """The address of a remote log. `text` holds its secrets and goes to the driver only; `shown` is for everything else."""

    kind: str  # a value of KIND_OF_SCHEME
    text: str = field(repr=False)
    rest: str = field(repr=False)  # behind ://
    shown: str
    secrets: tuple[str, ...] = field(repr=False)

    def hides(self, text: str) -> str:
        """A text of a driver without any secret: of the address, or of the environment."""
        return without_secrets(text, self.secrets)


def remote_address(name: str, environ: Mapping[str, str] = os.environ) -> RemoteAddress | None:
    """What `source.name` means, each ${NAME} in it filled from the environment; None when it is no address.

    The folder of a Delta or Iceberg table is an address too: its Parquet files are not all of the table's rows.

    Raises:
        SettingsError: it has a scheme that is not known, or names a variable that is not set.
    """
    is_address = "://" in name or name.startswith("${")
    text = filled_address(name, "source.name", environ) if is_address else name
    if parts := _SCHEME_OF.fullmatch(text):
        return _of_scheme(parts[1].lower(), parts[2], text, environ)
    if _OTHER_ADDRESS.search(text):
        raise SettingsError(
            f"source.name = {without_secrets(text)!r} is no address that can be read: write it as "
            "postgresql://user@host:5432/database, with the password in LOOPBACK_SOURCE_PASSWORD."
        )
    if kind := _kind_of_folder(name):
        place = str(Path(name).expanduser().absolute())
        return RemoteAddress(kind, place, place, place, _of_environment(environ))
    return None


def _of_scheme(scheme: str, rest: str, text: str, environ: Mapping[str, str]) -> RemoteAddress:
    shown = shown_address(text)
    if (database := scheme.partition("+")[0]) in DATABASES:
        scheme = database  # postgresql+psycopg2:// names a driver of SQLAlchemy
    if scheme not in KIND_OF_SCHEME:
        raise SettingsError(
            f"source.name = {shown!r} begins with {scheme}://, which cannot be read; an address begins with {KNOWN}. Of another "
            "database export the listens as Parquet, and give the path of that file."
        )
    secrets = (*secrets_of(text), *_of_environment(environ))
    return RemoteAddress(KIND_OF_SCHEME[scheme], f"{scheme}://{rest}", rest, shown, secrets)


def _kind_of_folder(name: str) -> str:
    try:
        folder = Path(name).expanduser()
        if (folder / "_delta_log").is_dir():
            return "delta"
        return "iceberg" if any((folder / "metadata").glob("*.metadata.json")) else ""
    except (OSError, RuntimeError, ValueError):  # the reader of files says what is wrong with the path
        return ""


def _of_environment(environ: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(
        value
        for name, value in environ.items()
        if name in PASSWORD_VARIABLES or (len(value) >= LONG_SECRET and SECRET_VARIABLE.search(name))
    )
