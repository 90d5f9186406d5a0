"""The bundle is exchanged while requests run, and one that cannot be served changes nothing."""

import gc
import itertools
import json
import shutil
import threading
import time
import weakref
from pathlib import Path

import pytest
from planted_home import over, publish, serve_bundle, wait_until, wait_until_ready

from loopback_core.bundle.bundle_files import KNOWN
from loopback_core.bundle.canaries import CANARIES
from loopback_core.errors import ArtifactError
from loopback_core.serving import loaded as loading
from loopback_core.serving.api import app as app_module
from loopback_core.serving.loaded import LoadedBundle
from loopback_core.serving.service import Service


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(app_module, "SECONDS_BETWEEN_POINTERS", 0.02)


def version(client):
    return client.get("/v1/bundle").json()["version"]


def failure(client):
    return client.get("/health/ready").json()["failure"]


def metric(client, name):
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[-1])


def test_a_new_bundle_is_taken_up_without_a_failed_request_while_many_ask(home, two):
    before, after = two
    requests = [
        lambda client: client.post("/v1/recommendations", json={"user_id": "user_01", "explain": True}),
        lambda client: client.post("/v1/recommendations:batch", json={"requests": [{}, {"user_id": "user_02"}]}),
        lambda client: client.get("/v1/tracks", params={"q": "track 1"}),
        lambda client: client.get("/v1/artists/1/similar"),
        lambda client: client.get("/v1/bundle"),
        lambda client: client.get("/health/ready"),
    ]
    answers, ended = [], threading.Event()

    def keep_asking(client, request):
        while not ended.is_set():
            answers.append(request(client))

    with over(home) as client:
        wait_until_ready(client)
        threads = [threading.Thread(target=keep_asking, args=(client, request)) for request in requests]
        for thread in threads:
            thread.start()
        for artifact in (after, before, after):
            asked = len(answers)
            serve_bundle(artifact)
            wait_until(lambda artifact=artifact: version(client) == artifact.version)
            wait_until(lambda asked=asked: len(answers) > asked + 30)
        ended.set()
        for thread in threads:
            thread.join()
        assert {answer.status_code for answer in answers} == {200}
        assert {
            answer.json()["bundle"] for answer in answers if "items" in answer.text and "bundle" in answer.json()
        } == {
            before.version,
            after.version,
        }
        assert metric(client, "loopback_bundle_exchanges") == 4


def test_an_answer_comes_from_one_bundle_though_it_is_exchanged_meanwhile(home, two):
    before, after = two
    service = Service(home)
    service.load()
    old = service.loaded
    serve_bundle(after)
    service.load()
    assert (old.version, service.loaded.version) == (before.version, after.version)
    assert old.served.search.tracks("track 1", 3).tolist()  # the old one answers whoever still holds it
    service.close()


def test_a_bundle_that_is_no_longer_served_is_given_back(home, two):
    service = Service(home)
    service.load()
    old = weakref.ref(service.loaded.served)
    serve_bundle(two[1])
    service.load()
    gc.collect()
    assert old() is None
    service.close()


def test_the_service_is_ready_only_after_the_canaries_gave_their_answers(home, monkeypatch):
    asked, go_on = threading.Event(), threading.Event()
    wrong_answers = loading.wrong_answers

    def slow(*arguments):
        asked.set()
        go_on.wait(20)
        return wrong_answers(*arguments)

    monkeypatch.setattr(loading, "wrong_answers", slow)
    with over(home) as client:
        assert asked.wait(20)
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"ready": False, "bundle": None, "failure": None})
        assert client.get("/health/live").status_code == 200
        refused = client.post("/v1/recommendations", json={})
        assert refused.status_code == refused.json()["status"] == 503
        assert refused.headers["retry-after"] and "being loaded" in refused.json()["detail"]
        go_on.set()
        wait_until_ready(client)
        assert client.post("/v1/recommendations", json={}).status_code == 200


