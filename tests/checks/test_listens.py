import os
from pathlib import Path

import polars as pl
import pytest

from loopback_core.checks import listens_checks as module


def frame_changed(name, change):
    """A change of one Parquet file."""

    def spoil(folder):
        change(pl.read_parquet(folder / name)).write_parquet(folder / name)

    return spoil


@pytest.fixture
def log(chain):
    (path,) = (file["path"] for file in chain.sound["raw_listens"].summary["files"])
    return Path(path)


def test_an_untouched_log_passes(chain):
    assert chain.verdict("source_unchanged", chain.sound["raw_listens"]).passed


def test_a_log_that_was_edited_is_found(chain, log):
    log.write_text(log.read_text() + "one more line\n")
    verdict = chain.verdict("source_unchanged", chain.sound["raw_listens"])
    assert not verdict.passed
    assert verdict.sentence == f"{log} was changed after raw_listens was materialized: materialize it again."


def test_flipped_bits_are_found_though_size_and_time_are_the_same(chain, log):
    status, content = log.stat(), bytearray(log.read_bytes())
    content[-2] ^= 1
    log.write_bytes(content)
    os.utime(log, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not chain.verdict("source_unchanged", chain.sound["raw_listens"]).passed


def test_a_log_that_is_gone_is_named(chain, log):
    log.unlink()
    verdict = chain.verdict("source_unchanged", chain.sound["raw_listens"])
    assert not verdict.passed
    assert str(log) in verdict.sentence


def test_a_missing_file_of_an_artifact_is_named_with_the_remedy(chain):
    listens = chain.copy("interactions")
    (listens.folder / "interactions.parquet").unlink()
    verdict = chain.verdict("files_intact", listens)
    assert not verdict.passed
    assert verdict.facts == {"files": 2, "damaged": {"interactions.parquet": "missing"}}
    assert f"interactions.parquet: missing; delete the folder {listens.folder}" in verdict.sentence


def test_exact_duplicates_do_not_count_towards_the_reject_share(chain):
    listens = chain.sound["interactions"]
    verdict = chain.verdict("reject_share", listens, max_reject_share=1 / 13)
    assert verdict.passed
    assert verdict.facts["reject_share"] == 1 / 13
    assert verdict.facts["by_reason"] == {"exact duplicate": 2, "missing title": 1}
    assert [row["line"] for row in verdict.facts["first_rejects"]] == [11]
    assert not chain.verdict("reject_share", listens, max_reject_share=0.076).passed


def test_rows_of_erased_users_do_not_count_towards_the_reject_share(chain):
    erased = frame_changed(
        "rejects.parquet", lambda frame: frame.with_columns(reason=pl.lit("erased user"), text=pl.lit(""))
    )
    verdict = chain.verdict("reject_share", chain.spoiled("interactions", erased), max_reject_share=0.0)
    assert verdict.passed
    assert verdict.facts == {"reject_share": 0.0, "by_reason": {"erased user": 3}, "first_rejects": []}


def test_too_many_rejects_are_reported_by_reason(chain):
    verdict = chain.verdict("reject_share", chain.sound["interactions"], max_reject_share=0.05)
    assert verdict.sentence == (
        "7.69 % of 13 rows were rejected; the limit is 5.00 % (2 exact duplicate, 1 missing title; see rejects.parquet)"
    )


def test_listens_that_are_not_as_many_as_were_kept_are_found(chain):
    fewer = chain.spoiled("interactions", frame_changed("interactions.parquet", lambda frame: frame.head(9)))
    verdict = chain.verdict("listens_valid", fewer)
    assert not verdict.passed
    assert verdict.sentence == "interactions.parquet holds 9 rows instead of 10"


def test_listens_that_break_their_schema_are_found(chain):
    blank = frame_changed("interactions.parquet", lambda frame: frame.with_columns(track_name=pl.lit(" ")))
    verdict = chain.verdict("listens_valid", chain.spoiled("interactions", blank))
    assert not verdict.passed
    assert "break the schema Listen" in verdict.sentence


@pytest.mark.parametrize("rows_at_once", [1, 2, 3, 100])
def test_listens_out_of_order_are_found_also_at_the_seam_of_two_reads(chain, monkeypatch, rows_at_once):
    monkeypatch.setattr(module, "ROWS_AT_ONCE", rows_at_once)
    assert chain.verdict("listens_valid", chain.sound["interactions"]).passed
    swapped = frame_changed("interactions.parquet", lambda frame: frame[[0, 1, 3, 2, *range(4, 10)]])
    assert not chain.verdict("listens_valid", chain.spoiled("interactions", swapped)).passed
