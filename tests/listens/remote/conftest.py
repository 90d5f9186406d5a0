"""A PostgreSQL cluster of the tests' own, and a store of objects that speaks S3."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from loopback_core.store.artifacts import ArtifactStore

PASSWORD = "s3cret@/:?#pass"  # each of these letters means something in an address


@dataclass(frozen=True)
class Cluster:
    folder: Path
    port: int
    password: str = PASSWORD

    def address(self, database="plays", *, user="owner", password=None):
        secret = "" if password is None else f":{password}"
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def cluster():
    """PostgreSQL refuses to run as root: there its files are those of the user that Debian's package made."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not programs:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    user = {}
    folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir="/tmp"))  # a socket's path must be short
    if os.geteuid() == 0:
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            shutil.rmtree(folder)
            pytest.skip("the tests run as root, and there is no user postgres to run PostgreSQL")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}

    def run(program, *arguments):
        command = [programs[-1].with_name(program), "-D", folder / "data", *arguments]
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **user)

    port, secret = free_port(), folder / "password"
    secret.write_text(PASSWORD)
    secret.chmod(0o644)
    try:
        run("initdb", "-U", "owner", f"--pwfile={secret}", "-A", "scram-sha-256", "-N", "-E", "UTF8", "--locale=C")
        options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -F"
        run("pg_ctl", "-w", "-l", folder / "log", "-o", options, "start")
        yield Cluster(folder, port)
        run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def no_credentials(monkeypatch):
    for name in ("LOOPBACK_SOURCE_PASSWORD", "PGPASSWORD", "PGPASSFILE", "PGUSER", "PGHOST"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "home")