def test_listens_are_stored_and_users_go_while_there_is_no_bundle(tmp_path):
    with over(tmp_path) as client:
        listen = {"user_id": "ann", "artist": "a", "track": "b", "time": "2009-01-01"}
        added = client.post("/v1/listens", json={"listens": [listen]}).json()
        assert (added["stored"], added["unknown"]) == (1, None)
        assert client.delete("/v1/users/ann").json() == {"listens": 1, "in_bundle": None}
        wait_until(lambda: failure(client))
        assert "There is no bundle" in failure(client)["reason"]
        refused = client.get("/v1/bundle")
        assert refused.status_code == 503 and "'*promotion'" in refused.json()["detail"]
        assert client.get("/health/ready").status_code == 503


# Bundles that cannot be served


def other_answers(folder: Path) -> None:
    canaries = json.loads((folder / CANARIES).read_text())
    canaries[0]["scores"][0] = round(canaries[0]["scores"][0] * 2, 3)
    text = json.dumps(canaries, indent=1, ensure_ascii=False)
    size = (folder / CANARIES).stat().st_size
    (folder / CANARIES).write_text(text + " " * (size - len(text.encode())))


def without_a_key(folder: Path) -> None:
    text = (folder / KNOWN).read_text()
    (folder / KNOWN).write_text(text.replace('"last_listen"', '"last_lister"'))


def larger(folder: Path) -> None:
    with (folder / "track_vectors.npy").open("ab") as file:
        file.write(b"x")


def header_of_other_shape(folder: Path) -> None:
    path = folder / "catalog" / "artist.npy"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(200,)", b"(100,)"))


def rubbish(name: str):
    def damage(folder: Path) -> None:
        size = (folder / name).stat().st_size
        (folder / name).write_bytes(b"\xa5" * size)

    return damage


DAMAGE = {
    "a file is missing": (lambda folder: (folder / "names.sqlite").unlink(), "is missing"),
    "a file is larger": (larger, "bytes instead of"),
    "a file is empty": (lambda folder: (folder / "tracks.faiss").write_bytes(b""), "bytes instead of"),
    "the canaries say something else": (other_answers, "does not give its stored answers"),
    "a value is missing": (without_a_key, "another version of loopback (no last_listen)"),
    "an array has another shape": (header_of_other_shape, ""),
    "the manifest is missing": (lambda folder: (folder / "manifest.json").unlink(), "manifest.json"),
    "the manifest is cut": (lambda folder: (folder / "manifest.json").write_text('{"asset": "bu'), "manifest.json"),
    "the folder is gone": (shutil.rmtree, "There is no bundle/"),
    **{
        f"{name} is rubbish": (rubbish(name), "")
        for name in (
            *("catalog/first_seen.npy", "track_vectors.npy", "names.arrow", "names.sqlite", "towers.safetensors"),
            *("towers.json", "scoring.json", "index.json", "bundle.json", "canaries.json", "histories/tracks.npy"),
            *("tracks.hashes.npy", "related.safetensors", "neighbours.safetensors", "tracks.faiss"),
            *("lists/discovery/tracks.npy", "lists/next_listen/scores.npy"),
        )
    },
}


