"""Two bundles are served side by side: each user gets one of them."""

import gc
import shutil
import threading
import weakref
from contextlib import closing

import pytest
from click.testing import CliRunner
from planted_home import over, wait_until, wait_until_ready

from loopback_core.command_line.main import main
from loopback_core.served_quality.answer_log import AnswerLog
from loopback_core.serving import answer_writer
from loopback_core.serving.api import app as app_module
from loopback_core.serving.service import Service
from loopback_core.store.artifacts import ArtifactStore
from loopback_core.store.atomic import write_text
from loopback_core.store.challenger_pointer import challenge_of
from loopback_core.store.deployments import deploy, end_challenge, start_challenge

USERS = [f"user_{number:02d}" for number in range(40)]


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(app_module, "SECONDS_BETWEEN_POINTERS", 0.02)
    monkeypatch.setattr(answer_writer, "SECONDS_BETWEEN_WRITES", 0.01)


def ready(client):
    return client.get("/health/ready").json()


def metric(client, name):
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[-1])


def bundle_of(client, user):
    answer = client.post("/v1/recommendations", json={} if user is None else {"user_id": user})
    assert answer.status_code == 200
    return answer.json()["bundle"]


def test_each_user_gets_one_of_two_bundles_while_the_test_runs_and_the_log_says_so(home, two):
    champion, challenger = two
    store = ArtifactStore(home)
    with over(home, keep_answers_days=1.0) as client:
        wait_until_ready(client)
        assert "challenger" not in ready(client)
        challenge = start_challenge(store, challenger, 0.5)
        wait_until(lambda: ready(client).get("challenger"))
        state = {"bundle": challenger.version, "share": 0.5, "failure": None}
        assert ready(client)["challenger"] == state and metric(client, "loopback_challenger_share") == 0.5
        expected = {user: challenger.version if challenge.takes(user) else champion.version for user in USERS}
        assert len(set(expected.values())) == 2
        assert {user: bundle_of(client, user) for user in USERS} == expected
        assert bundle_of(client, None) == client.get("/v1/bundle").json()["version"] == champion.version
        batch = client.post("/v1/recommendations:batch", json={"requests": [{"user_id": f" {user}"} for user in USERS]})
        assert [one["bundle"] for one in batch.json()["answers"]] == list(expected.values())
        first = client.post("/v1/recommendations", json={"user_id": USERS[3]}).json()["items"]
        assert batch.json()["answers"][3]["items"] == first
        wait_until(lambda: metric(client, "loopback_answers_logged_total") == 2 * len(USERS) + 2)
        with closing(AnswerLog.open(home)) as log:
            frame = log.frame()
            assert set(frame["split"]) == {challenge.salt} and set(frame["challenger"]) == {challenger.version}
            by_key = {log.key_of(user): version for user, version in expected.items()}
            assert dict(zip(frame["user"], frame["bundle"], strict=True)) == by_key
        end_challenge(store)
        wait_until(lambda: "challenger" not in ready(client))
        assert {bundle_of(client, user) for user in USERS} == {champion.version}
        assert metric(client, "loopback_challenger_share") == 0


def test_a_challenger_that_cannot_be_loaded_answers_nobody_and_is_named(home, two, caplog):
    champion, challenger = two
    store = ArtifactStore(home)
    whole = shutil.copytree(challenger.folder, home / "whole")
    with over(home) as client:
        wait_until_ready(client)
        start_challenge(store, challenger, 0.9)
        (challenger.folder / "names.sqlite").unlink()
        wait_until(lambda: (ready(client).get("challenger") or {}).get("failure"))
        state = ready(client)["challenger"]
        assert state["bundle"] == challenger.version and state["share"] == 0 and "names.sqlite" in state["failure"]
        assert str(home) not in state["failure"] and metric(client, "loopback_challenger_failed") == 1
        assert {bundle_of(client, user) for user in USERS[:10]} == {champion.version}
        shutil.copy(whole / "names.sqlite", challenger.folder)
        wait_until(lambda: (ready(client).get("challenger") or {"failure": "loading"})["failure"] is None)
        assert metric(client, "loopback_challenger_failed") == 0
        write_text(store.home / "bundle" / "CHALLENGER", "rubbish")
        wait_until(lambda: (ready(client).get("challenger") or {}).get("failure"))
        assert {bundle_of(client, user) for user in USERS[:10]} == {champion.version}
    assert sum("answers nobody" in record.getMessage() for record in caplog.records) == 2


