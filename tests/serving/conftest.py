"""A home with a bundle in service: untrained towers over a planted log, every term in the score."""

import time

import pytest
from planted_artifacts import planted_evaluated
from starlette.testclient import TestClient

from loopback_core.bundle.build_bundle import build_bundle
from loopback_core.serving.api.app import ServeOptions, create_app
from loopback_core.settings import Settings
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.served_pointer import serve_bundle


def publish(home, evaluated, seed=0):
    """Publish a bundle of these artifacts; another seed gives another version of the same content."""

    def make(folder):
        return build_bundle(evaluated, Settings(bundle={"refit": "none"}), folder, folder)

    artifact, _ = ArtifactStore(home).build("bundle", make, upstream={}, settings={"seed": seed}, code="")
    return artifact


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory):
    """The artifacts that a bundle is made from."""
    return planted_evaluated(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture
def home(tmp_path, evaluated):
    """A home of its own for each test that writes to it."""
    serve_bundle(publish(tmp_path, evaluated))
    return tmp_path


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory, evaluated):
    """A home for tests that store and change nothing."""
    home = tmp_path_factory.mktemp("home")
    serve_bundle(publish(home, evaluated))
    return home


def wait_until_ready(client):
    """Return once the bundle is in service."""
    for _ in range(300):
        if client.get("/health/ready").status_code == 200:
            return
        time.sleep(0.05)
    raise AssertionError(client.get("/health/ready").text)


@pytest.fixture
def client(home):
    """The app over a home of its own."""
    with TestClient(create_app(ServeOptions(home)), raise_server_exceptions=False) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="session")
def reading(shared_home):
    """The app over the shared home, for requests that change nothing."""
    with TestClient(create_app(ServeOptions(shared_home)), raise_server_exceptions=False) as client:
        wait_until_ready(client)
        yield client