@pytest.fixture(scope="module")
def failing(tmp_path_factory, shared_home, evaluated):
    """A service whose bundle is good, and a second one to damage: (client, home, the two artifacts)."""
    home = tmp_path_factory.mktemp("failing")
    good, other = publish(home, evaluated), publish(home, evaluated, seed=1)
    serve_bundle(good)
    shutil.copytree(other.folder, home / "whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_module, "SECONDS_BETWEEN_POINTERS", 0.02)
        with over(home) as client:
            wait_until_ready(client)
            yield client, home, good, other


def repaired(home, artifact):
    shutil.rmtree(artifact.folder, ignore_errors=True)
    shutil.copytree(home / "whole", artifact.folder)
    return type(artifact)(artifact.asset, artifact.version, artifact.folder)  # its manifest is read again


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_bundle_keeps_the_old_one_in_service_and_is_named_until_it_is_whole(failing, kind, caplog):
    client, home, good, other = failing
    damage, says = DAMAGE[kind]
    other = repaired(home, other)
    damage(other.folder)
    serve_bundle(other)
    wait_until(lambda: failure(client))
    found = failure(client)
    assert says in found["reason"] and "again" in found["reason"] and str(home) not in found["reason"]
    assert found["bundle"] in (other.version, "")
    assert version(client) == good.version
    assert client.post("/v1/recommendations", json={"user_id": "user_01"}).status_code == 200
    assert client.get("/health/ready").status_code == 200
    assert metric(client, "loopback_bundle_failed") == 1
    time.sleep(0.1)  # it is tried again and again, and logged once
    assert sum("is not put into service" in record.getMessage() for record in caplog.records) == 1
    serve_bundle(good)
    wait_until(lambda: not failure(client))
    assert metric(client, "loopback_bundle_failed") == 0
    assert metric(client, "loopback_bundle_exchanges") == 1


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is damaged"),
        (b"0123", "There is no bundle/0123"),
        (b"../../etc", "is damaged"),
        (b"no such version\n", "is damaged"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"\0\0\0\0", "is damaged"),
        (b"a" * 5000, "is damaged"),
        (None, "No bundle"),
    ],
    ids=range(8),
)
def test_a_pointer_that_names_nothing_keeps_the_old_bundle_in_service(failing, content, says):
    client, home, good, _ = failing
    pointer = home / "bundle" / "SERVED"
    pointer.unlink()
    if content is not None:
        pointer.write_bytes(content)
    # between the two lines above there is no pointer, which the service may see too
    wait_until(lambda: says in (failure(client) or {}).get("reason", ""))
    assert version(client) == good.version
    serve_bundle(good)
    wait_until(lambda: not failure(client))


def test_a_pointer_that_is_a_folder_keeps_the_old_bundle_in_service(failing):
    client, home, good, _ = failing
    (home / "bundle" / "SERVED").unlink()
    (home / "bundle" / "SERVED").mkdir()
    wait_until(lambda: "cannot be read" in (failure(client) or {}).get("reason", ""))
    assert version(client) == good.version
    (home / "bundle" / "SERVED").rmdir()
    serve_bundle(good)
    wait_until(lambda: not failure(client))


def test_whatever_goes_wrong_with_a_bundle_the_service_goes_on_looking(home, two, monkeypatch):
    """Also an error that nobody thought of."""
    with over(home) as client:
        wait_until_ready(client)
        monkeypatch.setattr(LoadedBundle, "load", lambda *_: 1 / 0)
        serve_bundle(two[1])
        wait_until(lambda: failure(client))
        assert "ZeroDivisionError" in failure(client)["reason"] and version(client) == two[0].version
        monkeypatch.undo()
        wait_until(lambda: version(client) == two[1].version)
        assert failure(client) is None


def test_a_bundle_whose_folder_is_deleted_while_it_is_served_goes_on_answering(home, two):
    with over(home) as client:
        wait_until_ready(client)
        first = client.post("/v1/recommendations", json={"user_id": "user_01"}).json()["items"]
        shutil.rmtree(two[0].folder)
        wait_until(lambda: failure(client))
        for user in range(60):
            assert client.post("/v1/recommendations", json={"user_id": f"user_{user:02d}"}).status_code == 200
        for path in ("/v1/tracks?q=track+2", "/v1/artists/3/similar", "/v1/tracks/5/similar", "/v1/bundle"):
            assert client.get(path).status_code == 200
        assert client.post("/v1/recommendations", json={"user_id": "user_01"}).json()["items"] == first
        serve_bundle(two[1])
        wait_until(lambda: version(client) == two[1].version)


def test_every_file_of_a_bundle_is_verified(two):
    """Cut by a byte it is refused always, with one bit changed where digests are asked for."""
    artifact = two[1]
    names = sorted(artifact.manifest["files"])
    assert len(names) > 30
    for name, change in itertools.product(names, ("cut", "flipped")):
        path = artifact.folder / name
        content = path.read_bytes()
        middle = len(content) // 2
        damaged = (
            content[:-1] if change == "cut" else content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        )
        path.write_bytes(damaged)
        again = type(artifact)(artifact.asset, artifact.version, artifact.folder)
        with pytest.raises(ArtifactError, match=path.name.replace(".", r"\.")) as refused:
            LoadedBundle.load(again, verify=change == "flipped")
        assert "'*promotion'" in str(refused.value), name
        path.write_bytes(content)
    LoadedBundle.load(type(artifact)(artifact.asset, artifact.version, artifact.folder), verify=True)
