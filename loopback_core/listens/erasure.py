"""Erased users: what they listened to is left out, and no text of theirs stays among the rejects."""

from pathlib import Path

import polars as pl

from loopback_core.listens.log_rules import Reason, normal_form
from loopback_core.listens.served import ErasedUser

UNREAD = (Reason.UNDECODABLE_BYTES.value, Reason.WRONG_FIELD_COUNT.value)
"""Reasons of rows whose fields mean nothing, so that their user is not known."""


def read_erased(path: Path | None) -> pl.DataFrame | None:
    """Who was erased and when (ErasedUser); None where nobody was."""
    return None if path is None else ErasedUser.validate(pl.read_parquet(path, glob=False))


def leave_out_erased(cleaned: pl.DataFrame, erased: pl.DataFrame) -> pl.DataFrame:
    """Clean rows with a reason (see `clean`), those of erased users rejected and without their text.

    A listen counts again when its time is plausible and after the erasure. A row that could not be split keeps its reason;
    it loses its text when that names an erased user.
    """
    rows = cleaned.join(erased.select("user_id", "erased_at"), on="user_id", how="left", maintain_order="left")
    reason = pl.col("reason")
    unread = reason.is_in(UNREAD).fill_null(False)
    again = (pl.col("timestamp") > pl.col("erased_at")) & reason.ne_missing(Reason.IMPLAUSIBLE_DATE.value)
    forgotten = pl.col("erased_at").is_not_null() & ~again.fill_null(False) & ~unread
    rows = rows.with_columns(
        pl.when(forgotten).then(pl.lit(Reason.ERASED_USER.value)).otherwise(reason).alias("reason"),
        pl.when(forgotten).then(pl.lit("")).otherwise("text").alias("text"),
    ).drop("erased_at")
    places = rows.select(unread.arg_true()).to_series()
    if len(places):
        texts = rows["text"].gather(places)
        rows = rows.with_columns(rows["text"].scatter(places, texts.set(names_any(texts, erased), "")))
    return rows


def names_any(texts: pl.Series, erased: pl.DataFrame) -> pl.Series:
    """Whether a text holds the id of an erased user anywhere: rather too many than one too few."""
    users = erased["user_id"].to_list()
    patterns = [*users, *(user.replace('"', '""') for user in users if '"' in user)]  # as a .csv writes it
    return normal_form(texts).str.contains_any(patterns)
