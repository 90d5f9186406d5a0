import pytest

from loopback_core.errors import SettingsError
from loopback_core.listens.remote.remote_address import remote_address


@pytest.mark.parametrize(
    ("name", "kind", "rest"),
    [
        ("postgres://db/x", "postgresql", "db/x"),
        ("SQLITE:///a.db", "sqlite", "/a.db"),
        ("sqlite+pysqlite:///a.db", "sqlite", "/a.db"),
        ("duckdb:////data/a.db", "duckdb", "//data/a.db"),
        ("gs://bucket/*.parquet", "store", "bucket/*.parquet"),
        ("az://container/a.parquet", "store", "container/a.parquet"),
        ("https://host/a.parquet", "store", "host/a.parquet"),
        ("delta://s3://bucket/t", "delta", "s3://bucket/t"),
        ("iceberg://music/log.plays", "iceberg", "music/log.plays"),
    ],
)
def test_the_scheme_says_what_reads_an_address(name, kind, rest):
    address = remote_address(name, {})
    assert (address.kind, address.rest, address.shown) == (kind, rest, name)


@pytest.mark.parametrize(
    "name", ["plays.csv", "/data/plays/", "~/x", "lastfm-1k", "a:b", "${HOME}.csv", "C:\\plays.csv", "\x00"]
)
def test_a_path_is_no_address(name):
    assert remote_address(name, {"HOME": "home"}) is None


def test_the_folder_of_a_table_is_an_address(tmp_path):
    (tmp_path / "delta" / "_delta_log").mkdir(parents=True)
    (tmp_path / "iceberg" / "metadata").mkdir(parents=True)
    (tmp_path / "iceberg" / "metadata" / "v1.metadata.json").touch()
    for kind in ("delta", "iceberg"):
        address = remote_address(str(tmp_path / kind), {})
        assert (address.kind, address.rest, address.shown) == (kind, str(tmp_path / kind), str(tmp_path / kind))


def test_variables_are_encoded_where_they_are_a_part_of_the_address():
    environ = {"ME": "a@b", "SECRET": "p/w?", "HOST": "db:5432", "URL": "postgresql://me:hidden@db/x"}
    address = remote_address("postgresql://${ME}:${SECRET}@${HOST}/plays?application_name=${ME}", environ)
    assert address.text == "postgresql://a%40b:p%2Fw%3F@db:5432/plays?application_name=a%40b"
    assert address.shown == "postgresql://a%40b@db:5432/plays?application_name=a%40b"
    assert remote_address("${URL}", environ).shown == "postgresql://me@db/x"


def test_a_variable_that_is_not_set_is_named():
    with pytest.raises(
        SettingsError, match=r"uses \$\{SECRET\}, which is not set in the environment: export SECRET=..."
    ):
        remote_address("postgresql://me:${SECRET}@db/x", {})


def test_another_database_is_refused_without_its_password():
    with pytest.raises(SettingsError, match=r"'mysql://me@db/x' begins with mysql://, which cannot be read") as caught:
        remote_address("mysql://me:hidden@db/x", {})
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["jdbc:postgresql://me:hidden@db/x", "host=db user=me password=hidden", "x://y://z:hidden@"]
)
def test_a_connection_string_is_refused_without_its_password(name):
    with pytest.raises(
        SettingsError, match=r"no address that can be read: write it as postgresql|cannot be read"
    ) as caught:
        remote_address(name, {})
    assert "hidden" not in str(caught.value)


def test_the_driver_in_an_address_of_sqlalchemy_is_left_out():
    assert remote_address("postgresql+psycopg2://me@db/x", {}).text == "postgresql://me@db/x"


def test_an_address_hides_its_own_secrets_and_those_of_the_environment():
    environ = {"AWS_SECRET_ACCESS_KEY": "secret-key", "PGPASSWORD": "pw", "USE_TOKEN": "1", "HOME": "/home/me"}
    address = remote_address("postgresql://me:hidden%21@db/x", environ)
    assert address.hides("hidden! hidden%21 secret-key pw 1 /home/me") == "*** *** *** *** 1 /home/me"
    assert "hidden" not in repr(address) and "secret-key" not in repr(address)
