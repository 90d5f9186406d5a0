"""What every request passes: keys, bounds of size, time and number, and the counters."""

import asyncio
import hmac
import http.client
import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn
from planted_home import over, wait_until_ready

from loopback_core.serving.api import bounded_protocol, catalog_routes, guard, recommendation_routes
from loopback_core.serving.api.app import ServeOptions, create_app

KEYS = ("first key", "second key")


@pytest.fixture(scope="module")
def locked(shared_home):
    """The app with keys."""
    with over(shared_home, keys=KEYS) as client:
        wait_until_ready(client)
        yield client


def counted(client, route, method="GET"):
    """Status -> the number of requests to a route."""
    counts = {}
    for line in client.get("/metrics", headers={"x-api-key": KEYS[0]}).text.splitlines():
        if line.startswith(f'loopback_requests_total{{method="{method}",route="{route}",status="'):
            counts[int(line.split('status="')[1][:3])] = int(float(line.split()[-1]))
    return counts


def value(client, name):
    lines = client.get("/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[-1])


# Keys


@pytest.mark.parametrize("key", [None, "", "first", "first key ", "FIRST KEY", "first key,second key", b"\xff\xfe"])
def test_without_one_of_the_keys_nothing_is_answered(locked, key):
    headers = {} if key is None else {"x-api-key": key}
    for method, path in (
        ("POST", "/v1/recommendations"),
        ("GET", "/v1/bundle"),
        ("GET", "/metrics"),
        ("DELETE", "/v1/users/ann"),
        ("GET", "/nothing"),
        ("GET", "/page"),
    ):
        answer = locked.request(method, path, headers=headers)
        assert answer.status_code == answer.json()["status"] == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert "X-API-Key" in answer.json()["detail"] and answer.headers["www-authenticate"]


def test_each_key_is_accepted(locked):
    for key in KEYS:
        assert locked.get("/v1/bundle", headers={"X-Api-Key": key}).status_code == 200


def test_the_page_the_description_and_the_health_need_no_key(locked):
    for path in ("/", "/health/live", "/health/ready", "/docs", "/openapi.json", *files_of_the_pages(locked)):
        assert locked.get(path).status_code == 200, path


def files_of_the_pages(client):
    """Of the page and of the description of the API; nothing comes from another server."""
    pages = client.get("/").text + client.get("/docs").text
    assert "https:" not in pages and "//cdn" not in pages
    files = re.findall(r"""["'](/?(?:page|docs)/[^"']+)["']""", pages)
    assert len(files) > 4 and any(name.endswith("swagger-ui-bundle.js") for name in files)
    return ["/" + name.lstrip("/") for name in files]


def test_every_key_is_compared_in_constant_time(locked, monkeypatch):
    compared = []

    def compare(given, key):
        compared.append((given, key))
        return hmac_compare(given, key)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr(guard.hmac, "compare_digest", compare)
    locked.get("/v1/bundle", headers={"x-api-key": KEYS[0]})
    assert compared == [(KEYS[0].encode(), key.encode()) for key in KEYS]


def test_nothing_of_a_request_is_logged(locked, caplog):
    with caplog.at_level("DEBUG"):
        locked.get("/v1/tracks?q=secret", headers={"x-api-key": "secret"})
        body = {"user_id": "secret", "history": [{"artist": "secret"}], "k": 0}
        locked.post("/v1/recommendations", json=body, headers={"x-api-key": KEYS[0]})
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not any("secret" in message or KEYS[0] in message for message in ours)


def test_an_error_repeats_nothing_of_what_was_sent(reading):
    for body in ({"user_id": 7, "k": "secret"}, {"history": [{"artist": "a", "time": "secret"}]}, {"task": "secret"}):
        answer = reading.post("/v1/recommendations", json=body)
        assert answer.status_code == 422 and "secret" not in answer.text


# Sizes and times


def test_a_body_that_is_too_large_is_refused_however_it_is_sent(reading):
    large = b'{"user_id": "' + b"x" * guard.LARGEST_BODY + b'"}'
    for content in (large, iter([large[:5_000_000], large[5_000_000:]])):
        answer = reading.post("/v1/recommendations", content=content, headers={"content-type": "application/json"})
        assert answer.status_code == answer.json()["status"] == 413
        assert "larger than 8 MB" in answer.json()["detail"]


def wrong_bodies():
    """Bodies of nearly 8 MB whose every part is wrong: each would be millions of errors."""
    empty, minus = [b"{}"] * 10_000, [b"-1"] * 10_000
    yield "/v1/recommendations", b'{"history":[%s]}' % b",".join(empty * 250)
    yield "/v1/recommendations", b'{"exclude":{"tracks":[%s]}}' % b",".join(minus * 250)
    yield "/v1/recommendations", b"{%s}" % b",".join(b'"a%d":1' % n for n in range(300_000))
    yield "/v1/recommendations", b'{"history":[{%s}]}' % b",".join(b'"a%d":1' % n for n in range(300_000))
    yield "/v1/recommendations:batch", b'{"requests":[%s]}' % b",".join([b'{"history":[%s]}' % b",".join(empty)] * 250)
    asked = b'{"exclude":{"tracks":[%s]}}' % b",".join(minus)
    yield "/v1/recommendations:batch", b'{"requests":[%s]}' % b",".join([asked] * 250)
    yield (
        "/v1/listens",
        b'{"listens":[%s]}' % b",".join([b"{%s}" % b",".join(b'"a%d":1' % n for n in range(800))] * 900),
    )


@pytest.mark.parametrize(("path", "body"), list(wrong_bodies()), ids=range(7))
def test_a_large_body_of_which_everything_is_wrong_gives_one_error(reading, monkeypatch, path, body):
    """Millions of errors took minutes and gigabytes."""
    seen = []
    monkeypatch.setattr(
        "fastapi.exceptions.RequestValidationError.errors", lambda error: seen.append(error) or error._errors
    )
    answer = reading.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert len(seen[0]._errors) < 60


def scope(path, method="POST"):
    headers = [(b"content-type", b"application/json")]
    return {
        **{"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": headers},
        **{"query_string": b"", "http_version": "1.1", "scheme": "http", "root_path": ""},
    }


def asked(app, path, *messages):
    """What the app sends where a client sends these messages and then nothing more."""
    waiting, sent = list(messages), []

    async def receive():
        if not waiting:
            await asyncio.Event().wait()
        return waiting.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(asyncio.wait_for(app(scope(path), receive, send), 20))
    return sent


def part(body, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_that_never_arrives_is_given_up(shared_home, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS_TO_ARRIVE", 0.05)
    app = create_app(ServeOptions(shared_home))
    for messages in ([], [part(b"{")], [part(b"{"), part(b'"k"')]):
        start, body = asked(app, "/v1/listens", *messages)
        assert start["status"] == json.loads(body["body"])["status"] == 408
        assert (b"connection", b"close") in start["headers"]


def test_a_client_that_goes_away_gets_nothing_and_is_no_failure_of_the_service(home):
    with over(home) as client:
        wait_until_ready(client)
        assert asked(client.app, "/v1/listens", part(b'{"lis'), {"type": "http.disconnect"}) == []
        assert counted(client, "/v1/listens", "POST") == {499: 1}


def test_a_full_queue_is_503_with_the_time_to_come_back_and_nobody_else_is_refused(shared_home, monkeypatch):
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(*_):
        begun.release()
        go_on.wait(20)
        return []

    monkeypatch.setattr(catalog_routes, "similar_tracks", slow)
    with over(shared_home, threads=2, waiting=1) as client, ThreadPoolExecutor() as pool:
        wait_until_ready(client)
        waiting = [pool.submit(client.get, "/v1/tracks/1/similar") for _ in range(3)]
        assert begun.acquire(timeout=20) and begun.acquire(timeout=20)
        while value(client, "loopback_pool_depth") < 3:
            time.sleep(0.01)
        refused = client.post("/v1/recommendations", json={})
        assert refused.status_code == refused.json()["status"] == 503
        assert refused.headers["retry-after"] == "1" and "ask again" in refused.json()["detail"]
        assert client.get("/health/ready").status_code == 200  # what needs no thread is answered
        go_on.set()
        assert [one.result().status_code for one in waiting] == [200] * 3
        assert client.post("/v1/recommendations", json={}).status_code == 200
        assert value(client, "loopback_pool_depth") == 0
        assert counted(client, "/v1/recommendations", "POST") == {200: 1, 503: 1}


@pytest.fixture
def address(shared_home, monkeypatch):
    """Where a server answers that has little patience."""
    monkeypatch.setattr(bounded_protocol, "SECONDS_BETWEEN_LOOKS", 0.3)
    monkeypatch.setattr(guard, "SECONDS_TO_ARRIVE", 0.3)
    listening = socket.create_server(("127.0.0.1", 0))
    app = create_app(ServeOptions(shared_home))
    protocol = bounded_protocol.BoundedProtocol
    server = uvicorn.Server(uvicorn.Config(app, http=protocol, ws="none", log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()
    server.should_exit = True
    thread.join()


GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /v1/listens HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "again", "status"),
    [
        (b"", b"", None),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ", b"", None),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-A: %s\r\n" % (b"a" * 50_000), None),
        (POST, b"", 408),
        (POST + b"{", b" ", 408),
        (POST.replace(b"Content-Length: 100", b"Transfer-Encoding: chunked"), b"1\r\n \r\n", 408),
        (GET, b"", 200),
        (GET + b"GET /", b"a", 200),
    ],
)
def test_a_client_that_hangs_is_let_go_and_others_are_answered(address, first, again, status):
    other = http.client.HTTPConnection(*address, timeout=20)
    with socket.create_connection(address, timeout=20) as hanging:
        hanging.sendall(first)
        hanging.settimeout(0.05)
        received = b""
        ends = time.monotonic() + 20
        while True:
            assert time.monotonic() < ends, "the connection is still open"
            try:
                if again:
                    hanging.sendall(again)
                if not (data := hanging.recv(65536)):
                    break
                received += data
            except TimeoutError:
                pass
            except OSError:
                break  # closed while we sent
            other.request("GET", "/health/live")
            assert other.getresponse().read() == b'{"status":"live"}'
    other.close()
    assert status is None or f" {status} ".encode() in received[:15]
    assert status is not None or received == b""


# Failures and counters


def test_a_fault_of_the_service_is_a_problem_without_details_and_is_logged(shared_home, monkeypatch, caplog):
    def broken(*_):
        raise KeyError("an internal name")

    monkeypatch.setattr(recommendation_routes, "answer_row", broken)
    with over(shared_home) as client:
        wait_until_ready(client)
        answer = client.post("/v1/recommendations", json={})
        assert answer.status_code == answer.json()["status"] == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "internal" not in answer.text and "an internal name" in caplog.text
        assert counted(client, "/v1/recommendations", "POST") == {500: 1}


def test_every_status_is_counted_by_its_route_and_method(home, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS_TO_ARRIVE", 0.05)
    with over(home, keys=KEYS) as client:
        wait_until_ready(client)
        key = {"x-api-key": KEYS[0]}
        client.headers.update(key)
        path = "/v1/recommendations"
        client.post(path, json={})
        client.post(path, json={"k": 0})
        client.post(path, content=b"{", headers={"content-type": "application/json"})
        client.post(path, content=b"{}")
        client.post(path, content=b"x" * (guard.LARGEST_BODY + 1))
        client.post(path, json={}, headers={"x-api-key": "wrong"})
        for track in (1, 2, 999):
            client.get(f"/v1/tracks/{track}")
        client.get("/v1/tracks/5", headers={"x-api-key": "wrong"})
        client.put("/v1/tracks/5")
        client.request("BREW", "/v1/tracks/5")
        client.request("DELETE", "/v1/users/a%2Fb")
        client.get("/nothing/here")
        assert counted(client, path, "POST") == {200: 1, 422: 1, 400: 1, 415: 1, 413: 1, 401: 1}
        assert counted(client, "/v1/tracks/{track}") == {200: 2, 404: 1, 401: 1}
        assert counted(client, "/v1/tracks/{track}", "PUT") == {405: 1}
        assert counted(client, "/v1/tracks/{track}", "other") == {405: 1}
        assert counted(client, "/v1/users/{user_id}", "DELETE") == {200: 1}
        assert counted(client, "unmatched") == {404: 1}


def test_fallbacks_empty_answers_listens_and_stages_are_counted(client):
    client.post("/v1/recommendations", json={})
    client.post("/v1/recommendations", json={"only": {"artists": []}})
    client.post("/v1/recommendations:batch", json={"requests": [{"user_id": "user_01"}, {}]})
    listen = {"user_id": "ann", "artist": "a", "track": "b", "time": "2009-01-01"}
    client.post("/v1/listens", json={"listens": [listen, {**listen, "track": "c"}]})
    assert value(client, "loopback_fallbacks_total") == 3
    assert value(client, "loopback_empty_answers_total") == 1
    assert value(client, "loopback_listens_stored_total") == 2
    assert value(client, 'loopback_stage_seconds_count{stage="encode"}') == 3
    assert (value(client, "loopback_bundle_exchanges"), value(client, "loopback_bundle_failed")) == (1, 0)
    assert 0 <= value(client, "loopback_bundle_age_seconds") < 86_400


def test_answers_may_not_be_kept_or_guessed_at(reading):
    headers = reading.get("/v1/bundle").headers
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert "default-src 'self'" in reading.get("/").headers["content-security-policy"]
