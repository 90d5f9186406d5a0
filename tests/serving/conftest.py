"""A home with a bundle in service: untrained towers over a planted log, every term in the score."""

import time

import pytest
from planted_log import planted_splits
from starlette.testclient import TestClient

from loopback_core.bundle.build_bundle import Evaluated, build_bundle
from loopback_core.ranking.linear_ranker import LinearRanker, save_rankers
from loopback_core.ranking.relations import Relations
from loopback_core.recommenders.build_retrieval import embed_catalog, index_catalog
from loopback_core.serving.api.app import ServeOptions, create_app
from loopback_core.settings import IndexSettings, Settings, TowersSettings
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.served_pointer import serve_bundle
from loopback_core.towers.two_tower import TwoTower, Vocabulary

RANKER = LinearRanker.of(
    {
        "towers": 1.0,
        "listeners": 0.5,
        "track plays 7d": 8.0,
        "artist plays": 4.0,
        "artist plays x listeners": 1.0,
        "related": 1.0,
        "follows last 10": 0.5,
    }
)


def publish(home, evaluated, seed=0):
    """Publish a bundle of these artifacts; another seed gives another version of the same content."""

    def make(folder):
        return build_bundle(evaluated, Settings(bundle={"refit": "none"}), folder, folder)

    artifact, _ = ArtifactStore(home).build("bundle", make, upstream={}, settings={"seed": seed}, code="")
    return artifact


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory):
    """The artifacts that a bundle is made from."""
    import torch

    folder = tmp_path_factory.mktemp("artifacts")
    splits = planted_splits(folder)
    shape = TowersSettings(user_encoder="pooled", track_encoder="sum", output_dim=8)
    catalog = splits.testing.catalog
    torch.manual_seed(0)
    towers = folder / "towers"
    towers.mkdir()
    TwoTower(Vocabulary(catalog.n_users, catalog.n_tracks, catalog.n_artists), shape).save(towers)
    Relations.learn(splits.testing, 100, 20).save(towers)
    save_rankers(dict.fromkeys(("discovery", "next_listen"), RANKER), towers)
    for name in ("vectors", "index"):
        (folder / name).mkdir()
    embed_catalog(splits, towers, folder / "vectors")
    index_catalog(splits, towers, folder / "vectors", IndexSettings(kind="flat"), folder / "index")
    summary = {"settings": {"towers": shape.model_dump()}, "best_epoch": 1}
    source = {"name": "planted", "events": len(splits.train), "users": catalog.n_users}
    verdict = {"evaluation": "none", "verdicts": []}
    return Evaluated(splits, towers, folder / "vectors", folder / "index", summary, source, verdict)


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
