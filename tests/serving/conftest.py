"""The service over a home with a bundle: untrained towers over a planted log, every term in the score."""

import pytest
from planted_artifacts import planted_evaluated
from planted_home import copy_home, over, publish, serve_bundle, wait_until_ready

from loopback_core.bundle.served_bundle import ServedBundle
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.served_pointer import served_bundle


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory):
    """The artifacts that a bundle is made from."""
    return planted_evaluated(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory, evaluated):
    """A home for tests that store and change nothing."""
    home = tmp_path_factory.mktemp("home")
    serve_bundle(publish(home, evaluated))
    return home


@pytest.fixture
def home(tmp_path, shared_home):
    """A home of its own for each test that writes to it."""
    return copy_home(shared_home, tmp_path)


@pytest.fixture
def client(home):
    """The app over a home of its own."""
    with over(home) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="module")
def writing(tmp_path_factory, shared_home):
    """The app over a home of the module, for requests about users of their own."""
    with over(copy_home(shared_home, tmp_path_factory.mktemp("writing"))) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="session")
def reading(shared_home):
    """The app over the shared home, for requests that change nothing."""
    with over(shared_home) as client:
        wait_until_ready(client)
        yield client


@pytest.fixture(scope="session")
def reading_bundle(shared_home):
    """The bundle that `reading` answers from."""
    return ServedBundle.load(served_bundle(ArtifactStore(shared_home)).folder)


@pytest.fixture
def two(home, evaluated):
    """The bundle that is served, and another of the same content."""
    return served_bundle(ArtifactStore(home)), publish(home, evaluated, seed=1)