def test_no_request_fails_while_tests_begin_and_end_and_the_challenger_is_promoted(home, two):
    challenger = two[1]
    store = ArtifactStore(home)
    answers, ended = [], threading.Event()

    def keep_asking(client, request):
        while not ended.is_set():
            answers.append(client.post(request[0], json=request[1]))

    single = ("/v1/recommendations", {"user_id": USERS[1]})
    batch = ("/v1/recommendations:batch", {"requests": [{"user_id": user, "k": 3} for user in USERS]})
    with over(home) as client:
        wait_until_ready(client)
        threads = [threading.Thread(target=keep_asking, args=(client, request)) for request in (single, batch)]
        for thread in threads:
            thread.start()
        for _ in range(2):
            start_challenge(store, challenger, 0.5)
            wait_until(lambda: ready(client).get("challenger"))
            end_challenge(store)
            wait_until(lambda: "challenger" not in ready(client))
        start_challenge(store, challenger, 0.5)
        wait_until(lambda: ready(client).get("challenger"))
        deploy(store, challenger, "chosen", "it won")
        wait_until(lambda: ready(client)["bundle"] == challenger.version and "challenger" not in ready(client))
        ended.set()
        for thread in threads:
            thread.join()
        assert {answer.status_code for answer in answers} == {200} and len(answers) > 10
        assert {bundle_of(client, user) for user in USERS} == {challenger.version}


def test_the_second_bundle_takes_memory_only_while_the_test_runs_and_forgets_users_too(home, two):
    store = ArtifactStore(home)
    service = Service(home)
    start_challenge(store, two[1], 0.5)
    service.follow()
    second = weakref.ref(service.challenger.loaded.served)
    loaded = service.challenger.loaded
    start_challenge(store, two[1], 0.7)
    service.follow()
    assert service.challenger.loaded is loaded and service.challenger.challenge.share == 0.7
    forgotten = []
    loaded.listeners.forget = forgotten.append
    service.erase(" user_01 ")
    assert forgotten == ["user_01"]
    del loaded
    end_challenge(store)
    service.follow()
    gc.collect()
    assert second() is None and service.challenger is None
    service.close()


def test_the_command_begins_and_ends_a_test(home, two, tmp_path, monkeypatch):
    champion, challenger = two

    def run(*arguments):
        done = CliRunner().invoke(main, ["challenge", "--home", str(home), *arguments])
        return done.exit_code, done.output

    code, said = run(challenger.version)
    assert code == 1 and "No share is given: --share 0.1" in said
    code, said = run(challenger.version, "--share", "0.1")
    assert (
        code == 0
        and f"10.0% of the users get bundle/{challenger.version}, the others bundle/{champion.version}" in said
    )
    code, said = run("--end")
    assert code == 0 and said == f"The test has ended.\nEverybody gets bundle/{champion.version}.\n"
    (tmp_path / "settings.toml").write_text("[served]\nchallenger_share = 0.2\n")
    monkeypatch.setenv("LOOPBACK_CONFIG", str(tmp_path / "settings.toml"))
    assert run(challenger.version)[0] == 0 and challenge_of(ArtifactStore(home)).share == 0.2
    assert run()[0] == run(challenger.version, "--end")[0] == 2
    assert run("nothing", "--share", "0.1")[0] == 1


def test_the_list_of_bundles_names_the_challenger(home, two):
    start_challenge(ArtifactStore(home), two[1], 0.25)
    said = CliRunner().invoke(main, ["bundles", "--home", str(home)]).output
    (line,) = [line for line in said.splitlines() if line.startswith(two[1].version)]
    assert line.endswith("served to 25.0% of the users")
