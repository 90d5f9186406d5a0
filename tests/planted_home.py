"""A home with a bundle of the planted log in service."""

import shutil
import time

from starlette.testclient import TestClient

from loopback_core.bundle.build_bundle import build_bundle
from loopback_core.serving.api.app import ServeOptions, create_app
from loopback_core.settings import Settings
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.atomic import write_text


def publish(home, evaluated, seed=0):
    """Publish a bundle of these artifacts; another seed gives another version of the same content."""

    def make(folder):
        return build_bundle(evaluated, Settings(bundle={"refit": "none"}), folder, folder)

    artifact, _ = ArtifactStore(home).build("bundle", make, upstream={}, settings={"seed": seed}, code="")
    return artifact


def serve_bundle(artifact):
    """Let this version be served, sound or not, as a person may write it into the pointer."""
    write_text(artifact.folder.parent / "SERVED", artifact.version + "\n")


def copy_home(home, to):
    """The same home elsewhere, whose files may be changed."""
    shutil.copytree(home / "bundle", to / "bundle")
    return to


def over(home, **options):
    """The app over a home."""
    return TestClient(create_app(ServeOptions(home, **options)), raise_server_exceptions=False)


def wait_until_ready(client):
    """Return once the bundle is in service."""
    for _ in range(300):
        if client.get("/health/ready").status_code == 200:
            return
        time.sleep(0.05)
    raise AssertionError(client.get("/health/ready").text)


def wait_until(fact):
    """Return once it holds."""
    for _ in range(1000):
        if fact():
            return
        time.sleep(0.02)
    raise AssertionError("it never happened")
