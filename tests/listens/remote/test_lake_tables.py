import sys

import polars as pl
import pytest
from deltalake import DeltaTable
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.utils.config import Config
from remote_rows import EXPECTED, FRAME, listens_of, source_at

from loopback_core.errors import BadLogError, SettingsError
from loopback_core.listens.raw import publish_raw

pytestmark = pytest.mark.filterwarnings("ignore:Iceberg scan planning")


def test_a_delta_table_is_read_at_its_newest_version_without_what_was_deleted(store, tmp_path):
    table = tmp_path / "plays"
    FRAME.with_columns(title=pl.lit("replaced")).write_delta(table)
    pl.concat([FRAME, FRAME[:1].with_columns(title=pl.lit("deleted"))]).write_delta(table, mode="overwrite")
    DeltaTable(table).delete("title = 'deleted'")
    for number, name in enumerate((f"delta://{table}", str(table))):
        raw, listens, counts = listens_of(store, source_at(name), tmp_path / str(number))
        assert (listens, counts["rows"], raw.summary["name"]) == (EXPECTED, 5, name)


def test_a_compacted_delta_table_is_the_same_log(store, tmp_path):
    for part in (FRAME[:2], FRAME[2:]):
        part.write_delta(tmp_path / "plays", mode="append")
    first, _ = publish_raw(store, source_at(f"delta://{tmp_path}/plays"))
    DeltaTable(tmp_path / "plays").optimize.compact()
    assert publish_raw(store, source_at(f"delta://{tmp_path}/plays")) == (first, True)


@pytest.fixture
def catalog(tmp_path):
    return SqlCatalog("music", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}/warehouse")


def test_an_iceberg_table_is_read_by_its_folder_its_metadata_or_its_catalog(store, tmp_path, catalog, monkeypatch):
    catalog.create_namespace("log")
    table = catalog.create_table("log.plays", schema=FRAME.to_arrow().schema)
    table.append(FRAME[:3].to_arrow())
    table.append(FRAME[3:].to_arrow())
    folder = table.location().removeprefix("file://")
    monkeypatch.setenv("PYICEBERG_CATALOG__MUSIC__TYPE", "sql")
    monkeypatch.setenv("PYICEBERG_CATALOG__MUSIC__URI", f"sqlite:///{tmp_path}/catalog.db")
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())  # pyiceberg reads its configuration once
    names = (folder, f"iceberg://{folder}", f"iceberg://{table.metadata_location}", "iceberg://music/log.plays")
    versions = set()
    for number, name in enumerate(names):
        raw, listens, counts = listens_of(store, source_at(name), tmp_path / str(number))
        assert (listens, counts["rows"]) == (EXPECTED, 5)
        versions.add(raw.version)
    assert len(versions) == 1
    table.delete("title = 'Hunter'")
    assert publish_raw(store, source_at(f"iceberg://{folder}"))[0].version not in versions


@pytest.mark.parametrize(
    ("name", "error", "sentence"),
    [
        ("delta://{}/nothing", BadLogError, "There is nothing at delta://.*/nothing"),
        ("delta://{}/folder", BadLogError, "There is nothing at delta://.*/folder"),
        ("iceberg://{}/nothing", BadLogError, "There is no folder .*/nothing"),
        ("iceberg://{}/folder", BadLogError, r"is no Iceberg table, it has no metadata/\*\.metadata\.json"),
        ("iceberg://s3://bucket/table", SettingsError, "names no metadata file: give the address of the newest"),
        ("iceberg://nowhere/log.plays", BadLogError, "iceberg://nowhere/log.plays cannot be read"),
    ],
)
def test_what_is_no_table_ends_in_a_sentence(store, tmp_path, name, error, sentence):
    (tmp_path / "folder").mkdir()
    with pytest.raises(error, match=sentence):
        publish_raw(store, source_at(name.format(tmp_path)))


@pytest.mark.parametrize("library", ["deltalake", "pyiceberg.table"])
def test_a_library_that_is_not_installed_is_named_with_its_extra(store, tmp_path, monkeypatch, library):
    extra = {"deltalake": "delta", "pyiceberg.table": "iceberg"}[library]
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(SettingsError, match=rf"pip install 'loopback\[{extra}\]'"):
        publish_raw(store, source_at(f"{extra}://{tmp_path}/plays"))
